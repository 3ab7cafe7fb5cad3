"""``make bench`` knows every module that measures, runs one to its end, and says which has no data or fails."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import MODULES
from benchmarks.measured import read_report
from tests import ROOT


def bench(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(path), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_every_module_that_measures_is_run() -> None:
    measures = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "measure"
    }
    assert measures == set(MODULES), "say in MODULES of benchmarks/__main__.py when it is run"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports(module: str) -> None:
    assert callable(import_module(f"benchmarks.{module}").measure)


def test_a_module_is_measured_to_its_end(tmp_path: Path) -> None:
    done = bench(tmp_path / "bench.json", "--only", "counting")
    assert done.returncode == 0, done.stderr
    measured = read_report(tmp_path / "bench.json").measured["counting"]
    assert len(measured) == 3
    assert all(one.name in done.stdout for one in measured)


def test_a_module_without_its_data_is_skipped_with_the_reason(tmp_path: Path) -> None:
    done = bench(tmp_path / "bench.json", "--only", "png_checksums", "--data", str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = read_report(tmp_path / "bench.json")
    assert report.skipped == {"png_checksums": "no real data: no folder VOCdevkit in FSBENCH_DATA"}
    assert "no real data: no folder VOCdevkit in FSBENCH_DATA: skipped" in done.stdout


def test_a_module_that_fails_is_named_and_ends_the_run_with_1(tmp_path: Path) -> None:
    (tmp_path / "VOCdevkit" / "VOC2012" / "SegmentationClassAug").mkdir(parents=True)
    done = bench(tmp_path / "bench.json", "--only", "png_checksums", "--data", str(tmp_path))
    assert done.returncode == 1
    assert read_report(tmp_path / "bench.json").failed["png_checksums"].startswith("exit 1: ZeroDivisionError")
