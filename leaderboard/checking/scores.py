"""Every score once more from the counts, by the function that made it first, with all intervals drawn anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fsbench.records.record import ClassRecord, FoldRecord, OtherScore
from fsbench.results.read_back import read_columns
from leaderboard.checking.submission import NotCheckableError, Submission

BY_INTERVAL = ("ci95", "vanished_replicates")
FOLD = ("miou", "fb_iou", "ci95", "episodes", "left_out", "vanished_replicates")


def check_scores(sub: Submission) -> Iterator[str]:
    """Scores and intervals of classes, folds and mean are exactly those that follow from the counts."""
    record, found = sub.record, sub.scores
    drawn = sub.intervals_known
    if sub.imagewise != record.benchmark.name.startswith("fss-1000"):
        yield "has imagewise scores, which only records of FSS-1000 have, or lacks them"
    for fold, expected in found.folds.items():
        yield from _fold(f"fold {fold}", record.folds[fold], expected, drawn)
    for name in ("miou", "fb_iou", "ci95"):
        yield from _different(f"mean {name}", getattr(record, name), getattr(found, name))
    yield from _others("mean", record.other, found.other, True)
    if not drawn:
        raise NotCheckableError("intervals: they depend on the questions of all folds, which are not known")


def _fold(where: str, said: FoldRecord, expected: FoldRecord, drawn: bool) -> Iterator[str]:
    for name in FOLD:
        if drawn or name not in BY_INTERVAL:
            yield from _different(f"{where} {name}", getattr(said, name), getattr(expected, name))
    yield from _classes(where, said.classes, expected.classes)
    yield from _classes(where, said.others, expected.others)
    yield from _others(where, said.other, expected.other, drawn)


def _classes(where: str, said: Mapping[str, ClassRecord], expected: Mapping[str, ClassRecord]) -> Iterator[str]:
    if list(said) != list(expected):
        there, wanted = ", ".join(said)[:80], ", ".join(expected)[:80]
        yield f"{where}: classes are {there or 'none'}, expected {wanted or 'none'}"
    for key in (key for key in said if key in expected):
        for name, value in expected[key]:
            is_said = getattr(said[key], name)
            if name != "class_id" or is_said is not None:  # the first records gave no ids
                yield from _different(f"{where} {key[:80]} {name}", is_said, value)


def _others(
    where: str, said: Mapping[str, OtherScore], expected: Mapping[str, OtherScore], drawn: bool
) -> Iterator[str]:
    if said.keys() != expected.keys():
        yield f"{where}: other scores are {', '.join(said) or 'none'}, expected {', '.join(expected) or 'none'}"
    for name in (name for name in said if name in expected):
        yield from _different(f"{where} {name}", said[name].score, expected[name].score)
        if drawn:
            yield from _different(f"{where} {name} ci95", said[name].ci95, expected[name].ci95)


def _different(what: str, said: object, expected: object) -> Iterator[str]:
    if said != expected:
        yield f"{what} is {str(said)[:80]}, but {str(expected)[:80]} follows from the counts"


def check_replicates(sub: Submission) -> Iterator[str]:
    """The stored replicates are those drawn from its counts."""
    kept = read_columns(sub.path.parent / "bootstrap.parquet", [*sub.record.folds])
    drawn = sub.scores.replicates
    if not sub.intervals_known:
        raise NotCheckableError("they depend on the questions of all folds, which are not known")
    expected = {f"miou_fold{fold}": values for fold, values in drawn.miou.items()}
    expected |= {f"fb_iou_fold{fold}": values for fold, values in drawn.fb_iou.items()}
    if drawn.mean_miou is not None and drawn.mean_fb_iou is not None:
        expected |= {"miou": drawn.mean_miou, "fb_iou": drawn.mean_fb_iou}
    if kept.keys() != expected.keys():
        yield f"bootstrap.parquet has {', '.join(kept)[:80]}, expected {', '.join(expected)[:80]}"
    for name in (name for name in kept if name in expected):
        same = np.equal(kept[name], expected[name]) | (np.isnan(kept[name]) & np.isnan(expected[name]))
        if not same.all():
            first = int(np.argmin(same))
            number = int(np.count_nonzero(~same))
            yield f"bootstrap.parquet {name}: {number} replicates are others than are drawn anew, first {first}"
