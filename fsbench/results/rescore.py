"""Another reduction of recorded counts: no model and no photograph is needed to average differently.

Papers differ in what becomes of a class with no sample, and some report the mean of per-episode IoU, which is
another statistic than mIoU. The same counts give different numbers under each, so a number always comes with the
reduction that made it. Nothing is written; a record keeps the scores of its own protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fsbench.errors import FsbenchError
from fsbench.progress import progress
from fsbench.records.record import OtherScore
from fsbench.records.remarks import remark_lines
from fsbench.results.read_back import CheckedRecord, read_checked
from fsbench.scoring.intervals import FloatArray, interval
from fsbench.scoring.metrics import Empty
from fsbench.scoring.scores import IMAGEWISE, Scores

Average = Literal["class", "image"]

MIOU, FB_IOU = "miou", "fb_iou"


@dataclass(frozen=True)
class Score:
    """A score, a fraction, and its 95 % interval; None for what is undefined."""

    score: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class RescoredFold:
    """One fold: ``scores`` by name, ``classes`` the IoU of each (empty for ``image``), ``left_out`` the classes that
    are not in the mean; of ``episodes`` counted, ``without_union`` have nothing true and nothing predicted.
    """

    scores: dict[str, Score]
    classes: dict[str, float | None]
    left_out: tuple[str, ...]
    episodes: int
    without_union: int


@dataclass(frozen=True)
class Rescored:
    """A record under another reduction, or its own.

    ``average``: ``class`` (scores ``miou``, ``fb_iou`` and what else the protocol has) or ``image`` (``imagewise``
    alone); ``empty_class``: None for ``image``, which knows no classes; ``own``: whether these are the scores that the
    record itself holds; ``mean``: over folds, with no score unless all are present; ``remarks``: notes for a reader.
    """

    record: str
    model: str
    benchmark: str
    protocol: str
    shots: int
    seed: int
    average: Average
    empty_class: Empty | None
    own: bool
    folds: dict[str, RescoredFold]
    mean: dict[str, Score]
    remarks: tuple[str, ...]


def rescore(path: Path, *, empty_class: Empty | None = None, average: Average = "class") -> Rescored:
    """Score the counts beside a ``record.json`` (or in its folder) anew; the same as ``fsbench rescore``.

    ``empty_class``: what becomes of a class with no sample, by default as the protocol has it; ``drop`` leaves it
    out, ``zero`` counts 0. ``average``: ``class`` for mIoU, ``image`` for the mean of per-episode IoU, over the
    episodes that have a union, and its mean over folds. Intervals are those of ``fsbench.scoring.intervals``;
    they depend on the questions of all folds, so a record without all folds gets none. Raises FsbenchError for counts
    that are not the record's and for a reduction that it does not have.
    """
    stored = read_checked(path)
    if average not in ("class", "image") or empty_class not in (None, "drop", "zero"):
        raise FsbenchError(f"average {average!r}, empty_class {empty_class!r}: choose class or image; drop or zero")
    if average == "image" and not stored.one_class:
        raise FsbenchError(
            f"{stored.path}: {stored.protocol.id} asks several classes at once, so that an episode has no IoU of its "
            "own: use --average class"
        )
    if average == "image" and empty_class is not None:
        raise FsbenchError(f"{stored.path}: --average image takes no mean over classes: leave --empty-class out")
    rule = empty_class or stored.protocol.empty
    with progress(f"{stored.record.model.name} · {stored.record.benchmark.title}", 1) as advance:
        scores = stored.scores(replace(stored.protocol, empty=rule), imagewise=average == "image")
        advance(1)
    drawn = scores.replicates
    mean = {MIOU: _mean(scores.miou, drawn.mean_miou), FB_IOU: _mean(scores.fb_iou, drawn.mean_fb_iou)}
    folds = {fold: _fold(stored, scores, fold, average) for fold in scores.folds}
    return Rescored(
        record=str(stored.path),
        model=stored.record.model.name,
        benchmark=stored.record.benchmark.title,
        protocol=stored.record.protocol_title,
        shots=stored.record.shots,
        seed=stored.record.seed,
        average=average,
        empty_class=rule if average == "class" else None,
        own=average == "class" and rule == stored.protocol.empty,
        folds=folds,
        mean=_reduced(stored, mean | _named(scores.other), average),
        remarks=_remarks(stored, folds, average),
    )


def _fold(stored: CheckedRecord, scores: Scores, fold: str, average: Average) -> RescoredFold:
    scored, replicates = scores.folds[fold], scores.replicates
    values = {MIOU: Score(scored.miou, scored.ci95), FB_IOU: Score(scored.fb_iou, interval(replicates.fb_iou[fold]))}
    by_class = average == "class"
    return RescoredFold(
        scores=_reduced(stored, values | _named(scored.other), average),
        classes={key: c.iou for key, c in scored.classes.items()} if by_class else {},
        left_out=scored.left_out if by_class else (),
        episodes=scored.episodes,
        without_union=sum(
            row.valid > 0 and row.predicted + row.truth == 0 for row in stored.rows[fold] if stored.one_class
        ),
    )


def _mean(score: float | None, drawn: FloatArray | None) -> Score:
    return Score(score, None if drawn is None else interval(drawn))


def _named(other: Mapping[str, OtherScore]) -> dict[str, Score]:
    return {name: Score(value.score, value.ci95) for name, value in other.items()}


def _reduced(stored: CheckedRecord, values: Mapping[str, Score], average: Average) -> dict[str, Score]:
    """The scores that this reduction has; without intervals where they would be of another design."""
    names = [IMAGEWISE] if average == "image" else [n for n in values if stored.one_class or n != FB_IOU]
    return {name: values[name] if stored.whole else Score(values[name].score, None) for name in names}


def _remarks(stored: CheckedRecord, folds: Mapping[str, RescoredFold], average: Average) -> tuple[str, ...]:
    remarks = []
    if not stored.whole:
        missing = ", ".join(fold for fold in stored.record.benchmark.folds if fold not in folds)
        remarks.append(f"no mean and no intervals: they depend on all folds, and the record lacks fold {missing}.")
    left_out = [f"{key} (fold {fold})" for fold, of_fold in folds.items() for key in of_fold.left_out]
    if left_out:
        remarks.append(f"classes with no sample, left out of the mean: {', '.join(left_out)}.")
    empty = {fold: f"{f.without_union} of {f.episodes}" for fold, f in folds.items() if f.without_union}
    if average == "image" and empty:
        numbers = ", ".join(f"fold {fold}: {number}" for fold, number in empty.items())
        remarks.append(f"episodes with nothing true and nothing predicted have no IoU and are left out: {numbers}.")
    if stored.record.modified:
        remarks.append(f"{stored.record.protocol_title}: {', '.join(stored.record.modified)}.")
    if stored.record.benchmark.partial:
        remarks.append(
            f"{stored.record.benchmark.title}: a part of the benchmark; not comparable with the whole one's."
        )
    return (*remarks, *remark_lines(stored.record))
