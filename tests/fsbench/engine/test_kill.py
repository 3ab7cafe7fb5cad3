"""A run that is killed again and again resumes, and ends with the bytes of one that was not."""

from __future__ import annotations

import os
import time
from pathlib import Path
from signal import SIGKILL
from typing import Any

import fsbench
from fsbench.index.benchmark import Benchmark
from tests.fsbench.sample_models import Bright
from tests.kills import CONTEXT, contents, ended

KILL_AFTER_LINES = (2, 9, 13)


def run(benchmark: Path, out: Path, seconds: float) -> None:
    os.environ["GIT_DIR"] = os.devnull  # records name the commit, and somebody may commit during the test
    model = Bright(seconds=seconds)
    fsbench.evaluate(model, benchmark, out=out, threads=1, batch_size=2, save_predictions=True)


def start(benchmark: Benchmark, out: Path, seconds: float) -> Any:
    process = CONTEXT.Process(target=run, args=(benchmark.folder, out, seconds))
    process.start()
    return process


def logged(out: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in out.glob("**/*.partial.jsonl"))


def test_killed_runs_end_with_the_same_bytes(small: Benchmark, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    for lines in KILL_AFTER_LINES:
        process = start(small, out, 0.1)
        deadline = time.monotonic() + 120
        while logged(out) < lines and time.monotonic() < deadline:
            assert process.is_alive(), "ended before it could be killed"
            time.sleep(0.01)
        process.kill()
        assert ended(process) == -SIGKILL
        assert not list(out.glob("**/record.json"))
        assert logged(out) >= lines
    for folder in (out, tmp_path / "whole"):
        assert ended(start(small, folder, 0)) == 0
    files = contents(out)
    assert files == contents(tmp_path / "whole")
    assert sum(name.endswith(".png") for name in files) == 80
