"""A pipe, a device, a sparse file of 8 GiB or a folder in place of a file: refused in one line, never waited for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.fuzz.special_files import KINDS

PATIENCE = 240
"""Seconds after which a reader is said to hang; all targets together take about 10."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are those of POSIX")
def test_what_is_no_plain_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.special_files", kind, str(tmp_path)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"a reader hangs; those before it ended: {error.stdout!r}")
    assert done.returncode == 0, done.stderr[-2000:]
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ends) > 30
    for name, file, end in ends:
        # of a log, the lines that are whole are kept, and what stands behind them is dropped
        refused = file in end and "\n" not in end
        assert refused or (kind, name, end) == ("sparse", "partial log", "right"), f"{name}: {end}"
