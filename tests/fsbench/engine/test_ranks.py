"""Ranks: any number of processes leave the bytes of one, whichever is killed, and whoever resumes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fsbench.index.benchmark import Benchmark
from tests import ROOT
from tests.kills import EVERY, contents, ended, start


def become(rank: int, size: int, port: int) -> None:
    """In a process of its own: the environment that ``torchrun`` sets."""
    from fsbench.engine import ranks

    ranks.LOOK, ranks.PATIENCE = 0.2, timedelta(seconds=30)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


class Command:
    """``fsbench evaluate`` of two models on ``benchmark`` by several processes that print to ``folder``."""

    def __init__(self, benchmark: Benchmark, folder: Path, **options: str) -> None:
        self.folder, self.out = folder, folder / "out"
        told = {"--out": str(self.out), "--fold": "0,2", "--batch-size": "3", "-k": "1"} | options
        models = ["-m", "random", "-m", "center", "--save-predictions"]
        self.arguments = [
            "evaluate",
            "-b",
            str(benchmark.folder),
            *models,
            *(part for pair in told.items() for part in pair),
        ]

    def run(self, size: int, killed: int | None = None, before: int | None = None) -> list[int]:
        """The exit codes by rank; ``killed``: a rank that is killed before its file operation ``before``."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        processes = [
            start(
                [self.arguments], self.log(rank), before if rank == killed else None, partial(become, rank, size, port)
            )
            for rank in range(size)
        ]
        return [ended(process) for process in processes]

    def log(self, rank: int) -> Path:
        return self.folder / f"rank{rank}.txt"

    def said(self, rank: int) -> str:
        return self.log(rank).read_text()


@pytest.fixture(scope="module")
def whole(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process leaves."""
    one = Command(small, tmp_path_factory.mktemp("one"))
    assert one.run(1) == [0], one.said(0)
    return contents(one.out)


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_leave_the_bytes_of_one(small: Benchmark, tmp_path: Path, whole: dict[str, Any], size: int) -> None:
    command = Command(small, tmp_path)
    assert command.run(size) == [0] * size, command.said(1)
    assert contents(command.out) == whole
    assert sum(name.endswith(".png") for name in whole) > 40
    assert command.said(0).count("record:") == 2
    assert [command.said(rank).splitlines()[:-1] for rank in range(1, size)] == [[]] * (size - 1), "rank 0 alone prints"
    assert command.run(size) == [0] * size
    assert "nothing was run" in command.said(0)


@pytest.mark.parametrize("killed", [0, 1])
@pytest.mark.parametrize("every", EVERY)
def test_a_rank_is_killed(small: Benchmark, tmp_path: Path, every: bool, killed: int) -> None:
    command = Command(small, tmp_path, **{"--limit": "8"})
    assert command.run(1) == [0], command.said(0)
    whole = contents(command.out)
    shutil.rmtree(command.out)
    assert command.run(2) == [0, 0]
    operations = int(command.said(killed).splitlines()[-1])
    for number in range(operations) if every else (operations // 4, operations // 2):
        shutil.rmtree(command.out, ignore_errors=True)
        codes = command.run(2, killed, number)
        assert codes[killed] == -signal.SIGKILL
        assert codes[1 - killed] in (0, 2), command.said(1 - killed)
        if codes[1 - killed]:
            expected = "rank 1 of 2 has ended" if killed else "the other ranks cannot be reached"
            assert expected in command.said(1 - killed), f"killed before {number}"
        size = 1 + number % 3
        assert command.run(size) == [0] * size, f"killed before {number}: {command.said(0)}"
        assert contents(command.out) == whole, f"killed before operation {number}"


def test_ranks_answer_each_batch_once(small: Benchmark, tmp_path: Path) -> None:
    command = Command(small, tmp_path)
    assert command.run(3, killed=2, before=30)[2] == -signal.SIGKILL
    logs = {path.name for path in command.out.rglob("*.partial.jsonl")}
    assert {"fold0.partial.jsonl", "fold0.rank1.partial.jsonl", "fold0.rank2.partial.jsonl"} <= logs
    batches = [
        line.split(b",")[0] for log in command.out.rglob("fold0.*.jsonl") for line in log.read_bytes().splitlines()[1:]
    ]
    assert len(batches) == len(set(batches)) > 3


def test_ranks_of_other_commands_are_refused(small: Benchmark, tmp_path: Path) -> None:
    first, second = Command(small, tmp_path / "a"), Command(small, tmp_path / "b")
    for command in (first, second):
        command.folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    processes = [
        start([command.arguments], command.log(rank), None, partial(become, rank, 2, port))
        for rank, command in enumerate((first, second))
    ]
    assert [ended(process) for process in processes] == [2, 2]
    assert "fsbench: rank 1: " in second.said(1)
    assert "what rank 0 writes is not here" in second.said(1)
    assert "rank 1 of 2 has ended before its share was answered" in first.said(0)


DIES_ONCE = """
import os
import signal
from pathlib import Path

import torch

from fsbench.models.contract import ModelCard


class Dies:
    card = ModelCard(name="dies", prompts="none")
    batches = 0

    def segment(self, episodes):
        self.batches += 1
        died = Path(__file__).with_name("died")
        if self.batches == 3 and os.environ["RANK"] == "1" and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [torch.ones(1, *episode.image.shape[1:]) for episode in episodes]
"""


@pytest.mark.long
def test_torchrun_names_the_rank_that_died_and_restarts_it(small: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "dies_once.py").write_text(DIES_ONCE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]), "GIT_DIR": os.devnull}

    def torchrun(ranks: int, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", *options]
        command += ["-m", "fsbench", "evaluate", "-m", "dies_once:Dies", "-b", str(small.folder), "--batch-size=2"]
        command += ["--out", str(out)]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    stopped = torchrun(2, tmp_path / "stopped")
    assert stopped.returncode != 0
    assert "rank      : 1" in stopped.stderr.partition("Root Cause")[2]
    resumed = torchrun(1, tmp_path / "stopped")
    assert resumed.returncode == 0, resumed.stderr
    (tmp_path / "died").unlink()
    restarted = torchrun(2, tmp_path / "restarted", "--max-restarts=1")
    assert restarted.returncode == 0, restarted.stderr
    assert contents(tmp_path / "stopped") == contents(tmp_path / "restarted")
