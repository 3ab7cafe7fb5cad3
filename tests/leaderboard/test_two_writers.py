"""Two or three runs that write to one place at once: every fold arrives, and what is written is one run's, whole."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread

import pytest
import torch

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.io.files import write_text
from fsbench.io.locks import LOCK, building, lock_file, locked, one_writer
from fsbench.models.contract import Episode
from fsbench.records.record import read_record
from tests.fsbench.sample_models import Bright
from tests.fsbench.small_benchmark import small_benchmark
from tests.kills import Command, contents, ended, start
from tests.leaderboard.submissions import check as checked

MODEL = ("-m", "tests.leaderboard.test_two_writers:Meeting", "--threads", "1", "--workers", "1", "--batch-size", "99")
TIMES = [pytest.param(1, id="once"), pytest.param(20, id="often", marks=pytest.mark.long)]


class Meeting(Bright):
    """As ``Bright``, but answers when as many runs as ``runs`` says are asked: they end at the same moment."""

    def __init__(self, folder: str = "", runs: str = "1") -> None:
        super().__init__()
        self.folder, self.runs = Path(folder), int(runs)

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        if self.runs > 1:
            (self.folder / str(os.getpid())).touch()
            deadline = time.monotonic() + 60
            while len(list(self.folder.iterdir())) < self.runs:
                assert time.monotonic() < deadline, "the other runs did not come"
                time.sleep(0.001)
        return super().segment(episodes)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Three folds of one class, ten samples each."""
    return small_benchmark(tmp_path_factory.mktemp("small"), classes=3, folds=3)


def together(commands: Sequence[Command], folder: Path) -> list[int]:
    """Run the commands at the same time, each in a process; their exit codes."""
    processes = [start([command], folder / f"said{n}.txt") for n, command in enumerate(commands)]
    return [ended(process) for process in processes]


def meeting(folder: Path, runs: int) -> tuple[str, ...]:
    folder.mkdir(parents=True)
    return ("--option", f"folder={folder}", "--option", f"runs={runs}")


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize(
    ("folds", "flags"),
    [(("0", "1"), ()), (("2", "0", "1"), ("--save-predictions",)), (("1", "0"), ("--if-exists", "replace"))],
    ids=["two", "three with predictions", "replace"],
)
def test_folds_evaluated_at_once_all_arrive(
    folds: tuple[str, ...], flags: Command, times: int, small: Benchmark, tmp_path: Path
) -> None:
    for n in range(times):
        asked = ("evaluate", "-b", small.folder, *MODEL, *meeting(tmp_path / f"meeting{n}", len(folds)), *flags)
        commands = [(*asked, "-f", fold, "--out", tmp_path / f"results{n}") for fold in folds]
        assert together(commands, tmp_path) == [0] * len(folds), [p.read_text() for p in tmp_path.glob("said*.txt")]
        (path,) = (tmp_path / f"results{n}").glob("**/record.json")
        assert list(read_record(path).folds) == sorted(folds)
        assert checked(path, small).faults == []
        assert ("--save-predictions" in flags) == (path.parent / "predictions/card.json").is_file()


def test_the_same_fold_is_evaluated_by_one_run(small: Benchmark, tmp_path: Path) -> None:
    met = meeting(tmp_path / "meeting", 2)
    command = ("evaluate", "-b", small.folder, *MODEL, *met, "--out", tmp_path / "results")
    first = start([(*command, "-f", "0,1")], tmp_path / "first.txt")
    while not list((tmp_path / "meeting").iterdir()):
        time.sleep(0.01)
    for n, flags in enumerate([("-f", "1"), ("-f", "all"), ("-f", "0", "--if-exists", "replace")]):
        said = tmp_path / f"{n}.txt"
        assert ended(start([(*command, *flags)], said)) == 2
        assert "another run is at work here" in said.read_text()
        assert len(said.read_text().splitlines()) == 1
    (tmp_path / "meeting" / "now").touch()
    assert ended(first) == 0
    (path,) = (tmp_path / "results").glob("**/record.json")
    assert list(read_record(path).folds) == ["0", "1"]


