"""Data parallel under ``torchrun``: two ranks with half a batch each are one rank with all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fsbench.index.benchmark import Benchmark
from fsbench.training.run import Request, train_folds
from fsbench.training.tensors import read_tensors
from tests import ROOT
from tests.fsbench.training import small_trainer as tiny_trainer
from tests.fsbench.training.small_trainer import announced


def trained(ranks: int, benchmark: Benchmark, place: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Train folds 0 and 3 into ``place/ranks{ranks}`` by ``torchrun`` and the command line."""
    package = announced(place / "package")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [
        *start,
        "-m",
        "tests.fsbench.training.small_trainer",
        "train",
        "tiny",
        "-b",
        str(benchmark.folder),
        "--fold=0,3",
    ]
    command += ["--out", str(place / f"ranks{ranks}"), "--threads=1", "--features", str(place / f"features{ranks}")]
    path = os.pathsep.join([str(ROOT), str(package)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *flags], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_two_ranks_take_the_steps_of_one(small: Benchmark, tmp_path: Path) -> None:
    done = trained(2, small, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("checkpoint:") == 2, "rank 0 alone speaks"
    alone = Request("tiny", small, tmp_path / "ranks1", ["0", "3"], threads=1, features=tmp_path / "features1")
    train_folds(tiny_trainer, alone)
    for ranks in (1, 2):
        assert len(list((tmp_path / f"features{ranks}").glob("??/*.safetensors"))) == 160
    for fold in ("fold0", "fold3"):
        one, two = (tmp_path / f"ranks{ranks}" / fold for ranks in (1, 2))
        assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
        assert len(list((two / "tensorboard").iterdir())) == 1, "rank 0 alone writes"
        a, b = (json.loads((folder / "training.json").read_text()) for folder in (one, two))
        assert (a["conditions"]["ranks"], b["conditions"]["ranks"]) == (1, 2)
        for x, y in zip(a["epochs"], b["epochs"], strict=True):
            assert x["loss"] == pytest.approx(y["loss"], abs=1e-5)
        assert a["selected_epoch"] == b["selected_epoch"]
        weights, others = (read_tensors(folder / "model.safetensors")[0] for folder in (one, two))
        assert weights.keys() == others.keys()
        for name, tensor in weights.items():
            torch.testing.assert_close(tensor, others[name], rtol=0, atol=1e-5)


@pytest.mark.long
def test_a_bad_request_ends_all_ranks_with_a_line(small: Benchmark, tmp_path: Path) -> None:
    done = trained(2, small, tmp_path, "--held-out=0")
    assert done.returncode != 0
    assert "0 would be held out (--held-out 0.0)" in done.stderr
    assert "FsbenchError" not in done.stderr, "a line, not a traceback"
