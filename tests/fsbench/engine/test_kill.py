"""A run that is killed again and again goes on and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fsbench.index.benchmark import Benchmark
from tests import ROOT

SCRIPT = """
import sys
import fsbench
from tests.fsbench.sample_models import Bright
model = Bright(seconds=float(sys.argv[3]))
fsbench.evaluate(model, sys.argv[1], out=sys.argv[2], threads=1, batch_size=2, save_predictions=True)
"""
KILL_AFTER_LINES = (2, 9, 13)


def start(benchmark: Benchmark, out: Path, seconds: float) -> subprocess.Popen[bytes]:
    root = ROOT
    command = [sys.executable, "-c", SCRIPT, str(benchmark.folder), str(out), str(seconds)]
    return subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})


def logged(out: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in out.glob("**/*.partial.jsonl"))


def left_behind(out: Path) -> dict[str, Any]:
    (path,) = out.glob("**/record.json")
    files = {str(file.relative_to(path.parent)): file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    record = json.loads(files.pop("record.json"))
    record.pop("timings")
    return files | {"record": record}


def test_killed_runs_end_with_the_same_bytes(small: Benchmark, tmp_path: Path) -> None:
    assert start(small, tmp_path / "whole", 0).wait(timeout=120) == 0
    out = tmp_path / "killed"
    for lines in KILL_AFTER_LINES:
        process = start(small, out, 0.1)
        deadline = time.monotonic() + 120
        while logged(out) < lines and time.monotonic() < deadline:
            assert process.poll() is None, "ended before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
        assert not list(out.glob("**/record.json"))
        assert logged(out) >= lines
    assert start(small, out, 0).wait(timeout=120) == 0
    left = left_behind(out)
    assert left == left_behind(tmp_path / "whole")
    assert sum(name.endswith(".png") for name in left) == 80
