"""Data parallel: two ranks with half a batch each are one rank with all of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fsbench.index.benchmark import Benchmark
from fsbench.training.tensors import read_tensors
from tests import ROOT
from tests.fsbench.training.small_trainer import register, train
from tests.kills import CONTEXT, ended


def run_rank(environment: dict[str, str], package: str, arguments: list[str], output: str) -> None:
    """In a process of its own: the command line under the environment that ``torchrun`` sets."""
    os.environ |= environment
    sys.path.insert(0, package)
    from tests.command import run

    done = run("train", "small", *arguments)
    Path(output).write_text(done.out)
    sys.exit(done.code)


def test_two_ranks_take_the_steps_of_one(small: Benchmark, tmp_path: Path) -> None:
    package = register(tmp_path / "package")
    two, one = tmp_path / "two", tmp_path / "one"
    arguments = ["-b", str(small.folder), "--fold=0,3", "--out", str(two / "run"), "--threads=1", "--device=cpu"]
    arguments += ["--features", str(two / "features")]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    processes = []
    for rank in "01":
        environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        target = environment, str(package), arguments, str(tmp_path / f"{rank}.txt")
        processes.append(CONTEXT.Process(target=run_rank, args=target))
        processes[-1].start()
    train(small, one, folds=["0", "3"], tensorboard=True)
    assert [ended(process) for process in processes] == [0, 0]
    assert (tmp_path / "0.txt").read_text().count("checkpoint:") == 2
    assert (tmp_path / "1.txt").read_text() == "", "rank 0 alone prints"
    for fold in ("fold0", "fold3"):
        folders = [place / "run" / fold for place in (one, two)]
        assert len({frozenset(path.name for path in folder.iterdir()) for folder in folders}) == 1
        assert len(list((folders[1] / "tensorboard").iterdir())) == 1, "rank 0 alone writes"
        a, b = (json.loads((folder / "training.json").read_text()) for folder in folders)
        assert (a["conditions"]["ranks"], b["conditions"]["ranks"]) == (1, 2)
        assert [x["loss"] for x in a["epochs"]] == pytest.approx([y["loss"] for y in b["epochs"]], abs=1e-5)
        assert a["selected_epoch"] == b["selected_epoch"]
        weights, others = (read_tensors(folder / "model.safetensors")[0] for folder in folders)
        torch.testing.assert_close(weights, others, rtol=0, atol=1e-5)
    stored = [{path.name for path in place.glob("features/??/*.safetensors")} for place in (one, two)]
    assert stored[0] == stored[1]


@pytest.mark.long
def test_a_bad_request_ends_all_ranks_with_a_line(small: Benchmark, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "fsbench"]
    command += ["train", "small", "-b", str(small.folder), "--out", str(tmp_path / "run"), "--held-out=0"]
    path = os.pathsep.join([str(ROOT), str(register(tmp_path / "package"))])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert "0 would be held out (--held-out 0.0)" in done.stderr
    assert "FsbenchError" not in done.stderr, "a line, not a traceback"
