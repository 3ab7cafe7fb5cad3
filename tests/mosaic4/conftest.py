"""What several tests need: a Mosaic-4 of five drawn classes, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic4.benchmark import MosaicBenchmark, build
from tests.mosaic4.drawn_folders import KEYS, draw_folders


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of five classes, ten samples each; not to be damaged."""
    return draw_folders(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="session")
def mosaic(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> MosaicBenchmark:
    """Fifty mosaics; not to be damaged."""
    here = tmp_path_factory.mktemp("mosaic")
    (here / "classes.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    built = build(folders, here / "built", classes=here / "classes.txt")
    assert isinstance(built, MosaicBenchmark)
    return built
