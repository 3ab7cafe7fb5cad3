"""FSS-1000's layout on real photographs: a stand-in of 27 classes, which is not FSS-1000, and the published lists."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fsbench
from fsbench.benchmarks.fss import fss1000
from fsbench.benchmarks.fss.lists import LISTS, all_keys, published_text
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import Benchmark

MASKS = "1f9ed10b210f3020616d086f9b940a617ed5d63fb7b14cffd16253c887451340"
"""Digest of the stand-in's 270 decoded masks."""


@pytest.fixture(scope="module")
def built(fss_like: Path, fss_like_classes: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return fss1000.build(fss_like, tmp_path_factory.mktemp("fss"), fss_like_classes, workers=1)


def test_shipped_lists_are_the_published_files(published_lists: Path) -> None:
    for name in LISTS:
        assert published_text(name).encode() == (published_lists / "fss-1000" / f"{name}.txt").read_bytes()


def test_the_stand_in_is_built_and_verified(built: Benchmark, fss_like: Path) -> None:
    assert built.title == "FSS-1000 layout [27 own classes]"
    assert built.counts == {"val_present": 270, "val_total": 270}
    assert built.digests.masks == MASKS
    assert [check for check in verify_benchmark(built, 1) if not check.passed] == []
    with (fss_like / "sources.tsv").open(encoding="utf-8", newline="") as file:
        assert {row[0] for row in csv.reader(file, delimiter="\t")} >= set(built.samples)
    for (sample, class_id), area in zip(built.lists.val["test"][::7], built.areas["val-foldtest"][::7], strict=True):
        with Image.open(fss_like / f"{sample}.png") as mask:
            expected = np.asarray(mask.convert("L")) >= 128
        assert area == expected.sum()
        assert np.array_equal(built.truth(sample, class_id) == 1, expected)


def test_it_is_not_fss_1000(fss_like: Path, tmp_path: Path) -> None:
    """Six of its names are FSS-1000's too, and one of these is tested."""
    with pytest.raises(fsbench.FsbenchError, match="239 of 240 tested classes have no folder"):
        fss1000.build(fss_like, tmp_path / "whole", workers=1)
    partial = fss1000.build(fss_like, tmp_path / "partial", partial=True, workers=1)
    assert partial.title == "FSS-1000 [partial 10/2400]"
    present = {sample.rpartition("/")[0] for sample in partial.present}
    assert present == {"bus", "cup", "keyboard", "laptop", "potted_plant", "refrigerator"}
    assert present == set(all_keys()) & {path.name for path in fss_like.iterdir()}


def test_protocols_of_the_papers_ask_it_as_fss_1000(built: Benchmark, tmp_path: Path) -> None:
    expected = {("fsbench-v1", 1): 270, ("hsnet", 1): 270, ("lseg", 0): 270, ("lseg", 1): 243}
    for (protocol, shots), asked in expected.items():
        record = fsbench.evaluate("center", built, protocol=protocol, shots=shots, out=tmp_path)
        assert record.folds["test"].asked == asked
        assert "imagewise" in record.other
