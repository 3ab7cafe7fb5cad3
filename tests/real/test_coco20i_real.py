"""COCO-20i on real photographs and annotations: a part of COCO 2017, mapped to the lists' names of 2014."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fsbench
from fsbench.benchmarks.coco import coco20i
from fsbench.benchmarks.coco.coco20i import MaskRule
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import Benchmark


@pytest.fixture(scope="module")
def painted(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    out = tmp_path_factory.mktemp("painted")
    return coco20i.build(shared_data / "coco", out, mask_rule=MaskRule.FILLPOLY, partial=True, workers=2)


@pytest.fixture(params=["coco", "painted"])
def built(request: pytest.FixtureRequest) -> Benchmark:
    benchmark: Benchmark = request.getfixturevalue(request.param)
    return benchmark


def test_the_list_rule_has_no_error_and_every_check_passes(built: Benchmark) -> None:
    checks = {check.name: check for check in verify_benchmark(built)}
    assert [check for check in checks.values() if not check.passed] == []
    assert checks["rebuilt lists"].said == "no pair differs on 275 images"
    assert (built.counts["val_present"], built.counts["train_present"]) == (203, 65)


def test_truths_have_the_areas_of_the_index(built: Benchmark) -> None:
    shapes = {sample: (entry.height, entry.width) for sample, entry in built.samples.items() if entry.present}
    for place, sample in enumerate(sorted(shapes)):
        if place % 10 == 0:
            assert built.image(sample).shape[:2] == shapes[sample]
    for fold, pairs in built.lists.val.items():
        for (sample, class_id), area in zip(pairs, built.areas[f"val-fold{fold}"], strict=True):
            if sample in shapes:
                truth = built.truth(sample, class_id)
                assert truth.shape == shapes[sample]
                assert np.count_nonzero(truth == 1) == area > 0


def test_a_protocol_binds_its_mask_rule(built: Benchmark, tmp_path: Path) -> None:
    union = built.lists.mask_rule == "instances-crowd-void-v1"
    record = fsbench.evaluate("foreground", built, shots=1, folds=0, limit=20, out=tmp_path)
    assert record.folds["0"].miou is not None
    assert record.modified == (("limit=20",) if union else ("limit=20", "mask-rule=fillpoly-v1"))
    replayed = fsbench.evaluate(
        "foreground", built, protocol="hsnet", shots=1, folds=0, limit=20, draw_from="present", out=tmp_path
    )
    assert ("mask-rule=instances-crowd-void-v1" in replayed.modified) == union
    multi = fsbench.evaluate("foreground", built, protocol="fsbench-multi-v1", shots=0, limit=20, out=tmp_path)
    assert all(fold.confusion is not None for fold in multi.folds.values())
