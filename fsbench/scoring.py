"""From counts to the scores of a record: the one place where they are computed, whoever counted and whenever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsbench.counts import Row
from fsbench.files import written_whole
from fsbench.fold_lists import FoldLists
from fsbench.intervals import Design, FoldCounts, Replicates, interval, replicates
from fsbench.manifest import Manifest
from fsbench.metrics import Empty, benchmark_miou, score
from fsbench.record import ClassRecord, FoldRecord


@dataclass(frozen=True)
class Scores:
    """Everything in a record that follows from its counts and manifests."""

    folds: dict[str, FoldRecord]
    miou: float | None
    fb_iou: float | None
    ci95: tuple[float, float] | None
    replicates: Replicates


def fold_counts(rows: Sequence[Row], fold_classes: Sequence[int]) -> FoldCounts:
    """The rows of one fold in which something was compared, as columns."""
    counted = [row for row in rows if row.valid > 0]
    numbers = np.array([row[4:] for row in counted], dtype=np.int64).reshape(-1, 5)
    class_id, intersection, predicted, truth, valid = numbers.T
    images = [row.image for row in counted]
    return FoldCounts(images, class_id, intersection, predicted, truth, valid, fold_classes)


def compute_scores(
    lists: FoldLists, manifests: Mapping[str, Manifest], rows: Mapping[str, Sequence[Row]], empty: Empty
) -> Scores:
    """Score the folds in ``rows``. ``manifests`` are those of all folds, run or not: the intervals depend on them."""
    counts = {fold: fold_counts(of_fold, lists.folds[fold]) for fold, of_fold in rows.items()}
    asked = ((fold, q.query, c) for fold, m in manifests.items() for q in m.questions for c in q.class_ids)
    design = Design.from_manifests(asked, {fold: m.sha256 for fold, m in manifests.items()})
    drawn = replicates(design, counts, empty)
    folds = {
        fold: _fold_record(lists, manifests[fold], counts[fold], empty, drawn) for fold in lists.folds if fold in rows
    }
    everything = set(folds) == set(lists.folds)
    return Scores(
        folds=folds,
        miou=benchmark_miou({fold: f.miou for fold, f in folds.items()}, list(lists.folds)),
        fb_iou=benchmark_miou({fold: f.fb_iou for fold, f in folds.items()}, list(lists.folds)),
        ci95=interval(drawn.mean_miou) if everything and drawn.mean_miou is not None else None,
        replicates=drawn,
    )


def _fold_record(
    lists: FoldLists, manifest: Manifest, counts: FoldCounts, empty: Empty, drawn: Replicates
) -> FoldRecord:
    scored = score(
        counts.class_id,
        counts.intersection,
        counts.predicted,
        counts.truth,
        counts.valid,
        fold_classes=counts.fold_classes,
        empty=empty,
    )
    keys = {c.id: c.key for c in lists.classes}
    return FoldRecord(
        miou=scored.miou,
        fb_iou=scored.fb_iou,
        ci95=interval(drawn.miou[manifest.fold]),
        episodes=len(counts.image),
        asked=len(manifest.questions),
        drawn=manifest.drawn,
        manifest_sha256=manifest.sha256,
        left_out=tuple(keys[class_id] for class_id in scored.left_out),
        vanished_replicates=drawn.vanished[manifest.fold],
        classes={
            keys[c.class_id]: ClassRecord(iou=c.iou, intersection=c.intersection, union=c.union, episodes=c.episodes)
            for c in scored.classes
        },
    )


def write_replicates(path: Path, drawn: Replicates) -> None:
    """Write the bootstrap replicates (one row each, float64) so that a paired interval is a subtraction."""
    columns = {f"miou_fold{fold}": values for fold, values in drawn.miou.items()}
    columns |= {f"fb_iou_fold{fold}": values for fold, values in drawn.fb_iou.items()}
    if drawn.mean_miou is not None and drawn.mean_fb_iou is not None:
        columns |= {"miou": drawn.mean_miou, "fb_iou": drawn.mean_fb_iou}
    with written_whole(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")
