"""The command line as a user meets it: exit codes, one-line errors, machine-readable output, the table."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fsbench
from fsbench.cli.evaluate import options_for
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.records.record import PRESENT
from tests import ROOT
from tests.command import refusal, run
from tests.fsbench.benchmarks.synthetic_voc import write_voc
from tests.fsbench.sample_models import Bright

MODEL = "tests.fsbench.sample_models:Bright"


def test_bare_and_version() -> None:
    code, out, _ = run()
    assert (code, "evaluate" in out) == (0, True)
    assert run("--version")[:2] == (0, f"fsbench {fsbench.__version__}\n")


def test_bad_usage(tmp_path: Path, small: Benchmark) -> None:
    assert "No such option: --nonsense" in refusal("evaluate", "--nonsense")
    assert "No such command 'nonsense'" in refusal("nonsense")
    assert "No such command 'nonsense'" in refusal("build", "nonsense")
    assert "Missing option '--root'" in refusal("build", "pascal-5i")
    assert "holds no VOC 2012" in refusal("build", "pascal-5i", "--root", tmp_path, "--out", tmp_path / "o")
    assert "no model 'nonsense'" in refusal("evaluate", "-m", "nonsense", "-b", small.folder)
    assert "no benchmark 'nonsense'" in refusal("evaluate", "-m", MODEL, "-b", "nonsense")
    assert "no protocol 'nonsense'" in refusal("episodes", "toy", "--protocol", "nonsense")
    assert "has no fold '7'" in refusal("episodes", "toy", "--fold", "7")
    assert "has no fold '7'" in refusal("evaluate", "-m", MODEL, "-b", small.folder, "--fold", "7")
    assert "is defined for pascal-5i" in refusal(
        "evaluate", "-m", MODEL, "-b", small.folder, "--protocol", "hsnet", "-k", 1
    )


def test_an_unwritable_output_folder(tmp_path: Path, small: Benchmark) -> None:
    (tmp_path / "file").touch()
    said = refusal("evaluate", "-m", MODEL, "-b", small.folder, "--out", tmp_path / "file" / "results")
    assert "file/results" in said
    assert "--out" in said


def test_evaluate_in_python_and_on_the_command_line(tmp_path: Path, small: Benchmark) -> None:
    arguments = ["-m", MODEL, "-b", small.folder, "--threads", 1, "--fold", "0,2", "--option", "seconds=0"]
    code, out, _ = run("evaluate", *arguments, "--json", "--out", tmp_path / "cli")
    assert code == 0
    said = json.loads(out)
    same = fsbench.evaluate(
        MODEL, str(small.folder), folds=(0, 2), options={"seconds": "0"}, threads=1, out=tmp_path / "python"
    )
    assert said.pop("timings")
    expected = json.loads(same.json_text())
    expected.pop("timings")
    assert said == expected


def test_several_models_make_one_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: Benchmark) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # of the terminal; a pipe gets every column whole
    arguments = ["-m", MODEL, "-m", "tests.fsbench.sample_models:Masked", "-b", small.folder, "--out", tmp_path]
    code, out, _ = run("evaluate", *arguments)
    assert (code, "…" in out) == (0, False)
    assert "tiny · fsbench-v1 · 1-shot · seed 0" in out  # a model that needs no prompt joins the one that needs masks
    assert (out.count("fold 3"), out.count("record: ")) == (1, 2)
    _, out, _ = run("evaluate", *arguments, "--limit", 3)
    assert "fsbench-v1(modified)" in out
    assert "limit=3; not a score of fsbench-v1" in out
    assert "thing_01 (fold 0)" in out


def test_a_partial_benchmark_never_has_the_bare_name(tmp_path: Path) -> None:
    from fsbench.benchmarks.pascal import lists as pascal_lists

    samples = [sample for sample, class_id in pascal_lists.val("0") if class_id == 0][:3]
    root = write_voc(tmp_path, samples)
    code, out, _ = run("build", "pascal-5i", "--root", root, "--partial", "--out", tmp_path / "b")
    assert (code, "PASCAL-5i [partial 3/1449]" in out) == (0, True)
    arguments = ["-m", MODEL, "-b", tmp_path / "b", "--fold", "0", "--out", tmp_path / "results"]
    code, out, _ = run("evaluate", *arguments)
    assert code == 0
    assert "PASCAL-5i [partial 3/1449] · fsbench-v1" in out
    assert "PASCAL-5i" not in out.replace("PASCAL-5i [partial 3/1449]", "")
    assert "not one episode" in refusal("evaluate", *arguments[:-3], "1", "--out", tmp_path / "results")
    code, out, _ = run("evaluate", *arguments, "--protocol", "fusioner")
    assert (code, "fold 0: 3/346" in out) == (0, True)
    hsnet = ("--protocol", "hsnet", "-k", 1, "--draw-from", "present", "--limit", 8)
    code, out, _ = run("evaluate", *arguments, *hsnet)
    assert (code, "hsnet(modified)" in out, f", {PRESENT}" in out) == (0, True, True)


def test_episodes(small: Benchmark) -> None:
    code, out, _ = run("episodes", "pascal-5i", "--fold", 0, "--protocol", "lseg", "--shots", 0)
    assert (code, len(out.splitlines()), out.splitlines()[0]) == (0, 1000, "2007_000033 0")
    _, text, _ = run("episodes", small.folder, "--fold", 1, "-k", 2)
    _, lines, _ = run("episodes", small.folder, "--fold", 1, "-k", 2, "--format", "jsonl")
    first = json.loads(lines.splitlines()[0])
    assert text.splitlines()[0] == " ".join([first["query"], str(first["class_ids"][0]), *first["supports"][0]])


def test_verify_lists_every_failure_and_exits_with_1(tmp_path: Path, small: Benchmark) -> None:
    code, out, _ = run("verify", small.folder)
    assert (code, "FAILED" in out) == (0, False)
    raw = tmp_path / "raw"
    shutil.copytree(small.roots["root"], raw)
    altered = sorted(raw.glob("thing_03/*.jpg"))[:8]
    for path in altered:
        path.write_bytes(path.read_bytes() + b"\0")
    code, out, error = run("verify", small.folder, "--root", raw)
    assert (code, "1 of 4 checks failed" in error, " and 3 more\n" in out) == (1, True, True)
    assert all(out.count(f"{path} was altered") == 1 for path in altered)
    code, out, _ = run("verify", small.folder, "--root", raw, "--json")
    report = json.loads(out)
    assert (code, report["passed"]) == (1, False)
    (failed,) = (check for check in report["checks"] if not check["passed"])
    assert sorted(failed["faults"]) == [f"{path} was altered" for path in altered]


@pytest.mark.parametrize(("what", "expected"), [("benchmarks", "pascal-5i"), ("protocols", "fsbench-v1")])
def test_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, expected: str) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path))
    code, out, _ = run("list", what)
    assert (code, expected in out) == (0, True)
    rows = json.loads(run("list", what, "--json")[1])
    assert expected in {row[what.removesuffix("s")] for row in rows}


def test_merge(tmp_path: Path, small: Benchmark) -> None:
    for fold in (0, 1):
        fsbench.evaluate(Bright(), small, folds=fold, out=tmp_path / str(fold), threads=1)
    records = sorted(tmp_path.glob("*/**/record.json"))
    code, out, _ = run("merge", *records, "--out", tmp_path / "merged")
    assert (code, "bright" in out) == (0, True)
    assert "fold 0 is in" in refusal("merge", records[0], records[0], "--out", tmp_path / "x")


def test_options_for_one_model_or_all() -> None:
    given = ["a=1", "x:b=2", "m:F:c=3=4"]
    assert options_for("x", ["x", "m:F"], given) == {"a": "1", "b": "2"}
    assert options_for("m:F", ["x", "m:F"], given) == {"a": "1", "c": "3=4"}
    for wrong in ("a", "=1", "y:a=1"):
        with pytest.raises(FsbenchError, match="--option"):
            options_for("x", ["x"], [wrong])


def test_a_real_process_with_an_ascii_pipe(tmp_path: Path, small: Benchmark) -> None:
    command = [sys.executable, "-c", "from fsbench.cli.main import main; main()", "evaluate", "-m", MODEL]
    done = subprocess.run(
        [*command, "-b", str(small.folder), "--out", str(tmp_path), "--threads", "1", "--limit", "2"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "40", "LC_ALL": "C", "TZ": "Asia/Tokyo"},
        check=True,
        timeout=120,
    )
    assert done.stderr == b""
    assert b"parameters" in done.stdout
    assert b"mIoU in %" in done.stdout


def test_json_stays_valid_when_a_model_prints(tmp_path: Path, small: Benchmark) -> None:
    asked = ["-b", small.folder, "--limit", 2, "--out", tmp_path]
    code, out, err = run("evaluate", "-m", "tests.fsbench.sample_models:Talking", *asked, "--json")
    assert (code, json.loads(out)["model"]["name"]) == (0, "talking")
    assert "hello" in err


def test_conflicts_are_found_before_anything_runs(tmp_path: Path, small: Benchmark) -> None:
    asked = ["-b", small.folder, "--limit", 2, "--out", tmp_path]
    assert "two evaluations have this place" in refusal("evaluate", "-m", MODEL, "-m", MODEL, *asked)
    run("evaluate", "-m", MODEL, *asked)
    both = ["-m", "tests.fsbench.sample_models:Talking", "-m", MODEL, "--if-exists", "error"]
    assert "record.json: exists" in refusal("evaluate", *both, *asked)
    assert not list(tmp_path.glob("talking/**/record.json"))


def test_a_broken_builder_leaves_the_others_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    from fsbench.cli import build

    points = {
        "gone": EntryPoint("gone", "no_such_package.builder", "fsbench.benchmarks"),
        **build.registered("benchmarks"),
    }
    monkeypatch.setattr(build, "registered", lambda group: points)
    code, out, _ = run("build", "--help")
    assert (code, "pascal-5i" in out, "Not usable" in out) == (0, True, True)
    assert "gone: no_such_package.builder does not import" in refusal("build", "gone", "--root", "x")
