"""Commands killed before a file operation: the same command then ends with the bytes of an unkilled one.

``pytest -m long`` kills each command before every operation, the others before two.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fsbench.index.benchmark import Benchmark
from tests.fsbench.small_benchmark import small_benchmark
from tests.kills import EVERY, Command, check_kills, contents, ended, start
from tests.leaderboard.submissions import check as checked

MODEL = ("-m", "tests.fsbench.sample_models:Bright", "--threads", "1", "--workers", "1")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Two folds of one class, ten samples each."""
    return small_benchmark(tmp_path_factory.mktemp("small"), classes=2, folds=2)


@pytest.fixture(scope="module")
def results(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``whole`` with a record of both folds and its masks, ``a`` and ``b`` with one of each fold, and a site of a."""
    folder = tmp_path_factory.mktemp("results")
    evaluated = ("evaluate", "-b", small.folder, *MODEL)
    commands: list[Command] = [
        (*evaluated, "--save-predictions", "--out", folder / "whole"),
        (*evaluated, "-f", "0", "--out", folder / "a"),
        (*evaluated, "-f", "1", "--out", folder / "b"),
        ("leaderboard", "build", folder / "a", "--out", folder / "first/site"),
    ]
    assert ended(start(commands, folder / "log.txt")) == 0, (folder / "log.txt").read_text()
    return folder


def check_records(commands: list[Command], folder: Path, every: bool, small: Benchmark, **options: Any) -> None:
    """Kill the commands, and check the records that they write each time as the leaderboard does."""

    def check(out: Path) -> None:
        (record,) = out.glob("**/record.json")
        assert checked(record, small).faults == []

    check_kills(commands, folder, every, check=check, **options)


EVALUATIONS = {
    "once": [()],
    "predictions": [("--save-predictions",)],
    "folds": [("-f", "0"), ("-f", "1", "--save-predictions")],
}


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("name", EVALUATIONS)
def test_evaluate(name: str, every: bool, small: Benchmark, tmp_path: Path) -> None:
    evaluate = ("evaluate", "-b", small.folder, *MODEL, "--limit", "3", "--out", "{}")
    check_records([(*evaluate, *flags) for flags in EVALUATIONS[name]], tmp_path, every, small)


@pytest.mark.parametrize("every", EVERY)
def test_evaluate_replaces_a_fold(every: bool, small: Benchmark, results: Path, tmp_path: Path) -> None:
    flags = ("--save-predictions", "-f", "1", "--if-exists", "replace")
    command = ("evaluate", "-b", small.folder, *MODEL, "--out", "{}", *flags)
    check_records([command], tmp_path, every, small, prepare=partial(shutil.copytree, results / "whole"))


@pytest.mark.parametrize("every", EVERY)
def test_merge(every: bool, small: Benchmark, results: Path, tmp_path: Path) -> None:
    parts = [next((results / part).glob("**/record.json")) for part in "ab"]
    check_records([("merge", *parts, "--out", "{}")], tmp_path, every, small)


@pytest.mark.parametrize("every", EVERY)
def test_site(every: bool, small: Benchmark, results: Path, tmp_path: Path) -> None:
    command = ("leaderboard", "build", results / "whole", "--out", "{}/site", "-b", small.folder)
    check_kills([command], tmp_path, every, prepare=partial(shutil.copytree, results / "first"))


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("name", ["export", "badge", "show", "segment"])
def test_single_files(name: str, every: bool, small: Benchmark, results: Path, tmp_path: Path) -> None:
    photograph = small.path(next(iter(small.samples.values())).image or "")
    commands: dict[str, Command] = {
        "export": ("leaderboard", "export", results / "whole", "-b", "tiny", "--out", "{}/table"),
        "badge": ("leaderboard", "badge", results / "whole", "-b", "tiny", "--out", "{}/badge"),
        "show": ("show", small.folder, "--out", "{}/sheet.png"),
        "segment": ("segment", photograph, "cat", *MODEL[:2], "--out", "{}/out.png", "--labels", "{}/labels.png"),
    }
    check_kills([commands[name]], tmp_path, every)


@pytest.mark.parametrize("command", ["rescore", "episodes"])
def test_commands_that_write_nothing(command: str, small: Benchmark, results: Path, tmp_path: Path) -> None:
    record = next((results / "whole").glob("**/record.json"))
    given: Command = ("rescore", record) if command == "rescore" else ("episodes", small.folder)
    before = contents(results), contents(small.folder)
    assert ended(start([given], tmp_path / "log.txt", kill_before=0)) == 0, (tmp_path / "log.txt").read_text()
    assert (contents(results), contents(small.folder)) == before
