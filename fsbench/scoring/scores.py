"""From counts to the scores of a record: the one place where they are computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from fsbench.episodes.manifest import Manifest
from fsbench.episodes.protocols import Asks, Protocol
from fsbench.index.fold_lists import FoldLists
from fsbench.io.parquet import write_table
from fsbench.records.counts import BACKGROUND, Confused, Row
from fsbench.records.record import ClassRecord, Confusion, FoldRecord, OtherScore
from fsbench.scoring.intervals import Design, FloatArray, FoldCounts, Replicates, interval, over_folds, replicates
from fsbench.scoring.metrics import benchmark_miou, score
from fsbench.scoring.scenes import SCORES, scene_replicates, scene_scores

IMAGEWISE, SEEN, HARMONIC, WITH_BACKGROUND = "imagewise", "seen", "harmonic", "with_background"
"""Names of scores that a record may have besides the mIoU."""


@dataclass(frozen=True)
class Scores:
    """Everything in a record that follows from its counts and manifests."""

    folds: dict[str, FoldRecord]
    miou: float | None
    fb_iou: float | None
    ci95: tuple[float, float] | None
    other: dict[str, OtherScore]
    replicates: Replicates


def asked_as(lists: FoldLists, fold: str, asks: Asks) -> int | None:
    """The class id that stands for all classes of a fold where they are asked together: below the background's."""
    return None if asks == "class" else BACKGROUND - 1 - list(lists.folds).index(fold)


def fold_counts(rows: Sequence[Row], lists: FoldLists, fold: str, asks: Asks = "class") -> FoldCounts:
    """The rows of one fold in which something was compared, as columns, and the classes they are scored over."""
    counted = [row for row in rows if row.valid > 0 and not row.absent]
    numbers = np.array([row[4:9] for row in counted], dtype=np.int64).reshape(-1, 5)
    class_id, intersection, predicted, truth, valid = numbers.T
    own = lists.folds[fold]
    others: tuple[int, ...] = ()
    groups: dict[str, tuple[int, ...]] = {}
    if asks == "fold":
        others, groups = (BACKGROUND,), {WITH_BACKGROUND: (*own, BACKGROUND)}
    elif asks == "benchmark":
        seen = tuple(c for ids in lists.folds.values() for c in ids if c not in own)
        others, groups = (BACKGROUND, *seen), {SEEN: seen}
    return FoldCounts(
        [row.image for row in counted],
        class_id,
        intersection,
        predicted,
        truth,
        valid,
        own,
        others=others,
        groups=groups,
        asked_as=asked_as(lists, fold, asks),
    )


def compute_scores(
    lists: FoldLists,
    manifests: Mapping[str, Manifest],
    rows: Mapping[str, Sequence[Row]],
    protocol: Protocol,
    confused: Mapping[str, Sequence[Confused]] | None = None,
    *,
    imagewise: bool = False,
) -> Scores:
    """Score the folds in ``rows``. ``manifests`` are those of all folds, run or not: the intervals depend on them.

    ``confused``: the confusion counts of each fold, where classes are asked together. ``imagewise``: whether the mean
    of per-episode IoU is reported too.
    """
    counts = {fold: fold_counts(of_fold, lists, fold, protocol.asks) for fold, of_fold in rows.items()}
    asked = (
        (fold, question.image, class_id)
        for fold, manifest in manifests.items()
        for question in manifest.questions
        if not question.absent
        for class_id in (question.class_ids if protocol.asks == "class" else [asked_as(lists, fold, protocol.asks)])
        if class_id is not None
    )
    design = Design.from_manifests(asked, {fold: m.sha256 for fold, m in manifests.items()})
    drawn = replicates(design, counts, protocol.empty)
    others = _other_replicates(drawn, imagewise)
    if protocol.tiles is not None:
        of_fold = {fold: scene_replicates(design, fold, rows[fold]) for fold in rows}
        others |= {name: {fold: of_fold[fold][name] for fold in rows} for name in SCORES}
    of_scenes = {fold: scene_scores(rows[fold]) if protocol.tiles else {} for fold in rows}
    folds = {
        fold: _fold_record(
            lists, manifests[fold], counts[fold], protocol, drawn, others, of_scenes[fold], (confused or {}).get(fold)
        )
        for fold in lists.folds
        if fold in rows
    }
    everything = list(lists.folds)
    whole = set(folds) == set(everything)
    return Scores(
        folds=folds,
        miou=benchmark_miou({fold: f.miou for fold, f in folds.items()}, everything),
        fb_iou=benchmark_miou({fold: f.fb_iou for fold, f in folds.items()}, everything),
        ci95=interval(drawn.mean_miou) if whole and drawn.mean_miou is not None else None,
        other={
            name: OtherScore(
                score=benchmark_miou({fold: f.other[name].score for fold, f in folds.items()}, everything),
                ci95=interval(over_folds(list(of_fold.values()))) if whole else None,
            )
            for name, of_fold in others.items()
        },
        replicates=drawn,
    )