@pytest.mark.parametrize("times", TIMES)
def test_two_builds_of_one_benchmark(times: int, small: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("thing_00\nthing_01\n")
    (tmp_path / "three.txt").write_text("thing_00\nthing_01\nthing_02\n")
    built = ("build", "fss-1000", "--root", small.roots["root"], "--classes")
    commands = [(*built, tmp_path / "two.txt", "--out"), (*built, tmp_path / "three.txt", "--out")]
    alone = whole_of_each(commands, tmp_path)
    for n in range(times):
        codes = together([(*command, tmp_path / f"both{n}") for command in commands], tmp_path)
        check_one(codes, contents(tmp_path / f"both{n}"), alone, tmp_path)


@pytest.mark.parametrize("times", TIMES)
def test_two_sites(times: int, small: Benchmark, tmp_path: Path) -> None:
    asked = ("evaluate", "-b", small.folder, *MODEL, "--out", tmp_path / "results")
    assert ended(start([asked, (*asked, "--seed", "1")], tmp_path / "said.txt")) == 0
    part = next((tmp_path / "results").glob("**/*-s1"))
    commands = [("leaderboard", "build", results, "--out") for results in (tmp_path / "results", part)]
    alone = whole_of_each(commands, tmp_path)
    for n in range(times):
        codes = together([(*command, tmp_path / "sites" / f"{n}") for command in commands], tmp_path)
        check_one(codes, contents(tmp_path / "sites" / f"{n}"), alone, tmp_path)
        assert [path.name for path in (tmp_path / "sites").iterdir() if path.name.startswith(".")] == []


def whole_of_each(commands: Sequence[Command], folder: Path) -> list[dict[str, object]]:
    """What each command leaves where it is alone."""
    for n, command in enumerate(commands):
        assert ended(start([(*command, folder / f"alone{n}")], folder / "said.txt")) == 0
    return [contents(folder / f"alone{n}") for n in range(len(commands))]


def check_one(codes: Sequence[int], left: dict[str, object], alone: Sequence[dict[str, object]], folder: Path) -> None:
    """One of the runs wrote it all; the other one came too late, or said that another was at work."""
    assert sorted(codes) in ([0, 2], [0, 0])
    assert left in alone
    for n, code in enumerate(codes):
        if code:
            said = (folder / f"said{n}.txt").read_text().splitlines()
            assert "another run is at work here" in said[-1]
            assert left == alone[1 - n]


def refusal(entered: AbstractContextManager[object]) -> str:
    """What another thread is told, which is refused as another process is."""
    said: list[str] = []

    def enter() -> None:
        with pytest.raises(FsbenchError) as error, entered:
            pass
        said.append(str(error.value))

    other = Thread(target=enter)
    other.start()
    other.join()
    (only,) = said
    return only


def test_the_second_run_says_so_in_one_line(tmp_path: Path) -> None:
    folder, table = tmp_path / "folder", tmp_path / "table.md"
    with building(folder), one_writer(table):
        assert refusal(building(folder)).startswith(f"{folder}: another run is at work here: ")
        assert refusal(one_writer(table)).startswith(f"{table}: another run is at work here: ")
    assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == [folder]


def test_a_lock_may_be_taken_again_by_its_holder(tmp_path: Path) -> None:
    file = tmp_path / LOCK
    with locked(file, tmp_path, remove=True):
        with locked(file, tmp_path, remove=True):
            pass
        assert "another run is at work here" in refusal(locked(file, tmp_path))
    assert not file.exists()


def test_what_killed_runs_left_of_a_file_is_removed_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "table[1].md"
    left = dict.fromkeys((".other.md.12.tmp", "table[1].md.12.tmp", ".table1.md.1.tmp"), True)
    left[".table[1].md.12.tmp"] = False
    for name in left:
        (tmp_path / name).touch()
    with one_writer(out):
        write_text(out, "whole")
    assert {name: (tmp_path / name).exists() for name in left} == left
    assert not lock_file(out).exists()


def test_a_disk_without_locks_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object, **given: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", none)
    with pytest.raises(FsbenchError, match=r"cannot be locked \(No locks available\)"), building(tmp_path):
        pass
