"""``fsbench leaderboard check`` and ``diff`` as they are typed: what they print, and with what they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.index.benchmark import Benchmark
from fsbench.records.record import read_record
from leaderboard.checking.report import CHECKS
from leaderboard.known_issues import KNOWN_ISSUES, issues_of
from tests import ROOT, command
from tests.fsbench.sample_models import Bright
from tests.leaderboard.hostile import RIGHT_TO_LEFT
from tests.leaderboard.sample_records import altered
from tests.leaderboard.submissions import copied, evaluated, mended


@pytest.fixture(scope="module")
def honest(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(Bright(), small, tmp_path_factory.mktemp("results"))


def run(*arguments: object) -> tuple[int, list[str], list[str]]:
    """Exit code, and the lines of standard output and error."""
    code, out, err = command.run("leaderboard", *arguments)
    return code, out.splitlines(), err.splitlines()


def test_an_honest_record(honest: Path, small: Benchmark) -> None:
    for given in (honest, honest.parent, honest.parents[3]):
        code, out, err = run("check", given, "-b", small.folder)
        assert (code, err) == (0, [])
        assert out[0] == str(honest)
        assert [line.split()[1].rstrip(":") for line in out if line.startswith("ok")] == [
            name for name in CHECKS if name not in ("confusion", "predictions", "training")
        ]
        assert "skip    training: the card names no training classes" in out


def test_a_forged_one_beside_it(honest: Path, small: Benchmark, tmp_path: Path) -> None:
    copied(honest, tmp_path / "a")
    forged = copied(honest, tmp_path / "b")
    altered(forged, lambda said: said.update(miou=0.99, fb_iou=0.99))
    code, out, err = run("check", tmp_path, "-b", small.folder)
    assert code == 1
    assert [line for line in out if line.startswith("FAULT")] == [
        f"FAULT   scores: mean {name} is 0.99, but {getattr(read_record(honest), name)} follows from the counts"
        for name in ("miou", "fb_iou")
    ]
    assert err == ["fsbench: 2 faults in 1 of 2 records"]
    code, out, _ = run("check", tmp_path, "-b", small.folder, "--json")
    said = json.loads("\n".join(out))
    assert (code, said["passed"], [record["passed"] for record in said["records"]]) == (1, False, [True, False])
    (scores,) = (o for o in said["records"][1]["outcomes"] if o["name"] == "scores")
    assert len(scores["faults"]) == 2


def test_what_is_no_submission_is_bad_usage(honest: Path, small: Benchmark, tmp_path: Path) -> None:
    two = tmp_path / "two"
    copied(honest, two / "a")
    copied(honest, two / "b")
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        (("check", tmp_path / "nothing"), "is not there: give a record.json"),
        (("check", tmp_path / "empty"), "holds no record.json"),
        (("check", honest, "-b", tmp_path / "empty"), "no benchmark"),
        (("check", two, "--predictions", tmp_path), "--predictions are of one record, but 2 are given"),
        (("check", honest, "--predictions", tmp_path / "nothing"), "is no folder of predictions"),
        (("check", honest, "--evidence", "predictions"), "only predictions prove that"),
        (("check",), "Missing argument"),
        (("diff", honest, tmp_path / "nothing"), "is not there"),
        (("diff", honest, two), "one is a record and the other is not"),
        (("diff", tmp_path / "empty", two), "holds no record.json"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, []), arguments
        assert len(err) == 1, err
        assert said in err[0]


def test_a_benchmark_built_here_is_found_by_name(
    honest: Path, small: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path))
    code, out, _ = run("check", honest)
    assert code == 0
    assert any(line.startswith("skip    truths: benchmark tiny is not available locally") for line in out)
    (tmp_path / "mine").symlink_to(small.folder)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "benchmark.json").write_text('{"name": "tiny"}')
    code, out, _ = run("check", honest)
    assert code == 0
    assert "ok      truths: true and valid pixels are those of the benchmark's masks" in out


def test_names_of_strangers_move_nothing(honest: Path, tmp_path: Path) -> None:
    path = copied(honest, tmp_path)
    (path.parent / "a\n\x1b[31m\u202eb").write_text("")
    altered(path, lambda said: said["model"].update(licence=RIGHT_TO_LEFT))
    code, out, err = run("check", tmp_path)
    assert code == 1
    assert all(line.isprintable() for line in [*out, *err])
    assert "FAULT   files: a<U+000A><U+001B>[31m<U+202E>b: is no file of a record: remove it" in out


def test_help_is_an_example() -> None:
    for name in ("check", "diff"):
        code, out, _ = run(name, "--help")
        assert code == 0
        assert f"fsbench leaderboard {name} " in " ".join("".join(out).split())


def test_known_issues_name_protocols_that_there_are() -> None:
    assert {protocol for issue in KNOWN_ISSUES for protocol in issue.protocols} <= PROTOCOLS.keys()
    assert all(ROOT.joinpath(issue.source).is_file() for issue in KNOWN_ISSUES)


def test_known_issues_are_said_of_those_they_concern(honest: Path) -> None:
    record = read_record(honest)
    assert issues_of(record) == []

    def said(protocol: str, benchmark: str, shots: int) -> list[str]:
        at = record.benchmark.model_copy(update={"name": benchmark})
        return issues_of(record.model_copy(update={"protocol": protocol, "benchmark": at, "shots": shots}))

    for text, concerned, others in (
        ("may repeat", ("hsnet", "pascal-5i", 5), ("hsnet", "pascal-5i", 1)),
        ("9 queries a class", ("lseg", "fss-1000", 1), ("lseg", "pascal-5i", 0)),
        ("5001", ("pfenet", "pascal-5i", 1), ("pfenet@1000", "pascal-5i", 1)),
    ):
        assert (text in str(said(*concerned)), text in str(said(*others))) == (True, False)


def test_diff_of_a_resubmission(honest: Path, small: Benchmark, tmp_path: Path) -> None:
    assert run("diff", honest, honest)[1][0].startswith("same ")
    again = copied(honest, tmp_path / "new")
    mended(again, lambda rows: [rows[0]._replace(predicted=rows[0].intersection), *rows[1:]], small)
    altered(again, lambda said: said["model"].update(licence="mine", options={"a": "b"}))
    altered(again, lambda said: said["environment"].update(threads=3))
    code, out, err = run("diff", honest, again)
    assert (code, err) == (0, [])
    assert out[0] == f"changed {honest} -> {again}"
    a, b = read_record(honest), read_record(again)
    assert a.miou is not None
    assert b.miou is not None
    for line in (
        "  model licence: unknown -> mine",
        "  model options a: - -> b",
        "  environment threads: 1 -> 3",
        f"  mean miou: {100 * a.miou:.6g} -> {100 * b.miou:.6g}",
        "  fold 0: 1 of 20 episodes have other counts",
    ):
        assert line in out
    assert not any("fold 1 miou" in line or "timings" in line for line in out)
    code, out, _ = run("diff", honest, again, "--json")
    (record,) = json.loads("\n".join(out))["records"]
    assert {"what": "mean miou", "old": a.miou, "new": b.miou} in record["scores"]
    assert (record["episodes"][0]["differing"], record["episodes"][0]["first"][0]["what"]) == (1, "episode 0")


def test_diff_of_folders(honest: Path, small: Benchmark, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        copied(honest, folder)
    gone = evaluated(Bright(), small, old, seed=7)
    come = evaluated(Bright(), small, new, seed=8)
    code, out, _ = run("diff", old, new)
    assert code == 0
    assert out == [
        f"removed {gone.parent.relative_to(old)}",
        f"added   {come.parent.relative_to(new)}",
        f"same    {honest.parent.relative_to(honest.parents[4])}",
    ]
