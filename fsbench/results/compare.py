"""Two records of the same questions, side by side: by how much they differ, and whether that could be chance.

A pair of intervals says little about a difference, since an image that is hard is hard for both models. Here the
comparison is paired: the bootstrap draws the same images for both, so the replicates of the two are subtracted one
by one, and a permutation test swaps the two models' answers image by image (``permutation.py``). Both speak of other
query images, given supports, weights and classes, and neither is corrected for how many comparisons are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fsbench.errors import FsbenchError
from fsbench.progress import progress
from fsbench.records.remarks import remark_lines
from fsbench.results.comparable import check_same_questions
from fsbench.results.read_back import CheckedRecord, read_checked, read_replicates, scorable
from fsbench.scoring.intervals import (
    REPLICATES,
    Design,
    FloatArray,
    FoldCounts,
    Replicates,
    over_folds,
    paired_interval,
    replicates_of_each,
)
from fsbench.scoring.permutation import SWAPS, permutation_test
from fsbench.scoring.scores import asked_as, fold_counts

LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """Scores of A and B, fractions, and A - B with its 95 % interval and its p; None for what is undefined."""

    a: float | None
    b: float | None
    difference: float | None
    ci95: tuple[float, float] | None
    p: float | None = None

    @property
    def separable(self) -> bool:
        """Whether p is at most 0.05 and the interval, where there is one, does not hold 0."""
        holds_zero = self.ci95 is not None and self.ci95[0] <= 0 <= self.ci95[1]
        return self.p is not None and self.p <= LEVEL and not holds_zero


@dataclass(frozen=True)
class FoldComparison:
    """One fold: its mIoU, and the IoU of its classes by key, in the fold's order (classes have no p)."""

    miou: Difference
    classes: dict[str, Difference]


@dataclass(frozen=True)
class Side:
    """The identity of one record."""

    record: str
    model: str
    revision: str
    config8: str


@dataclass(frozen=True)
class Comparison:
    """A - B. ``miou``: of the benchmark, the mean over its folds, None unless both records have all of them.

    ``images``: how many query images were resampled and swapped; ``replicates`` and ``swaps``: how often.
    """

    a: Side
    b: Side
    benchmark: str
    protocol: str
    shots: int
    seed: int
    folds: dict[str, FoldComparison]
    miou: Difference | None
    images: int
    replicates: int
    swaps: int
    remarks: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """One line: the difference of the benchmark, or of each fold where folds are missing."""
        if self.miou is not None:
            return _verdict("mIoU", self.miou)
        return "; ".join(_verdict(f"mIoU in fold {fold}", found.miou) for fold, found in self.folds.items())


def compare(path_a: Path, path_b: Path) -> Comparison:
    """Compare two ``record.json`` files (or their folders); the same as ``fsbench compare``.

    Raises FsbenchError, in one line, where the two were not asked the same questions (all that differs is named),
    have no fold in common, or where counts or replicates do not belong to their record.
    """
    a, b = read_checked(path_a), read_checked(path_b)
    check_same_questions(a, b)
    folds = [fold for fold in a.rows if fold in b.rows]
    kept_a, kept_b = read_replicates(a), read_replicates(b)
    counts_a, counts_b = _counts(a, folds), _counts(b, folds)
    images = sorted({row.image for fold in folds for row in a.asked(fold) if not row.absent})
    design = _design(a, b)
    with progress(f"{a.record.model.name} - {b.record.model.name}", REPLICATES + SWAPS) as advance:
        drawn: list[Replicates] = []
        if design is not None:
            with scorable(a.path, b.path):
                drawn = replicates_of_each(design, [counts_a, counts_b], a.protocol.empty)
            for side, replicates, kept in zip((a, b), drawn, (kept_a, kept_b), strict=True):
                _check_replicates(side, replicates, kept)
        advance(REPLICATES)
        text = "\n".join(a.record.manifests_sha256[fold] for fold in a.record.benchmark.folds)
        p = permutation_test(counts_a, counts_b, images, text, a.protocol.empty, advance=advance)
    compared = {}
    for fold in folds:
        of_a, of_b = a.record.folds[fold], b.record.folds[fold]
        ci95 = paired_interval(kept_a[f"miou_fold{fold}"], kept_b[f"miou_fold{fold}"])
        classes = {}
        for class_id, key in zip(a.lists.folds[fold], of_a.classes, strict=True):
            sides = [of_side.groups[str(class_id)][fold] for of_side in drawn]
            own = paired_interval(*sides) if sides else None
            classes[key] = _difference(of_a.classes[key].iou, of_b.classes[key].iou, own)
        compared[fold] = FoldComparison(_difference(of_a.miou, of_b.miou, ci95, p.folds[fold]), classes)
    miou = None
    if a.whole and b.whole:
        means = [over_folds([kept[f"miou_fold{fold}"] for fold in folds]) for kept in (kept_a, kept_b)]
        miou = _difference(a.record.miou, b.record.miou, paired_interval(*means), p.mean)
    return Comparison(
        a=_side(a),
        b=_side(b),
        benchmark=a.record.benchmark.title,
        protocol=a.record.protocol_title,
        shots=a.record.shots,
        seed=a.record.seed,
        folds=compared,
        miou=miou,
        images=len(images),
        replicates=REPLICATES,
        swaps=SWAPS,
        remarks=_remarks(a, b, folds, design),
    )


