"""PASCAL-5i on real photographs, from the raw folder to the record: what is available of VOC 2012, so ``partial``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import fsbench
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import Benchmark
from fsbench.io.images import read_image
from fsbench.scoring.intervals import paired_interval

LISTS = "63ca72fcc580fd775f558a24fc3d69123d304caddcd14fedbc4d91005d7673fd"
MASKS = "35128c9b0d16fe3e5c78aa318f9bd3730a6de4a853703d412ee014aeee38dfe5"
"""Digest of the 12031 decoded masks of SegmentationClassAug: equal for everyone who has the right ones."""


def test_digests_and_verify(pascal: Benchmark) -> None:
    assert (pascal.digests.lists, pascal.digests.masks) == (LISTS, MASKS)
    assert pascal.counts["train_total"] == 10582
    assert pascal.title.startswith("PASCAL-5i [partial ")
    checks = {check.name: check for check in verify_benchmark(pascal)}
    assert [check for check in checks.values() if not check.passed] == []
    assert checks["rebuilt lists"].said == "all 12 lists, byte for byte, from 12031 masks"


def test_photographs_have_pillows_pixels(voc_root: Path) -> None:
    for path in sorted((voc_root / "JPEGImages").glob("*.jpg"))[::3]:
        with Image.open(path) as image:
            assert np.array_equal(read_image(path), np.asarray(image)), path


def test_models_that_ignore_the_photograph(pascal: Benchmark, tmp_path: Path) -> None:
    scores = {}
    for name, limit in (("foreground", None), ("center", None), ("background", 20)):
        record = fsbench.evaluate(name, pascal, shots=1, limit=limit, out=tmp_path)
        scores[name] = [round(fold.miou or 0, 3) for fold in record.folds.values()]
        assert record.benchmark.partial
    assert scores["background"] == [0.0] * 4
    if pascal.counts["val_present"] == 531:
        assert scores["foreground"] == [0.134, 0.207, 0.216, 0.188]
    assert sum(scores["center"]) > sum(scores["foreground"])


def test_other_protocols_keep_the_episodes_that_are_available(pascal: Benchmark, tmp_path: Path) -> None:
    fold = fsbench.evaluate("foreground", pascal, protocol="hsnet", shots=1, folds=0, out=tmp_path).folds["0"]
    assert (fold.drawn, fold.episodes) == (1000, fold.asked)
    assert 0 < fold.asked < 1000
    whole = fsbench.evaluate("foreground", pascal, protocol="fusioner", folds=0, out=tmp_path).folds["0"]
    small = fsbench.evaluate("foreground", pascal, protocol="fusioner@224", folds=0, out=tmp_path).folds["0"]
    assert whole.drawn == small.drawn == 346
    assert small.miou == pytest.approx(whole.miou, abs=0.02)


def test_prototype_beats_foreground_on_a_few(pascal: Benchmark, tmp_path: Path) -> None:
    prototype, foreground = (
        fsbench.evaluate(name, pascal, shots=1, folds=(1, 2), limit=8, out=tmp_path)
        for name in ("prototype", "foreground")
    )
    for fold in ("1", "2"):
        assert (prototype.folds[fold].miou or 0) > 1.5 * (foreground.folds[fold].miou or 0)


@pytest.mark.long
@pytest.mark.parametrize("shots", [1, 5])
def test_prototype_beats_foreground_on_every_fold(pascal: Benchmark, tmp_path: Path, shots: int) -> None:
    replicates = {}
    for name in ("prototype", "foreground"):
        record = fsbench.evaluate(name, pascal, shots=shots, out=tmp_path)
        replicates[name] = pq.read_table(tmp_path / record.folder() / "bootstrap.parquet")
    for column in ("miou_fold0", "miou_fold1", "miou_fold2", "miou_fold3", "miou"):
        both = paired_interval(*(replicates[name][column].to_numpy() for name in ("prototype", "foreground")))
        assert both is not None
        print(column, "prototype - foreground:", [round(bound, 3) for bound in both])
        assert both[0] > 0
