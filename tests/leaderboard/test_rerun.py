"""The command on a model's page makes the record again: it is read back as it was given, and gives the same counts."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import fsbench
from fsbench.cli.main import app
from fsbench.engine.plan import RANGES
from fsbench.records.record import PRESENT
from leaderboard.boards import Row, make_boards
from leaderboard.results import read_results
from leaderboard.site.rerun import LIMITS, command_of, record_at, rerun
from leaderboard.text import visible
from tests.fsbench.results.saved_records import write_stored
from tests.fsbench.sample_models import Bright
from tests.fsbench.small_benchmark import small_benchmark
from tests.leaderboard.hostile import ASKED, CLASSES, TEXTS, made_up
from tests.leaderboard.sample_records import altered

evaluate = typer.main.get_command(app).commands["evaluate"]  # type: ignore[attr-defined]


def parsed(command: str | None) -> dict[str, Any]:
    """What ``fsbench evaluate`` makes of a command line as a shell hands it over."""
    assert command is not None
    words = shlex.split(command)
    assert words[:2] == ["fsbench", "evaluate"]
    with evaluate.make_context("evaluate", words[2:]) as context:
        return dict(context.params)


def row_of(folder: Path, change: Callable[[dict[str, Any]], object]) -> Row:
    """The one row of a made-up record changed by ``change``."""
    altered(made_up(folder), change)
    return row_in(folder)


@pytest.mark.parametrize(
    "spec", ["prototype", "a b", "x;id", "$(id)`id`", "'\"", "-m", "--help", "runs/{fold}/é", "a=b"]
)
def test_a_spec_is_read_back_as_it_was_given(tmp_path: Path, spec: str) -> None:
    def change(said: dict[str, Any]) -> None:
        said["model"] |= {"spec": spec, "options": {"of": spec, "k": "a=b c", "empty": ""}, "contaminated": True}
        said["modified"] = [PRESENT]
        said["environment"] |= {"device": "cuda:1 (NVIDIA H100)", "threads": 3, "batch_size": 5}

    found = rerun(row_of(tmp_path, change))
    assert found.command is not None
    assert shlex.split(found.command) == list(found.words)
    read = parsed(found.command)
    assert (read["model"], read["benchmark"], read["fold"]) == ([spec], ["made-up"], "all")
    assert (read["protocol"], read["shots"], read["seed"]) == ("fsbench-v1", 0, 0)
    assert (read["run"], read["limit"]) == (None, None)
    assert sorted(read["option"]) == sorted([f"of={spec}", "k=a=b c", "empty="])
    assert (read["device"], read["threads"], read["batch_size"]) == ("cuda:1", 3, 5)
    assert (read["draw_from"], read["contaminated"]) == ("present", True)


@pytest.mark.parametrize("name", TEXTS)
def test_ugly_text_is_one_word_or_makes_no_command(tmp_path: Path, name: str) -> None:
    text = TEXTS[name]
    found = rerun(row_of(tmp_path, lambda said: said["model"].update(spec=text)))
    if visible(text) != text:
        assert found.command is None
        assert "cannot be seen" in found.remarks[0]
    else:
        assert found.command is not None
        assert "\n" not in found.command
        assert parsed(found.command)["model"] == [text]


@pytest.mark.parametrize("key", ["a:b", "a=b", ""])
def test_an_option_that_no_command_can_give_makes_none(tmp_path: Path, key: str) -> None:
    found = rerun(row_of(tmp_path, lambda said: said["model"].update(spec="center", options={key: "1"})))
    assert found.command is None
    assert "No command can give the option" in found.remarks[0]


def test_missing_folds_are_not_asked_again(tmp_path: Path) -> None:
    def change(said: dict[str, Any]) -> None:
        said["model"]["spec"] = "center"
        del said["folds"]["0"]
        said |= {"miou": None, "fb_iou": None, "ci95": None}

    assert parsed(rerun(row_of(tmp_path, change)).command)["fold"] == "1"


def test_numbers_out_of_range_are_left_out(tmp_path: Path) -> None:
    def change(said: dict[str, Any]) -> None:
        said["model"]["spec"] = "center"
        said["environment"] |= {"threads": 0, "batch_size": 10**7, "device": "tpu; id"}

    read = parsed(rerun(row_of(tmp_path, change)).command)
    assert (read["threads"], read["batch_size"], read["device"]) == (None, 8, "auto")
    assert {name: (1, most) for name, most in LIMITS.items()} == {name: RANGES[name] for name in LIMITS}


def test_places_are_quoted_and_never_options() -> None:
    assert record_at("-x/y") == "./-x/y/record.json"
    assert record_at(".") == "record.json"
    assert command_of("fsbench", "check", record_at("a b/$(id)")) == "fsbench check 'a b/$(id)/record.json'"
    assert command_of("fsbench", "a\u202eb") is None


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the benchmark ``tiny`` is known by name."""
    small_benchmark(tmp_path / "made")
    (tmp_path / "home").mkdir()
    (tmp_path / "made" / "index").rename(tmp_path / "home" / "tiny")
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def counts_of(folder: Path) -> list[str]:
    return [entry.record.counts_sha256 for entry in read_results(folder).entries]


def row_in(folder: Path) -> Row:
    (board,) = make_boards(read_results(folder).entries)
    return board.rows[0]


def test_the_printed_command_gives_the_same_counts(small: Path) -> None:
    given: dict[str, Any] = {"folds": ["1", "3"], "shots": 2, "seed": 5, "options": {"seed": "3"}}
    fsbench.evaluate("random", "tiny", **given, threads=1, batch_size=3, out="first")
    command = rerun(row_in(small / "first")).command
    assert command is not None
    assert parsed(command)["fold"] == "1,3"
    evaluate.main(args=[*shlex.split(command)[2:], "--out", "again"], standalone_mode=False)
    assert counts_of(small / "again") == counts_of(small / "first")
    other = command.replace("seed=3", "seed=4")
    evaluate.main(args=[*shlex.split(other)[2:], "--out", "other"], standalone_mode=False)
    assert counts_of(small / "other") != counts_of(small / "first")


@pytest.mark.parametrize("runs", [2, 5])
def test_a_run_is_named_unless_all_are_there(tmp_path: Path, runs: int) -> None:
    for run in range(runs):
        path = write_stored(tmp_path / str(run), ASKED, CLASSES, protocol="panet")
        altered(path, lambda said, run=run: (said.update(run=run), said["model"].update(spec="center")))  # type: ignore[misc]
    assert parsed(rerun(row_in(tmp_path)).command)["run"] == (None if runs == 5 else 0)


def test_a_model_made_in_python_is_called_in_python(small: Path) -> None:
    fsbench.evaluate(Bright(), "tiny", folds=2, shots=1, threads=1, batch_size=3, out="first")
    found = rerun(row_in(small / "first"))
    assert found.command is None
    assert found.python is not None
    assert "made in Python" in " ".join(found.remarks)
    eval(found.python, {"fsbench": fsbench, "model": Bright()})
    assert counts_of(small / "results") == counts_of(small / "first")
