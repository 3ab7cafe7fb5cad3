"""What one fold's run promises beyond the record: vanished masks, and which run resumes a log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fsbench.engine.evaluate import _log
from fsbench.engine.fold_run import FoldRun, run_fold
from fsbench.engine.loaded_model import LoadedModel
from fsbench.engine.plan import Plan, Questions, make_plan
from fsbench.engine.reading import Reader
from fsbench.index.benchmark import Benchmark
from fsbench.records.counts import CountLog
from fsbench.records.environment import environment
from fsbench.records.record import Environment
from fsbench.scoring.scores import fold_counts
from tests.fsbench.sample_models import Bright


@pytest.fixture
def plan(small: Benchmark, tmp_path: Path) -> Plan:
    return make_plan(LoadedModel.load(Bright()), small, Questions(), tmp_path)


@pytest.mark.parametrize("skip", [True, False])
def test_episodes_whose_mask_vanishes(plan: Plan, tmp_path: Path, skip: bool) -> None:
    protocol = replace(plan.protocol, size=3, skip_vanished=skip)
    run = FoldRun(Reader(plan.benchmark), protocol, plan.manifests["0"], plan.answers["0"], batch_size=4, workers=2)
    with CountLog(tmp_path / "log", {}) as log:
        rows = run_fold(run, log, lambda n: None).rows
    vanished = 0
    for row in rows:
        truth = plan.benchmark.truth(row.query, row.class_id)
        height, width = truth.shape
        small = truth[[0, height // 3, 2 * height // 3]][:, [0, width // 3, 2 * width // 3]]
        gone = not np.any(small == 1)
        vanished += gone
        assert row.truth == np.count_nonzero(small == 1)
        assert row.valid == (0 if gone and skip else 9)
    assert 0 < vanished < len(rows)
    assert len(fold_counts(rows, plan.benchmark.lists, "0").image) == len(rows) - vanished * skip


def _run_key(plan: Plan, fold: str, here: Environment) -> str:
    return _log(plan, fold, here, save_predictions=False)._run


def test_only_the_same_run_resumes_a_log(plan: Plan) -> None:
    here = environment("cpu", 1, 8)
    key = _run_key(plan, "0", here)
    digests = plan.benchmark.digests
    others = [
        _run_key(plan, "1", here),
        _run_key(plan, "0", environment("cpu", 2, 8)),
        _run_key(plan, "0", environment("cpu", 1, 4)),
        _run_key(replace(plan, model=plan.model.model_copy(update={"description": "changed"})), "0", here),
        *(
            _run_key(
                replace(plan, benchmark=replace(plan.benchmark, digests=replace(digests, **{name: "0" * 64}))),
                "0",
                here,
            )
            for name in ("masks", "sources")
        ),
    ]
    assert key == _run_key(plan, "0", here)
    for other in others:
        assert other != key
