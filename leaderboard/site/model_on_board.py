"""A model on one board, ready for its page: scores with their intervals, classes, confusions, and what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import NamedTuple

from fsbench.records.record import FoldRecord
from fsbench.scoring.scenes import FALSE_ALARMS
from fsbench.tables.scene_table import must_find
from leaderboard.boards import Board, Row, Score
from leaderboard.known_issues import issues_of
from leaderboard.site.cells import NONE, percent
from leaderboard.site.columns import score_head
from leaderboard.site.confusions import Confusion, largest_confusions
from leaderboard.site.rerun import Rerun, rerun
from leaderboard.tables import EVIDENCE, evidence, hardware, ms_per_episode


class Line(NamedTuple):
    """A score as it is printed and drawn. ``score`` and ``ci95``: texts, in %; ``at``, ``low``, ``high``: where they
    are drawn, from 0 to 100, none where there is nothing to draw.
    """

    name: str
    score: str
    ci95: str
    at: str | None
    low: str | None
    width: str | None


class ClassBar(NamedTuple):
    """A class: its key, IoU (a fraction; in %, as drawn and as printed), and episodes."""

    key: str
    iou: float | None
    width: str
    score: str
    episodes: int


@dataclass(frozen=True)
class Fold:
    """A fold's classes and confusions. ``summary``: how many, lowest, median and highest."""

    name: str
    left_out: tuple[str, ...]
    classes: tuple[ClassBar, ...]
    summary: str
    episodes: str
    confusions: tuple[Confusion, ...]


@dataclass(frozen=True)
class Standing:
    """A row of a board, as its model's page shows it."""

    board: Board
    row: Row

    @property
    def rank(self) -> str:
        """The rank and of how many, or that there is none."""
        ranked = len(self.board.ranked)
        if self.row.rank is None:
            return "no rank"
        return f"{self.row.rank} of {ranked}" if ranked > 1 else "the only one"

    @property
    def rank_range(self) -> str:
        """The range of the rank, nothing where it has none or no other row to be ranked with."""
        if self.row.rank_range is None or len(self.board.ranked) == 1:
            return ""
        low, high = self.row.rank_range
        return f"{low}" if low == high else f"{low} to {high}"

    @property
    def said(self) -> str:
        """The rank in a sentence, or why there is none."""
        row = self.row
        if row.rank is None:
            return f"No rank: {'; '.join(row.marks)}." if row.marks else "No rank."
        if len(self.board.ranked) == 1:
            return "The only ranked model of this board."
        said = f"Rank {self.rank}"
        if row.rank_range is not None:
            low, high = row.rank_range
            said += f", {'the same' if low == high else self.rank_range} in 95 % of the replicates"
        if row.rank > 1 and row.from_best is False:
            said += "; not separable from the best at 95 %, uncorrected"
        return f"{said}."

    @property
    def mean(self) -> Line:
        """The mean over folds."""
        return line("mIoU", self.row.miou)

    @property
    def scored(self) -> Iterator[tuple[Line, float | None]]:
        """Mean, FB-IoU where there is one, other scores, then folds: as printed and as fractions."""
        row = self.row
        bracketed = FALSE_ALARMS if must_find(row.record) else ()
        yield line("mIoU, mean over folds" if len(row.folds) > 1 else "mIoU", row.miou), row.miou.score
        if self.board.protocol.asks == "class":
            yield line("FB-IoU", row.fb_iou), row.fb_iou.score
        for name, score in row.other.items():
            found = line(score_head(name), score)
            yield (found._replace(score=f"({found.score})") if name in bracketed else found), score.score
        if len(row.folds) > 1:
            yield from ((line(f"mIoU, fold {fold}", score), score.score) for fold, score in row.folds.items())

    @property
    def evidence(self) -> str:
        """The weakest evidence of its records."""
        return evidence(self.row)

    @property
    def issues(self) -> tuple[str, ...]:
        """What is known to be odd about the protocol."""
        return tuple(issues_of(self.row.record))

    @property
    def brackets(self) -> bool:
        """Whether scores stand in brackets: alarms of a model that has to find something."""
        return must_find(self.row.record) and any(name in FALSE_ALARMS for name in self.row.other)

    @cached_property
    def folds(self) -> list[Fold]:
        """The folds that were run, in order."""
        records = [entry.record for entry in self.row.entries]
        return [
            _fold(fold, [record.folds[fold] for record in records if fold in record.folds])
            for fold in self.board.folds
            if any(fold in record.folds for record in records)
        ]

    @property
    def classes(self) -> int:
        """How many classes there are to show."""
        return sum(len(fold.classes) for fold in self.folds)

    @property
    def rerun(self) -> Rerun:
        """How to run it again."""
        return rerun(self.row)

    @property
    def measured(self) -> Mapping[str, str]:
        """Evidence, timings, machine and code, by name."""
        record = self.row.record
        where, times = record.environment, record.timings
        ms = ms_per_episode(self.row)
        runs = len(self.row.entries)
        return {
            **({"runs": f"{runs} of {self.board.protocol.runs}; what follows is of the first"} if runs > 1 else {}),
            "evidence": EVIDENCE[self.evidence],
            "model alone": "not timed" if ms is None else f"{ms:.1f} ms per episode",
            "throughput": f"{times.images_per_second:.2f} query images per second, reading and counting included",
            "time": f"{times.seconds:.1f} s in all, {times.model_seconds:.1f} s in the model",
            "hardware": hardware(record),
            "platform": where.platform,
            "batch size": f"{where.batch_size} episodes; {where.threads} threads of torch, {times.workers} of reading",
            "peak memory": f"{times.peak_memory_mib:.0f} MiB (the process)",
            "fsbench": where.fsbench,
            "git commit": (where.git_commit or "unknown")
            + {True: ", with uncommitted changes", False: ", clean", None: "; whether clean is unknown"}[
                where.git_dirty
            ],
            "software": f"Python {where.python}, torch {where.torch}, numpy {where.numpy}, Pillow {where.pillow}",
            "benchmark": f"{record.benchmark.title}, mask rule {record.benchmark.mask_rule}, partition "
            f"{record.benchmark.partition}, builder {record.benchmark.builder_version}",
            "digests": f"lists {record.benchmark.lists_sha256[:16]}…, masks {record.benchmark.masks_sha256[:16]}…, "
            f"counts {record.counts_sha256[:16]}…",
            "record": self.row.entries[0].place,
        }


