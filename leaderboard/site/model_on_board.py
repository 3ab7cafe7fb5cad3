"""A row of a board for its model's page: rank in words, scores with intervals, classes, confusions, measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from statistics import fmean, median
from typing import NamedTuple

from fsbench.records.counts import BACKGROUND
from fsbench.records.record import FoldRecord
from fsbench.scoring.scenes import FALSE_ALARMS
from fsbench.tables.scene_table import must_find
from leaderboard.boards import Board, Row, Score
from leaderboard.render.cells import NONE, percent
from leaderboard.site.columns import score_head
from leaderboard.tables import EVIDENCE, evidence, hardware, ms_per_episode


class Line(NamedTuple):
    """A score as printed and drawn: ``score`` and ``ci95`` are texts in %; ``at``, ``low`` and ``width`` are
    places from 0 to 100, None where there is nothing to draw.
    """

    name: str
    score: str
    ci95: str
    at: str | None = None
    low: str | None = None
    width: str | None = None


class ClassScore(NamedTuple):
    """A class: its key, IoU (a fraction) and episodes."""

    key: str
    iou: float | None
    episodes: int


class Confusion(NamedTuple):
    """``pixels`` of class ``truth`` that were labelled ``predicted``; ``share``: of all pixels of ``truth``."""

    truth: str
    predicted: str
    pixels: int
    share: float


@dataclass(frozen=True)
class Fold:
    """A fold's classes and confusions. ``summary``: how many classes, lowest, median and highest IoU."""

    name: str
    left_out: tuple[str, ...]
    classes: tuple[ClassScore, ...]
    summary: str
    episodes: str
    confusions: tuple[Confusion, ...]


def rank_range(board: Board, row: Row) -> str:
    """The range of the rank, empty where there is none or no other row is ranked."""
    if row.rank_range is None or len(board.ranked) == 1:
        return ""
    low, high = row.rank_range
    return f"{low}" if low == high else f"{low} to {high}"


def rank_sentence(board: Board, row: Row) -> str:
    """The rank in a sentence, or why there is none."""
    if row.rank is None:
        return f"No rank: {'; '.join(row.marks)}." if row.marks else "No rank."
    if len(board.ranked) == 1:
        return "The only ranked model of this board."
    text = f"Rank {row.rank} of {len(board.ranked)}"
    if row.rank_range is not None:
        low, high = row.rank_range
        text += f", {'the same' if low == high else rank_range(board, row)} in 95 % of the replicates"
    if row.rank > 1 and row.from_best is False:
        text += "; not separable from the best at 95 %, uncorrected"
    return f"{text}."


def score_lines(board: Board, row: Row) -> Iterator[tuple[Line, float | None]]:
    """Mean, FB-IoU where there is one, other scores, then folds: as printed and as fractions."""
    bracketed = FALSE_ALARMS if must_find(row.record) else ()
    scores = {"mIoU, mean over folds" if len(row.folds) > 1 else "mIoU": row.miou}
    if board.protocol.asks == "class":
        scores["FB-IoU"] = row.fb_iou
    for name, score in scores.items():
        yield line(name, score), score.score
    for name, score in row.other.items():
        found = line(score_head(name), score)
        yield (found._replace(score=f"({found.score})") if name in bracketed else found), score.score
    if len(row.folds) > 1:
        yield from ((line(f"mIoU, fold {fold}", score), score.score) for fold, score in row.folds.items())


def folds(board: Board, row: Row) -> list[Fold]:
    """The folds that were run, in order."""
    runs = {fold: [e.record.folds[fold] for e in row.entries if fold in e.record.folds] for fold in board.folds}
    return [_fold(fold, of_fold) for fold, of_fold in runs.items() if of_fold]


