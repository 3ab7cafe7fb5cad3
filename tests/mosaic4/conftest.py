"""A Mosaic-4 of five drawn classes, built once; all fixtures are read-only."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic4.benchmark import MosaicBenchmark, build
from mosaic4.build import build as build_dataset
from mosaic4.dataset import FORMS
from tests.mosaic4.drawn_folders import RECIPE, Forms, class_file, draw_folders


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of five classes, ten samples each."""
    return draw_folders(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five classes, one a line."""
    return class_file(tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="session")
def mosaic(folders: Path, classes: Path, tmp_path_factory: pytest.TempPathFactory) -> MosaicBenchmark:
    """Fifty mosaics."""
    built = build(folders, tmp_path_factory.mktemp("mosaic") / "built", classes=classes)
    assert isinstance(built, MosaicBenchmark)
    return built


@pytest.fixture(scope="session")
def forms(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Forms:
    """Form -> folder and dataset of the same fifty mosaics."""
    out = tmp_path_factory.mktemp("forms")
    return {form: (out / form, build_dataset(folders, out / form, RECIPE, form=form, workers=1)) for form in FORMS}
