"""The command line as a user meets it: exit codes, one-line errors, machine-readable output, the table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fsbench
from fsbench.cli.evaluate import options_for
from fsbench.cli.main import main
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from tests import ROOT
from tests.fsbench.benchmarks.synthetic_voc import write_voc
from tests.fsbench.sample_models import Bright

MODEL = "tests.fsbench.sample_models:Bright"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return int(left.value.code or 0), said.out, said.err


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 2) -> str:
    """The one line that a command which must fail writes to standard error."""
    left, _, error = run(capsys, *arguments)
    assert left == code
    assert error.startswith("fsbench: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    "command",
    [
        "build",
        "build pascal-5i",
        "build toy",
        "verify",
        "episodes",
        "evaluate",
        "merge",
        "rescore",
        "compare",
        "download",
        "list",
        "show",
        "train",
        "train fusioner",
        "fusioner golden",
        "fusioner grid",
        "segment",
        "push",
        "demo",
    ],
)
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, *command.split(), "--help")
    assert code == 0
    assert "Example: fsbench" in out


def test_bare_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert (code, "evaluate" in out) == (0, True)
    assert run(capsys, "--version")[:2] == (0, f"fsbench {fsbench.__version__}\n")


def test_bad_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark) -> None:
    assert "No such option: --nonsense" in refusal(capsys, "evaluate", "--nonsense")
    assert "No such command 'nonsense'" in refusal(capsys, "nonsense")
    assert "No such command 'nonsense'" in refusal(capsys, "build", "nonsense")
    assert "Missing option '--root'" in refusal(capsys, "build", "pascal-5i")
    assert "holds no VOC 2012" in refusal(capsys, "build", "pascal-5i", "--root", tmp_path, "--out", tmp_path / "o")
    assert "no model 'nonsense'" in refusal(capsys, "evaluate", "-m", "nonsense", "-b", small.folder)
    assert "no benchmark 'nonsense'" in refusal(capsys, "evaluate", "-m", MODEL, "-b", "nonsense")
    assert "no protocol 'nonsense'" in refusal(capsys, "episodes", "toy", "--protocol", "nonsense")
    assert "has no fold '7'" in refusal(capsys, "episodes", "toy", "--fold", "7")
    assert "has no fold '7'" in refusal(capsys, "evaluate", "-m", MODEL, "-b", small.folder, "--fold", "7")
    assert "is defined for pascal-5i" in refusal(
        capsys, "evaluate", "-m", MODEL, "-b", small.folder, "--protocol", "hsnet", "-k", 1
    )


def test_an_unwritable_output_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark) -> None:
    (tmp_path / "file").touch()
    said = refusal(capsys, "evaluate", "-m", MODEL, "-b", small.folder, "--out", tmp_path / "file" / "results")
    assert "file/results" in said
    assert "--out" in said


def test_evaluate_in_python_and_on_the_command_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark
) -> None:
    arguments = ["-m", MODEL, "-b", small.folder, "--threads", 1, "--fold", "0,2", "--option", "seconds=0"]
    code, out, _ = run(capsys, "evaluate", *arguments, "--json", "--out", tmp_path / "cli")
    assert code == 0
    said = json.loads(out)
    same = fsbench.evaluate(
        MODEL, str(small.folder), folds=(0, 2), options={"seconds": "0"}, threads=1, out=tmp_path / "python"
    )
    assert said.pop("timings")
    expected = json.loads(same.json_text())
    expected.pop("timings")
    assert said == expected


def test_several_models_make_one_table(capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark) -> None:
    arguments = ["-m", MODEL, "-m", "tests.fsbench.sample_models:Masked", "-b", small.folder, "--out", tmp_path]
    code, out, _ = run(capsys, "evaluate", *arguments)
    assert code == 0
    assert "tiny · fsbench-v1 · 1-shot · seed 0" in out  # a model that needs no prompt joins the one that needs masks
    assert out.count("fold 3") == 1
    assert out.count("record: ") == 2
    code, out, _ = run(capsys, "evaluate", *arguments, "--limit", 3)
    assert "fsbench-v1(modified)" in out
    assert "limit=3; not a score of fsbench-v1" in out
    assert "thing_01 (fold 0)" in out


def test_a_partial_benchmark_never_has_the_bare_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from fsbench.benchmarks.pascal import lists as pascal_lists

    samples = [sample for sample, class_id in pascal_lists.val("0") if class_id == 0][:3]
    root = write_voc(tmp_path, samples)
    code, out, _ = run(capsys, "build", "pascal-5i", "--root", root, "--partial", "--out", tmp_path / "b")
    assert (code, "PASCAL-5i [partial 3/1449]" in out) == (0, True)
    arguments = ["-m", MODEL, "-b", tmp_path / "b", "--fold", "0", "--out", tmp_path / "results"]
    code, out, _ = run(capsys, "evaluate", *arguments)
    assert code == 0
    assert "PASCAL-5i [partial 3/1449] · fsbench-v1" in out
    assert "PASCAL-5i" not in out.replace("PASCAL-5i [partial 3/1449]", "")
    assert "not one episode" in refusal(capsys, "evaluate", *arguments[:-3], "1", "--out", tmp_path / "results")
    code, out, _ = run(capsys, "evaluate", *arguments, "--protocol", "fusioner")
    assert (code, "fold 0: 3/346" in out) == (0, True)
    code, out, _ = run(capsys, "evaluate", *arguments, "--protocol", "hsnet", "-k", 1, "--draw-from", "present")
    assert (code, "hsnet(modified)" in out) == (0, True)


def test_episodes(capsys: pytest.CaptureFixture[str], small: Benchmark) -> None:
    code, out, _ = run(capsys, "episodes", "pascal-5i", "--fold", 0, "--protocol", "lseg", "--shots", 0)
    assert (code, len(out.splitlines()), out.splitlines()[0]) == (0, 1000, "2007_000033 0")
    _, text, _ = run(capsys, "episodes", small.folder, "--fold", 1, "-k", 2)
    _, lines, _ = run(capsys, "episodes", small.folder, "--fold", 1, "-k", 2, "--format", "jsonl")
    first = json.loads(lines.splitlines()[0])
    assert text.splitlines()[0] == " ".join([first["query"], str(first["class_ids"][0]), *first["supports"][0]])


def test_verify_fails_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark) -> None:
    import shutil

    code, out, _ = run(capsys, "verify", small.folder)
    assert (code, "FAILED" in out) == (0, False)
    shutil.copytree(small.roots["root"], tmp_path / "raw")
    (tmp_path / "raw" / "thing_03" / "4.jpg").write_bytes(b"altered")
    assert "1 of 4 checks failed" in refusal(capsys, "verify", small.folder, "--root", tmp_path / "raw", code=1)
    with pytest.raises(SystemExit) as left:
        main(["verify", str(small.folder), "--root", str(tmp_path / "raw"), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (left.value.code, said["passed"]) == (1, False)
    (failed,) = (check for check in said["checks"] if not check["passed"])
    assert "thing_03/4.jpg was altered" in failed["said"]


def test_verify_lists_every_failure(capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark) -> None:
    import shutil

    shutil.copytree(small.roots["root"], tmp_path / "raw")
    altered = sorted((tmp_path / "raw").glob("thing_03/*.jpg"))[:8]
    for path in altered:
        path.write_bytes(path.read_bytes() + b"\0")
    out = {}
    for flag in ((), ("--json",)):
        with pytest.raises(SystemExit) as left:
            main(["verify", str(small.folder), "--root", str(tmp_path / "raw"), *flag])
        assert left.value.code == 1
        out[flag] = capsys.readouterr().out
    assert " and 3 more\n" in out[()]
    assert all(out[()].count(f"{path} was altered") == 1 for path in altered)
    (failed,) = (check for check in json.loads(out["--json",])["checks"] if not check["passed"])
    assert sorted(failed["faults"]) == [f"{path} was altered" for path in altered]


def test_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path))
    for what, expected in (("models", "prototype"), ("benchmarks", "pascal-5i"), ("protocols", "fsbench-v1")):
        code, out, _ = run(capsys, "list", what)
        assert (code, expected in out) == (0, True)
        rows = json.loads(run(capsys, "list", what, "--json")[1])
        assert expected in {row[what.removesuffix("s")] for row in rows}


def test_merge(capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark) -> None:
    for fold in (0, 1):
        fsbench.evaluate(Bright(), small, folds=fold, out=tmp_path / str(fold), threads=1)
    records = sorted(tmp_path.glob("*/**/record.json"))
    code, out, _ = run(capsys, "merge", *records, "--out", tmp_path / "merged")
    assert (code, "bright" in out) == (0, True)
    assert "fold 0 stands in" in refusal(capsys, "merge", records[0], records[0], "--out", tmp_path / "x")


def test_options_for_one_model_or_all() -> None:
    given = ["a=1", "x:b=2", "m:F:c=3=4"]
    assert options_for("x", ["x", "m:F"], given) == {"a": "1", "b": "2"}
    assert options_for("m:F", ["x", "m:F"], given) == {"a": "1", "c": "3=4"}
    for wrong in ("a", "=1", "y:a=1"):
        with pytest.raises(FsbenchError, match="--option"):
            options_for("x", ["x"], [wrong])


def test_the_table_is_quiet_and_whole_in_a_pipe(tmp_path: Path, small: Benchmark) -> None:
    command = [sys.executable, "-c", "from fsbench.cli.main import main; main()", "evaluate", "-m", MODEL]
    done = subprocess.run(
        [*command, "-b", str(small.folder), "--out", str(tmp_path), "--threads", "1"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "40", "LC_ALL": "C", "TZ": "Asia/Tokyo"},
        check=True,
        timeout=120,
    )
    assert done.stderr == ""
    assert "parameters" in done.stdout
    assert "…" not in done.stdout


def test_json_is_whole_where_a_model_prints(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark
) -> None:
    arguments = [
        "-m",
        "tests.fsbench.sample_models:Talking",
        "-b",
        small.folder,
        "--limit",
        2,
        "--out",
        tmp_path,
        "--json",
    ]
    code, out, err = run(capsys, "evaluate", *arguments)
    assert (code, json.loads(out)["model"]["name"]) == (0, "talking")
    assert "hello" in err


def test_two_models_of_one_place_and_error_before_anything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Benchmark
) -> None:
    asked = ["-b", small.folder, "--limit", 2, "--out", tmp_path]
    assert "two evaluations have this place" in refusal(capsys, "evaluate", "-m", MODEL, "-m", MODEL, *asked)
    run(capsys, "evaluate", "-m", MODEL, *asked)
    both = ["-m", "tests.fsbench.sample_models:Talking", "-m", MODEL, "--if-exists", "error"]
    assert "is there already" in refusal(capsys, "evaluate", *both, *asked)
    assert not list(tmp_path.glob("talking/**/record.json"))


def test_output_that_cannot_be_encoded(tmp_path: Path, small: Benchmark) -> None:
    command = [sys.executable, "-c", "from fsbench.cli.main import main; main()", "evaluate", "-m", MODEL]
    done = subprocess.run(
        [*command, "-b", str(small.folder), "--out", str(tmp_path), "--limit", "2"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
        timeout=120,
    )
    assert b"mIoU in %" in done.stdout


def test_a_builder_that_does_not_import_leaves_the_others_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import EntryPoint

    from fsbench.cli import build

    points = {
        "gone": EntryPoint("gone", "no_such_package.builder", "fsbench.benchmarks"),
        **build.registered("benchmarks"),
    }
    monkeypatch.setattr(build, "registered", lambda group: points)
    code, out, _ = run(capsys, "build", "--help")
    assert (code, "pascal-5i" in out, "Not usable" in out) == (0, True, True)
    assert "gone: no_such_package.builder does not import" in refusal(capsys, "build", "gone", "--root", "x")
