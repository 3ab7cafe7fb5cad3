"""``benchmarks.gpu`` runs to its end on a CPU, at tiny sizes, and says in one line that there is no GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import ROOT


def gpu(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--quick", "--json", str(path), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    done = gpu(tmp_path / "gpu.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--device cuda: not on this machine: use --device auto or cpu\n"


@pytest.mark.long
def test_it_runs_on_a_cpu_to_its_end(tmp_path: Path) -> None:
    done = gpu(tmp_path / "gpu.json", "--device", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert (report["schema"], report["quick"]) == ("fsbench-gpu/1", True)
    assert report["tests"]["passed"]
    assert report["counts"][1]["episodes"] == 8
    assert report["counts"][1]["episodes_that_differ"] == 0
    assert len({(speed["name"], speed["precision"]) for speed in report["speeds"]}) == 10
    assert all(speed["per_second"] > 0 and speed["teraflops"] > 0 for speed in report["speeds"])
    assert report["largest_difference_of_a_logit"] < 1e-3
    assert all(speed["name"] in done.stdout for speed in report["speeds"])
