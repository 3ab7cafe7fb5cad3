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
def raw(shared_data: Path) -> Path:
    return shared_data / "fss_like"


@pytest.fixture(scope="module")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    folder = tmp_path_factory.mktemp("fss")
    names = [path.name for path in raw.iterdir() if path.is_dir()]
    (folder / "classes.txt").write_text("\n".join(names))
    return fss1000.build(raw, folder / "out", folder / "classes.txt", workers=1)


@pytest.mark.parametrize("name", LISTS)
def test_shipped_lists_are_the_published_files(name: str, published_lists: Path) -> None:
    assert published_text(name).encode() == (published_lists / "fss-1000" / f"{name}.txt").read_bytes()  # type: ignore[arg-type]


def test_the_stand_in_is_built_and_verified(built: Benchmark, raw: Path) -> None:
    assert built.title == "FSS-1000 layout [27 own classes]"
    assert built.counts == {"val_present": 270, "val_total": 270}
    assert built.digests.masks == MASKS
    assert [check for check in verify_benchmark(built, 1) if not check.passed] == []
    with (raw / "sources.tsv").open(encoding="utf-8", newline="") as file:
        assert {row[0] for row in csv.reader(file, delimiter="\t")} >= set(built.samples)
    for (sample, class_id), area in zip(built.lists.val["test"][::7], built.areas["val-foldtest"][::7], strict=True):
        with Image.open(raw / f"{sample}.png") as mask:
            expected = np.asarray(mask.convert("L")) >= 128
        assert area == expected.sum()
        assert np.array_equal(built.truth(sample, class_id) == 1, expected)


def test_it_is_not_fss_1000(raw: Path, tmp_path: Path) -> None:
    """Six of its names are FSS-1000's too, and one of these is tested."""
    with pytest.raises(fsbench.FsbenchError, match="239 of 240 tested classes have no folder"):
        fss1000.build(raw, tmp_path / "whole", workers=1)
    part = fss1000.build(raw, tmp_path / "part", partial=True, workers=1)
    assert part.title == "FSS-1000 [partial 10/2400]"
    at_hand = {sample.rpartition("/")[0] for sample in part.present}
    assert at_hand == {"bus", "cup", "keyboard", "laptop", "potted_plant", "refrigerator"}
    assert at_hand == set(all_keys()) & {path.name for path in raw.iterdir()}


def test_protocols_of_the_papers_ask_it_as_fss_1000(built: Benchmark, tmp_path: Path) -> None:
    episodes = {
        (protocol, shots): fsbench.evaluate("center", built, protocol=protocol, shots=shots, out=tmp_path)
        for protocol, shots in (("fsbench-v1", 1), ("hsnet", 1), ("lseg", 0), ("lseg", 1))
    }
    asked = {key: record.folds["test"].asked for key, record in episodes.items()}
    assert asked == {("fsbench-v1", 1): 270, ("hsnet", 1): 270, ("lseg", 0): 270, ("lseg", 1): 243}
    assert all("imagewise" in record.other for record in episodes.values())