def _counts(side: CheckedRecord, folds: Sequence[str]) -> dict[str, FoldCounts]:
    """The folds' counts, with each class as a group of its own, so that it has replicates."""
    found = {}
    for fold in folds:
        counts = fold_counts(side.rows[fold], side.lists, fold, side.protocol.asks)
        found[fold] = replace(counts, groups={str(class_id): (class_id,) for class_id in counts.fold_classes})
    return found


def _design(a: CheckedRecord, b: CheckedRecord) -> Design | None:
    """The design of all folds, where the two records shared_id have them all."""
    everything = a.record.benchmark.folds
    owner = {**dict.fromkeys(b.rows, b), **dict.fromkeys(a.rows, a)}
    if len(owner) != len(everything):
        return None
    asked: list[tuple[str, str, int]] = []
    for fold in everything:
        shared_id = asked_as(a.lists, fold, a.protocol.asks)
        rows = owner[fold].asked(fold)
        asked += [(fold, row.image, row.class_id if shared_id is None else shared_id) for row in rows if not row.absent]
    return Design.from_manifests(asked, {fold: a.record.manifests_sha256[fold] for fold in everything})


def _check_replicates(side: CheckedRecord, drawn: Replicates, kept: Mapping[str, FloatArray]) -> None:
    """Raise FsbenchError where the replicates kept beside a record are others than follow from its counts."""
    for fold, values in drawn.miou.items():
        if not np.array_equal(values, kept[f"miou_fold{fold}"], equal_nan=True):
            raise FsbenchError(
                f"{side.path.parent / 'bootstrap.parquet'}: fold {fold} has other replicates than follow from the "
                "counts beside it: evaluate again"
            )


def _difference(
    a: float | None, b: float | None, ci95: tuple[float, float] | None, p: float | None = None
) -> Difference:
    if a is None or b is None:
        return Difference(a, b, None, None)
    return Difference(a, b, a - b, ci95, p)


def _verdict(what: str, found: Difference) -> str:
    if found.difference is None or found.p is None:
        return f"A - B: no {what} to compare"
    line = f"A - B = {100 * found.difference:+.2f} {what}"
    if found.ci95 is not None:
        line += f", 95 % interval {100 * found.ci95[0]:.2f} to {100 * found.ci95[1]:.2f}"
    line += f", p = {found.p:.4f} (permutation over images)"
    return line if found.separable else f"{line}: not separable at 95 %"


def _side(side: CheckedRecord) -> Side:
    model = side.record.model
    return Side(str(side.path), model.name, model.revision, model.config8)


def _remarks(a: CheckedRecord, b: CheckedRecord, folds: list[str], design: Design | None) -> tuple[str, ...]:
    remarks = []
    missing = [fold for fold in a.record.benchmark.folds if fold not in folds]
    if missing:
        remarks.append(f"no benchmark mean: fold {', '.join(missing)} is not in both records.")
    if design is None:
        remarks.append(
            "replicates were taken from the files and classes have no interval: the draws depend on all folds."
        )
    if a.record.benchmark.sources_sha256 != b.record.benchmark.sources_sha256:
        remarks.append("the photographs' files differ (re-encoded copies?); lists and masks are equal.")
    for name, side in (("A", a), ("B", b)):
        if side.record.model.contaminated:
            remarks.append(f"{name} was trained on classes of the tested folds (contaminated).")
        remarks += [f"{name}: {line}" for line in remark_lines(side.record)]
    if a.record.modified:
        remarks.append(f"{a.record.protocol_title}: {', '.join(a.record.modified)}.")
    if a.record.benchmark.partial:
        remarks.append(f"{a.record.benchmark.title}: a part of the benchmark.")
    return tuple(remarks)