def _harmonic(seen: FloatArray, unseen: FloatArray) -> FloatArray:
    total = seen + unseen
    return np.where(total > 0, 2 * seen * unseen / np.where(total > 0, total, 1), total)


def _other_replicates(drawn: Replicates, imagewise: bool) -> dict[str, dict[str, FloatArray]]:
    """Replicates of the scores beside the mIoU: name -> fold -> (R,)."""
    others = dict(drawn.groups)
    if SEEN in others:
        others[HARMONIC] = {fold: _harmonic(seen, drawn.miou[fold]) for fold, seen in others[SEEN].items()}
    if imagewise:
        others[IMAGEWISE] = drawn.imagewise
    return others


def _fold_record(
    lists: FoldLists,
    manifest: Manifest,
    counts: FoldCounts,
    protocol: Protocol,
    drawn: Replicates,
    others: Mapping[str, Mapping[str, FloatArray]],
    of_scenes: Mapping[str, float | None],
    confused: Sequence[Confused] | None,
) -> FoldRecord:
    fold = manifest.fold
    scored = score(*counts.columns, fold_classes=counts.classes, empty=protocol.empty)
    miou = scored.mean_over(counts.fold_classes)
    values = {name: scored.mean_over(members) for name, members in counts.groups.items()} | dict(of_scenes)
    if SEEN in values:
        both = values[SEEN], miou
        values[HARMONIC] = None if None in both else float(_harmonic(*np.array(both, dtype=np.float64)[:, None])[0])
    if IMAGEWISE in others:
        values[IMAGEWISE] = imagewise_mean(counts)
    keys = {BACKGROUND: "background"} | {c.id: c.key for c in lists.classes}
    classes = {c.class_id: ClassRecord(**asdict(c)) for c in scored.classes}
    several = protocol.asks != "class"
    return FoldRecord(
        miou=miou,
        fb_iou=None if several else scored.fb_iou,
        ci95=interval(drawn.miou[fold]),
        episodes=len(set(counts.image)) if several else len(counts.image),
        asked=len(manifest.questions),
        drawn=manifest.drawn,
        manifest_sha256=manifest.sha256,
        left_out=tuple(keys[class_id] for class_id in scored.left_out if class_id in counts.fold_classes),
        vanished_replicates=drawn.vanished[fold],
        classes={keys[class_id]: classes[class_id] for class_id in counts.fold_classes},
        other={name: OtherScore(score=value, ci95=interval(others[name][fold])) for name, value in values.items()},
        others={keys[class_id]: classes[class_id] for class_id in counts.others},
        confusion=_confusion(counts.classes, confused or ()) if several else None,
    )


def imagewise_mean(counts: FoldCounts) -> float | None:
    """The mean of per-episode IoU, over the episodes whose union is not empty; None where there is none."""
    inter = np.asarray(counts.intersection, dtype=np.int64)
    union = np.asarray(counts.predicted, dtype=np.int64) + np.asarray(counts.truth, dtype=np.int64) - inter
    ious = (inter[union > 0] / union[union > 0]).tolist()
    return math.fsum(ious) / len(ious) if ious else None


def _confusion(class_ids: Sequence[int], confused: Sequence[Confused]) -> Confusion:
    ordered = tuple(sorted(class_ids))
    pixels = [[0] * len(ordered) for _ in ordered]
    for truth, predicted, number in confused:
        pixels[ordered.index(truth)][ordered.index(predicted)] = number
    return Confusion(class_ids=ordered, pixels=tuple(map(tuple, pixels)))


def confused_of(fold: FoldRecord) -> list[Confused]:
    """The confusion counts in a fold's record."""
    if fold.confusion is None:
        return []
    ids = fold.confusion.class_ids
    return [
        Confused(truth, predicted, pixels)
        for truth, row in zip(ids, fold.confusion.pixels, strict=True)
        for predicted, pixels in zip(ids, row, strict=True)
        if pixels
    ]


def write_replicates(path: Path, drawn: Replicates) -> None:
    """Write the bootstrap replicates (one row each, float64) so that a paired interval is a subtraction."""
    columns = {f"miou_fold{fold}": values for fold, values in drawn.miou.items()}
    columns |= {f"fb_iou_fold{fold}": values for fold, values in drawn.fb_iou.items()}
    if drawn.mean_miou is not None and drawn.mean_fb_iou is not None:
        columns |= {"miou": drawn.mean_miou, "fb_iou": drawn.mean_fb_iou}
    write_table(path, pa.table(columns))
