"""Damaged files of a Mosaic-4: the mosaics and questions are right, or one line names the file.

Written mosaics are read by ``verify``; the next build after a killed one reads them too (``test_build.py``).
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import CheckFailedError
from fsbench.index.benchmark import open_benchmark
from mosaic4.benchmark import MosaicBenchmark, build
from mosaic4.build import build as build_dataset
from mosaic4.dataset import Form
from mosaic4.recipe import make_recipe
from mosaic4.verification import verify_dataset
from tests.fuzz.targets import Target
from tests.fuzz.test_fuzz import fuzz
from tests.mosaic4.drawn_folders import KEYS

SMALL = make_recipe([f"{key}/1" for key in KEYS])
"""Five mosaics."""
WRITTEN: dict[Form, tuple[str, ...]] = {
    "png": ("images/000003.png", "masks/000001.png", "metadata.jsonl"),
    "parquet": ("data/test-00000-of-00001.parquet",),
}


def used(folder: Path) -> object:
    """What an evaluation reads from a folder: its digests and questions, and two mosaics with their masks."""
    benchmark = open_benchmark(folder)
    assert isinstance(benchmark, MosaicBenchmark)
    asked = draw(benchmark.lists, "test", PROTOCOLS["mosaic4-v1"], 1, 0).sha256
    pixels = [hashlib.sha256(part.tobytes()).hexdigest() for i in (0, 7) for part in benchmark.mosaics[i]]
    return benchmark.digests, benchmark.lists, benchmark.title, benchmark.samples, asked, pixels


def checked(folder: Path, raw: Path) -> object:
    """The digests of a folder whose checks all pass; raises CheckFailedError otherwise."""
    failed = [check.said for check in verify_dataset(folder, raw, 1) if not check.passed]
    if failed:
        raise CheckFailedError("; ".join(failed))
    return "whole"


@pytest.fixture
def targets(folders: Path, classes: Path, tmp_path: Path) -> list[Target]:
    raw = Path(shutil.copytree(folders, tmp_path / "raw"))
    whole = tmp_path / "mosaic"
    benchmark = build(raw, whole, classes=classes)
    assert isinstance(benchmark, MosaicBenchmark)
    sample = benchmark.dataset.recipe.mosaics[7][2]
    targets = [
        Target(f"mosaic {name}", whole / name, lambda: used(whole), is_json=name.endswith(".json"))
        for name in ("mosaic4.json", "recipe.parquet", "croissant.json", "benchmark.json")
    ]
    targets += [Target(f"mosaic tile {end}", raw / f"{sample}.{end}", lambda: used(whole)) for end in ("jpg", "png")]
    for form, names in WRITTEN.items():
        out = tmp_path / form
        build_dataset(raw, out, SMALL, form=form)
        targets += [
            Target(f"written {name}", out / name, lambda out=out: checked(out, raw))  # type: ignore[misc]
            for name in names
        ]
    return targets


@pytest.mark.parametrize("mutations", [100, pytest.param(3000, marks=pytest.mark.long)])
def test_damaged_files(targets: list[Target], mutations: int) -> None:
    ends = fuzz(targets, mutations)
    print(ends)
    assert sum(ends.values()) == mutations