def line(name: str, score: Score) -> Line:
    """A score under its name."""
    if score.score is None:
        return Line(name, NONE, "", None, None, None)
    at = f"{100 * score.score:.2f}"
    if score.ci95 is not None:
        low, high = score.ci95
        said = f"{percent(low)} to {percent(high)}"
        return Line(name, percent(score.score), said, at, f"{100 * low:.2f}", f"{100 * (high - low):.2f}")
    said = "" if score.deviation is None else f"± {100 * score.deviation:.1f} over runs"
    return Line(name, percent(score.score), said, at, None, None)


def _fold(name: str, runs: Sequence[FoldRecord]) -> Fold:
    """One fold; of several runs, means of IoUs and sums of episodes."""
    first = runs[0]
    bars, ious = [], list[float]()
    for key in first.classes:
        of_runs = [run.classes[key] for run in runs if key in run.classes]
        known = [c.iou for c in of_runs if c.iou is not None]
        iou = fmean(known) if known else None
        ious += [] if iou is None else [iou]
        bars.append(ClassBar(key, iou, f"{100 * (iou or 0):.2f}", percent(iou), sum(c.episodes for c in of_runs)))
    there = sorted(ious)
    summary = f"{len(first.classes)} {'class' if len(first.classes) == 1 else 'classes'}"
    if len(there) > 1:
        summary += f": {percent(there[0])} to {percent(there[-1])}, median {percent(median(there))}"
    counted, asked, drawn = (sum(getattr(run, name) for run in runs) for name in ("episodes", "asked", "drawn"))
    said = f"{counted} episodes" + ("" if counted == asked == drawn else f" of {asked} asked, {drawn} drawn")
    return Fold(name, first.left_out, tuple(bars), summary, said, tuple(largest_confusions(first)))
