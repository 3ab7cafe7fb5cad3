"""The transfer COCO-20i -> PASCAL VOC on real photographs: what is available of VOC's val, so ``partial``."""

from __future__ import annotations

from pathlib import Path

import pytest

import fsbench
from fsbench.benchmarks.pascal import coco_to_voc
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import Benchmark

LISTS = "f89fcd35a276f2373abdf7bb7916bf35f07bd8920b2d2a1a40c07c393dc9035c"
MASKS = "fcad8678f15ef1a68e4a296b3fd0dda7ecc74daa67400630e66fc6e2a8868b58"
"""Digest of VOC's 1449 decoded val masks: equal for everyone who has the right ones."""


@pytest.fixture(scope="module")
def built(voc_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return coco_to_voc.build(voc_root, tmp_path_factory.mktemp("transfer"), partial=True, workers=1)


def test_digests_and_verify(built: Benchmark) -> None:
    assert (built.digests.lists, built.digests.masks) == (LISTS, MASKS)
    assert built.counts["val_total"] == 1449
    assert built.title.startswith("COCO-20i to PASCAL VOC [partial ")
    checks = {check.name: check for check in verify_benchmark(built, 1)}
    assert [check for check in checks.values() if not check.passed] == []
    assert {fold: len(pairs) for fold, pairs in built.lists.val.items()} == {"0": 817, "1": 292, "2": 438, "3": 321}
    assert checks["rebuilt lists"].said == "all 4 lists, byte for byte, from 1449 masks"


def test_a_model_that_ignores_the_photograph(built: Benchmark, tmp_path: Path) -> None:
    foreground = fsbench.evaluate("foreground", built, shots=1, out=tmp_path)
    assert all(0.1 < (fold.miou or 0) < 0.3 for fold in foreground.folds.values())
