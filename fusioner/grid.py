"""The paper's grid: for each published row the commands that reproduce it, whether they were run, and the result.

The folder of a run is named after the trained model, so a model in two tables is trained once. A run counts as done
only if it is the row's: another recipe, or a record of other checkpoints, does not.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.index.published import published_lists
from fsbench.records.record import Record, read_record
from fsbench.training.report import REPORT, Report, read_report
from fusioner.published import COCO, FOLDS, PASCAL, TRANSFER, Published

PROTOCOLS = {PASCAL: "fusioner", COCO: "fusioner", TRANSFER: "fsbench-v1"}
"""The protocol of each benchmark. The released code has no evaluation of the transfer, nor has ``fusioner``."""
TRAIN_LISTS = {PASCAL: "fusioner", COCO: "published"}
RECIPE, PROMPTS = "paper", "openai-imagenet"
CHANGES = ("size", "views", "epochs", "batch_size")
"""Options of the trainer that would change the recipe."""


@dataclass(frozen=True)
class Step:
    """The arguments of an ``fsbench`` command, and whether its output exists."""

    arguments: tuple[str, ...]
    done: bool

    @property
    def line(self) -> str:
        """The command for a shell."""
        return shlex.join(("fsbench", *self.arguments))


@dataclass(frozen=True)
class State:
    """The progress of a row. ``record`` and ``path``: of all folds, or None; ``remarks``: why it is not comparable with
    the published row."""

    row: Published
    trained: tuple[str, ...]
    steps: tuple[Step, ...]
    record: Record | None
    path: Path | None
    remarks: tuple[str, ...]

    @property
    def status(self) -> str:
        """In words, ``not run`` at first."""
        if self.record is not None:
            return "not comparable" if self.remarks else "run"
        if not self.trained:
            return "not run"
        return f"not run; {len(self.trained)} of {len(FOLDS)} folds trained"

    @property
    def measured(self) -> tuple[tuple[float, ...], float] | None:
        """mIoU in % of the folds and their mean; None where it was not run or is not comparable."""
        if self.record is None or self.remarks:
            return None
        scores = [self.record.folds[fold].miou for fold in FOLDS]
        mean = self.record.miou
        found = tuple(100 * score for score in scores if score is not None)
        return (found, 100 * mean) if mean is not None and len(found) == len(FOLDS) else None


@dataclass(frozen=True)
class Grid:
    """The folder of runs, and the benchmarks' ``folders`` and raw ``roots`` by name."""

    out: Path
    folders: Mapping[str, str] = field(default_factory=dict)
    roots: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"

    def folder(self, row: Published) -> Path:
        """``RUNS/<trained on>/<visual>+<text>-<fusion>``."""
        return self.out / row.trained_on / f"{row.visual}+{row.text}-{row.fusion}"

    def state(self, row: Published) -> State:
        """The progress of a row, from the files in its folder; raises FsbenchError for a broken report or record."""
        run = self.folder(row)
        reports = {fold: read_report(path) for fold in FOLDS if os.path.lexists(path := run / f"fold{fold}" / REPORT)}
        others = {fold: why for fold, report in reports.items() if (why := _another(report, row))}
        ours = {fold: report for fold, report in reports.items() if fold not in others}
        remarks = [f"{run}/fold{fold} is from another run ({why})" for fold, why in others.items()]
        whole = published_lists(row.trained_on)
        titles = dict.fromkeys(report.benchmark.title for report in ours.values())
        remarks += [f"trained on {title}" for title in titles if whole is not None and title != whole.title]
        found = self._record(row, ours) if len(ours) == len(FOLDS) else None
        where, record = found or (None, None)
        if record is not None:
            remarks += [f"tested on {record.benchmark.title}"] if record.benchmark.partial else []
            remarks += record.modified
            remarks += ["trained on tested classes"] if record.model.contaminated else []
        steps = Step(self._train(row), len(ours) == len(FOLDS)), Step(self._evaluate(row), record is not None)
        return State(row, tuple(ours), steps, record, where, tuple(remarks))

    def _train(self, row: Published) -> tuple[str, ...]:
        flags = {
            "--visual": row.visual,
            "--text": row.text,
            "--fusion": row.fusion,
            "--recipe": RECIPE,
            "--prompts": PROMPTS,
            "--train-list": TRAIN_LISTS[row.trained_on],
            "--fold": "all",
            "--out": str(self.folder(row)),
        }
        return ("train", "fusioner", *self._on(row.trained_on), *chain.from_iterable(flags.items()))

    def _evaluate(self, row: Published) -> tuple[str, ...]:
        run = self.folder(row)
        flags = ["--protocol", PROTOCOLS[row.benchmark], "--out", str(run / "results")]
        return ("evaluate", "-m", f"fusioner:{run}/fold{{fold}}", *self._on(row.benchmark), *flags)

    def _on(self, benchmark: str) -> Iterator[str]:
        yield from ("-b", self.folders.get(benchmark, benchmark))
        if benchmark in self.roots:
            yield from ("--root", self.roots[benchmark])
        if self.device != "auto":
            yield from ("--device", self.device)

    def _record(self, row: Published, reports: Mapping[str, Report]) -> tuple[Path, Record] | None:
        """The record of all folds of these checkpoints; the protocol's own before a modified one."""
        questions = f"{PROTOCOLS[row.benchmark]}-0shot-s0"
        found = sorted((self.folder(row) / "results").glob(f"*/*/{row.benchmark}/{questions}*/record.json"))
        checkpoints = {fold: report.checkpoint_sha256 for fold, report in reports.items()}
        for path in sorted(found, key=lambda path: len(path.parent.name)):
            record = read_record(path)
            trained = {fold: card.checkpoint_sha256 for fold, card in record.model.training.items()}
            if set(record.folds) == set(FOLDS) and record.limit is None and trained == checkpoints:
                return path, record
        return None