def measured(board: Board, row: Row) -> dict[str, str]:
    """Evidence, timings, machine and code, by name."""
    record = row.record
    where, times = record.environment, record.timings
    ms = ms_per_episode(row)
    runs = len(row.entries)
    return {
        **({"runs": f"{runs} of {board.protocol.runs}; what follows is of the first"} if runs > 1 else {}),
        "evidence": EVIDENCE[evidence(row)],
        "model alone": "not timed" if ms is None else f"{ms:.1f} ms per episode",
        "throughput": f"{times.images_per_second:.2f} query images per second, reading and counting included",
        "time": f"{times.seconds:.1f} s in all, {times.model_seconds:.1f} s in the model",
        "hardware": hardware(record),
        "platform": where.platform,
        "batch size": f"{where.batch_size} episodes; {where.threads} threads of torch, {times.workers} of reading",
        "peak memory": f"{times.peak_memory_mib:.0f} MiB (the process)",
        "fsbench": where.fsbench,
        "git commit": (where.git_commit or "unknown")
        + {True: ", with uncommitted changes", False: ", clean", None: "; whether clean is unknown"}[where.git_dirty],
        "software": f"Python {where.python}, torch {where.torch}, numpy {where.numpy}, Pillow {where.pillow}",
        "benchmark": f"{record.benchmark.title}, mask rule {record.benchmark.mask_rule}, partition "
        f"{record.benchmark.partition}, builder {record.benchmark.builder_version}",
        "digests": f"lists {record.benchmark.lists_sha256[:16]}…, masks {record.benchmark.masks_sha256[:16]}…, "
        f"counts {record.counts_sha256[:16]}…",
        "record": row.entries[0].place,
    }


def line(name: str, score: Score) -> Line:
    """A score under its name."""
    if score.score is None:
        return Line(name, NONE, "")
    at = f"{100 * score.score:.2f}"
    if score.ci95 is not None:
        low, high = score.ci95
        ci95 = f"{percent(low)} to {percent(high)}"
        return Line(name, percent(score.score), ci95, at, f"{100 * low:.2f}", f"{100 * (high - low):.2f}")
    deviation = "" if score.deviation is None else f"± {100 * score.deviation:.1f} over runs"
    return Line(name, percent(score.score), deviation, at)


def _fold(name: str, runs: Sequence[FoldRecord]) -> Fold:
    """One fold; of several runs, means of IoUs and sums of episodes."""
    first = runs[0]
    classes = []
    for key in first.classes:
        of_runs = [run.classes[key] for run in runs if key in run.classes]
        known = [c.iou for c in of_runs if c.iou is not None]
        classes.append(ClassScore(key, fmean(known) if known else None, sum(c.episodes for c in of_runs)))
    ious = sorted(c.iou for c in classes if c.iou is not None)
    summary = f"{len(classes)} {'class' if len(classes) == 1 else 'classes'}"
    if len(ious) > 1:
        summary += f": {percent(ious[0])} to {percent(ious[-1])}, median {percent(median(ious))}"
    counted, asked, drawn = (sum(getattr(run, name) for run in runs) for name in ("episodes", "asked", "drawn"))
    episodes = f"{counted} episodes" + ("" if counted == asked == drawn else f" of {asked} asked, {drawn} drawn")
    return Fold(name, first.left_out, tuple(classes), summary, episodes, tuple(largest_confusions(first)))


def largest_confusions(fold: FoldRecord, most: int = 10) -> list[Confusion]:
    """The largest confusions of a fold, by pixels; none without a confusion matrix."""
    if fold.confusion is None:
        return []
    pixels, classes = fold.confusion.pixels, [*fold.classes.items(), *fold.others.items()]
    names = {c.class_id: key for key, c in classes} | {BACKGROUND: "background"}
    keys = [names.get(class_id, f"class {class_id}") for class_id in fold.confusion.class_ids]
    cells = ((n, -t, -p) for t, row in enumerate(pixels) for p, n in enumerate(row) if n and t != p)
    return [Confusion(keys[-t], keys[-p], n, n / sum(pixels[-t])) for n, t, p in nlargest(most, cells)]
