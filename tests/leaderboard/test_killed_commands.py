"""Commands that are killed before any file operation: the same command then ends with the bytes of one that was not.

Every command is met at every operation by ``pytest -m long``, here at some.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fsbench.index.benchmark import Benchmark
from tests.fsbench.small_benchmark import small_benchmark
from tests.kills import Command, contents, ended, kills, start
from tests.leaderboard.submissions import check as checked

MODEL = ("-m", "tests.fsbench.sample_models:Bright", "--threads", "1", "--workers", "1")
EVERY = [pytest.param(43, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)]
"""Steps from one operation to the next that is met: a command has 10 (a badge) to 90 (with predictions) of them."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Two folds of one class, ten samples each."""
    return small_benchmark(tmp_path_factory.mktemp("small"), classes=2, folds=2)


@pytest.fixture(scope="module")
def results(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a record of both folds and its masks, and ``a`` and ``b`` with one of each fold."""
    folder = tmp_path_factory.mktemp("results")
    at = ("-b", small.folder, *MODEL)
    commands: list[Command] = [
        ("evaluate", *at, "--save-predictions", "--out", folder / "whole"),
        ("evaluate", *at, "-f", "0", "--out", folder / "a"),
        ("evaluate", *at, "-f", "1", "--out", folder / "b"),
    ]
    assert ended(start(commands, folder / "said.txt")) == 0, (folder / "said.txt").read_text()
    return folder


def unkilled(commands: Sequence[Command], at: Path, prepare: Callable[[Path], object] = Path.mkdir) -> dict[str, Any]:
    """What the commands leave in the folder ``at``."""
    prepare(at)
    filled = [[str(part).replace("{}", str(at)) for part in command] for command in commands]
    said = at.with_suffix(".txt")
    assert ended(start(filled, said)) == 0, said.read_text()
    return contents(at)


def check(
    commands: Sequence[Command],
    folder: Path,
    step: int,
    benchmark: Benchmark | None = None,
    prepare: Callable[[Path], object] = Path.mkdir,
) -> int:
    """Kill the commands again and again; how many times they were. ``benchmark``: that of the records they write."""
    whole = unkilled(commands, folder / "whole", prepare)
    times = 0
    for at in kills(commands, folder, step, prepare):
        left = contents(at)
        assert sorted(left) == sorted(whole)
        assert left == whole
        for record in [] if benchmark is None else at.glob("**/record.json"):
            assert checked(record, benchmark).faults == []
        times += 1
    return times - 1


def evaluation(small: Benchmark, *flags: str) -> Command:
    return ("evaluate", "-b", small.folder, *MODEL, "--limit", "3", "--out", "{}", *flags)


EVALUATIONS = {
    "at once": [()],
    "predictions": [("--save-predictions",)],
    "fold by fold": [("-f", "0"), ("-f", "1", "--save-predictions")],
}


@pytest.mark.parametrize("step", EVERY)
@pytest.mark.parametrize("name", EVALUATIONS)
def test_evaluate(name: str, step: int, small: Benchmark, tmp_path: Path) -> None:
    commands = [evaluation(small, *flags) for flags in EVALUATIONS[name]]
    assert check(commands, tmp_path, step, small) > 20 // step


@pytest.mark.parametrize("step", EVERY)
def test_replace(step: int, small: Benchmark, tmp_path: Path) -> None:
    unkilled([evaluation(small, "--save-predictions")], tmp_path / "first")
    commands = [evaluation(small, "--save-predictions", "-f", "1", "--if-exists", "replace")]
    assert check(commands, tmp_path, step, small, lambda at: shutil.copytree(tmp_path / "first", at)) > 20 // step


@pytest.mark.parametrize("step", EVERY)
def test_merge(step: int, small: Benchmark, results: Path, tmp_path: Path) -> None:
    parts = [next((results / part).glob("**/record.json")) for part in "ab"]
    commands = [("merge", *parts, "--out", "{}")]
    assert check(commands, tmp_path, step, small) > 10 // step


@pytest.mark.parametrize("step", EVERY)
def test_build(step: int, tmp_path: Path) -> None:
    raw, noise = tmp_path / "raw", np.random.RandomState(1)
    for number in range(3):
        for kind, pixels in (("images", noise.randint(0, 255, (8, 8, 3))), ("masks", noise.randint(0, 3, (8, 8)))):
            (raw / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(raw / kind / f"{number}.png")
    (raw / "classes.txt").write_text("cat\ndog\n")
    given = ("--images", raw / "images", "--masks", raw / "masks", "--classes", raw / "classes.txt", "--name", "mine")
    assert check([("build", "folder", *given, "--out", "{}/mine"), ("verify", "{}/mine")], tmp_path, step) > 15 // step


@pytest.mark.parametrize("step", EVERY)
def test_site(step: int, small: Benchmark, results: Path, tmp_path: Path) -> None:
    assert (
        ended(start([("leaderboard", "build", results / "a", "--out", tmp_path / "first/site")], tmp_path / "a")) == 0
    )
    commands = [("leaderboard", "build", results / "whole", "--out", "{}/site", "-b", small.folder)]
    assert check(commands, tmp_path, step, prepare=lambda at: shutil.copytree(tmp_path / "first", at)) > 50 // step


@pytest.mark.parametrize("step", EVERY)
@pytest.mark.parametrize("name", ["export", "badge", "show", "segment"])
def test_single_files(name: str, step: int, small: Benchmark, results: Path, tmp_path: Path) -> None:
    of = ("leaderboard", name, results / "whole", "-b", "tiny", "--out", "{}/written")
    photograph = small.path(next(iter(small.samples.values())).image or "")
    commands: dict[str, Command] = {
        "export": of,
        "badge": of,
        "show": ("show", small.folder, "--out", "{}/sheet.png"),
        "segment": ("segment", photograph, "cat", *MODEL[:2], "--out", "{}/out.png", "--labels", "{}/labels.png"),
    }
    assert check([commands[name]], tmp_path, step) > 5 // step


@pytest.mark.parametrize("command", ["rescore", "episodes"])
def test_commands_that_write_nothing(command: str, small: Benchmark, results: Path, tmp_path: Path) -> None:
    record = next((results / "whole").glob("**/record.json"))
    given: Command = ("rescore", record) if command == "rescore" else ("episodes", small.folder)
    before = contents(results), contents(small.folder)
    assert ended(start([given], tmp_path / "said.txt", kill_before=0)) == 0, (tmp_path / "said.txt").read_text()
    assert (contents(results), contents(small.folder)) == before