def _another(report: Report, row: Published) -> str | None:
    """How a report's run differs from the row's; None if it doesn't."""
    wanted: dict[str, str | None] = {"visual": row.visual, "text": row.text, "fusion": row.fusion}
    wanted |= {"recipe": RECIPE, "prompts": PROMPTS, **dict.fromkeys(CHANGES)}
    for name, value in wanted.items():
        if report.options.get(name) != value:
            return f"{name} {report.options.get(name)}"
    train_list = report.benchmark.train_list
    return None if train_list == TRAIN_LISTS[row.trained_on] else f"train list {train_list}"


def run_step(step: Step, *, to_stderr: bool) -> int:
    """Run a command of the grid with this Python; returns its exit code, 128 + n if signal n ended it."""
    print(f"fsbench: running: {step.line}", file=sys.stderr, flush=True)  # noqa: T201
    command = [sys.executable, "-m", "fsbench", *step.arguments]
    code = subprocess.run(command, stdout=2 if to_stderr else None, check=False).returncode
    return code if code >= 0 else 128 - code


def run_rows(grid: Grid, rows: Sequence[Published], *, to_stderr: bool) -> int:
    """Run what is not done, row by row; returns the exit code of the first command that fails, or 0.

    Raises FsbenchError where a command succeeded without its output.
    """
    for row in rows:
        for place, _ in enumerate(grid.state(row).steps):
            step = grid.state(row).steps[place]
            if step.done:
                continue
            code = run_step(step, to_stderr=to_stderr)
            if code:
                return code
            if not grid.state(row).steps[place].done:
                raise FsbenchError(f"{grid.folder(row)}: lacks what the row needs although this was run: {step.line}")
    return 0


def pairs_of(flag: str, given: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts by name; raises FsbenchError for another form or benchmark."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not value or name not in PROTOCOLS:
            raise FsbenchError(f"{flag} {text}: expected NAME=FOLDER, NAME one of {', '.join(PROTOCOLS)}")
        found[name] = value
    return found
