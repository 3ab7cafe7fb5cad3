"""The counting core: from a mask to four whole numbers, from those to IoU, mIoU and FB-IoU.

A published mIoU is worth what its counting is worth, and the peers count in float32 buffers, which stop at
2^24 pixels. Here every count is an integer (int64 in arrays) until the one division that makes an IoU, so
that the order of the episodes, the number of processes and the machine cannot change a score.

Four numbers per episode suffice, because the mask is binary once void pixels are gone: background intersection
is ``valid - predicted - truth + intersection`` and background union is ``valid - intersection``.

Sources. mIoU (sum of intersections over sum of unions per class, then the mean over the fold's classes): Shaban
et al., "One-Shot Learning for Semantic Segmentation", BMVC 2017, section 6. FB-IoU and the void pixels: HSNet's
``common/evaluation.py`` (``Evaluator``) and ``common/logger.py`` (``AverageMeter``), Min et al., ICCV 2021.

>>> truth = np.array([[1, 1, 0, 0], [1, 255, 0, 0]], dtype=np.uint8)
>>> prediction = np.array([[1, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)
>>> counts = count(prediction, truth)
>>> counts
Counts(intersection=2, predicted=3, truth=3, valid=7)
>>> accumulator = Accumulator(fold_classes=[0, 1], empty="drop")
>>> accumulator.update(0, counts)
>>> fold = accumulator.compute()
>>> fold.miou, fold.left_out
(0.5, (1,))
>>> fold.fb_iou == (2 / 4 + 3 / 5) / 2
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

VOID = 255
EXACT = 2**53
"""Whole numbers below it are exact in float64, whatever the order of summation."""

Empty = Literal["drop", "zero"]
"""What becomes of a class with no sample: ``drop`` leaves it out of the mean and names it, ``zero`` counts 0."""

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """The pixels of one episode, void left out: every number is a plain int.

    ``intersection``: predicted and true; ``predicted``: predicted, on valid pixels only; ``truth``: of value 1;
    ``valid``: not void.
    """

    intersection: int
    predicted: int
    truth: int
    valid: int


def count(prediction: npt.NDArray[np.bool_], truth: npt.NDArray[np.uint8]) -> Counts:
    """Count one episode: ``prediction`` bool (H, W), ``truth`` uint8 (H, W) of 0, 1 and 255 (void).

    Any memory layout will do. Raises ValueError where a type, a shape or a value of ``truth`` is another.
    """
    _validate_masks(prediction, truth)
    foreground, void = truth == 1, truth == VOID
    n_foreground, n_void = int(np.count_nonzero(foreground)), int(np.count_nonzero(void))
    if np.count_nonzero(truth) != n_foreground + n_void:
        other = truth[(truth > 1) & ~void][0]
        raise ValueError(f"truth holds the value {other}, expected only 0, 1 and {VOID} (void)")
    predicted = int(np.count_nonzero(prediction))
    if n_void:
        predicted -= int(np.count_nonzero(prediction & void))
    return Counts(
        intersection=int(np.count_nonzero(prediction & foreground)),
        predicted=predicted,
        truth=n_foreground,
        valid=truth.size - n_void,
    )


def _validate_masks(prediction: npt.NDArray[np.bool_], truth: npt.NDArray[np.uint8]) -> None:
    for name, array, dtype in (("prediction", prediction, np.dtype(np.bool_)), ("truth", truth, np.dtype(np.uint8))):
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is a {type(array).__name__}, expected a numpy array")
        if array.dtype != dtype:
            raise ValueError(f"{name} has dtype {array.dtype}, expected {dtype}")
        if array.ndim != 2:
            raise ValueError(f"{name} has shape {array.shape}, expected two dimensions (H, W)")
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, expected that of truth, {truth.shape}")


@dataclass(frozen=True)
class ClassScore:
    """One class over a fold's episodes. ``iou`` is None where the class is left out of the mean."""

    class_id: int
    iou: float | None
    intersection: int
    union: int
    episodes: int


@dataclass(frozen=True)
class FoldScore:
    """One fold: ``classes`` in the fold's order; ``miou`` and ``fb_iou`` in 0..1, None where nothing was measured."""

    classes: tuple[ClassScore, ...]
    fb_iou: float | None

    @property
    def miou(self) -> float | None:
        """Mean IoU of all classes."""
        return self.mean_over([c.class_id for c in self.classes])

    def mean_over(self, class_ids: Sequence[int]) -> float | None:
        """Mean IoU of some of the classes without those left out; None where none of them has a sample."""
        asked = [c for c in self.classes if c.class_id in class_ids]
        return _mean([c.iou for c in asked if c.iou is not None]) if any(c.union for c in asked) else None

    @property
    def left_out(self) -> tuple[int, ...]:
        """Ids of the classes that are not in the mean (always none under ``zero``)."""
        return tuple(c.class_id for c in self.classes if c.iou is None)


class Columns(NamedTuple):
    """Per-episode counts, checked: five int64 arrays of shape (E,)."""

    class_id: IntArray
    intersection: IntArray
    predicted: IntArray
    truth: IntArray
    valid: IntArray


def columns(
    class_id: npt.ArrayLike,
    intersection: npt.ArrayLike,
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    valid: npt.ArrayLike,
    *,
    fold_classes: Sequence[int],
) -> Columns:
    """Check per-episode counts, integers of one shape (E,), and give them as int64.

    Raises ValueError where a type or shape is another, a class is not in ``fold_classes``, or four numbers
    cannot be those of one mask (``0 <= intersection <= predicted, truth`` and union ``<= valid``); and where
    they sum to 2^53 pixels or more, far beyond any benchmark, so that no sum made of them can overflow.
    """
    names = Columns._fields
    arrays = [np.asarray(column) for column in (class_id, intersection, predicted, truth, valid)]
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind not in "iu":
            raise ValueError(f"{name} has dtype {array.dtype}, expected integers")
        if array.ndim != 1 or array.shape != arrays[0].shape:
            raise ValueError(f"{name} has shape {array.shape}, expected one dimension as long as {names[0]}")
    checked = Columns(*(array.astype(np.int64) for array in arrays))
    unknown = checked.class_id[~np.isin(checked.class_id, np.asarray(fold_classes, dtype=np.int64))]
    if unknown.size:
        raise ValueError(f"class {unknown[0]} is not one of the fold's classes, {_listed(fold_classes)}")
    _, inter, pred, true, pixels = checked
    wrong = (pixels < 0) | (inter < 0) | (inter > pred) | (inter > true) | (pred - inter > pixels - true)
    if wrong.any():
        row = int(np.argmax(wrong))
        numbers = ", ".join(f"{name} {column[row]}" for name, column in zip(names[1:], checked[1:], strict=True))
        raise ValueError(
            f"row {row} counts no mask ({numbers}): expected intersection <= predicted, truth; union <= valid"
        )
    if pixels.sum(dtype=np.float64) >= EXACT:
        raise ValueError(f"valid sums to {pixels.sum(dtype=np.float64):.3g} pixels, expected fewer than 2^53")
    return checked


class Accumulator:
    """The running sums of one fold, one row per class; gives exactly the score of ``score``.

    ``sums``: int64 (C, 5), in the order of ``fold_classes``: episodes, intersection, predicted, truth, valid.
    Sums of processes add up, so ``all_reduce(sums)`` and ``merge`` are the same thing, in any order.
    """

    def __init__(self, fold_classes: Sequence[int], empty: Empty) -> None:
        if empty not in ("drop", "zero"):
            raise ValueError(f"empty is {empty!r}, expected 'drop' or 'zero'")
        self.fold_classes = check_fold_classes(fold_classes)
        self.empty: Empty = empty
        self.sums: IntArray = np.zeros((len(self.fold_classes), 5), dtype=np.int64)
        self._row = {class_id: row for row, class_id in enumerate(self.fold_classes)}

    def update(self, class_id: int, counts: Counts) -> None:
        """Add one episode. Raises ValueError where the class is not the fold's or the counts are no mask's."""
        if class_id not in self._row:
            raise ValueError(f"class {class_id} is not one of the fold's classes, {_listed(self.fold_classes)}")
        inter, pred, true, pixels = four = astuple(counts)
        if not (0 <= inter <= pred and inter <= true and pred + true - inter <= pixels):
            raise ValueError(f"{counts} is no mask's: expected intersection <= predicted, truth; union <= valid")
        self.sums[self._row[class_id]] += np.array((1, *four), dtype=np.int64)

    def merge(self, other: Accumulator) -> None:
        """Add another process's sums. Raises ValueError where that one has other classes or another rule."""
        if (self.fold_classes, self.empty) != (other.fold_classes, other.empty):
            raise ValueError(
                f"cannot merge classes {_listed(other.fold_classes)}, empty={other.empty!r}: "
                f"expected {_listed(self.fold_classes)}, empty={self.empty!r}"
            )
        self.sums += other.sums

    def compute(self) -> FoldScore:
        """The score of what was added so far; adding may go on afterwards."""
        classes = []
        for class_id, (episodes, inter, pred, true, _) in zip(self.fold_classes, self.sums.tolist(), strict=True):
            union = pred + true - inter
            nothing = None if self.empty == "drop" else 0.0
            classes.append(ClassScore(class_id, inter / union if union else nothing, inter, union, episodes))
        _, inter, pred, true, pixels = self.sums.sum(axis=0).tolist()
        sides = ((inter, pred + true - inter), (pixels - pred - true + inter, pixels - inter))
        return FoldScore(
            classes=tuple(classes),
            fb_iou=_mean([side_inter / union for side_inter, union in sides if union]),
        )


def score(
    class_id: npt.ArrayLike,
    intersection: npt.ArrayLike,
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    valid: npt.ArrayLike,
    *,
    fold_classes: Sequence[int],
    empty: Empty,
) -> FoldScore:
    """The score of one fold from its episodes' counts, five integer columns of shape (E,).

    Per class: sum of intersections / sum of unions. mIoU: mean over ``fold_classes``, foreground only; None where
    no class has a sample. FB-IoU: foreground and background pooled over all episodes, IoU of each, mean; a side
    with no union is left out. Raises ValueError as ``columns`` and ``Accumulator`` do.
    """
    accumulator = Accumulator(fold_classes, empty)
    checked = columns(class_id, intersection, predicted, truth, valid, fold_classes=accumulator.fold_classes)
    rows = class_rows(checked.class_id, accumulator.fold_classes)
    np.add.at(accumulator.sums, rows, np.stack([np.ones_like(checked.class_id), *checked[1:]], axis=1))
    return accumulator.compute()


def benchmark_miou(folds: Mapping[str, float | None], all_folds: Sequence[str]) -> float | None:
    """The mean of the folds' mIoU; None unless every one of ``all_folds`` is there and has one.

    Raises ValueError where a fold is none of the benchmark's, or the benchmark has none.

    >>> benchmark_miou({"0": 0.5, "1": 0.25}, ["0", "1"])
    0.375
    >>> benchmark_miou({"0": 0.5}, ["0", "1"]) is None
    True
    """
    if not all_folds or len(set(all_folds)) != len(all_folds):
        raise ValueError(f"all_folds is {_listed(all_folds)}, expected distinct names, at least one")
    for fold in folds:
        if fold not in all_folds:
            raise ValueError(f"fold {fold!r} is not one of the benchmark's folds, {_listed(all_folds)}")
    values = [folds.get(fold) for fold in all_folds]
    present = [value for value in values if value is not None]
    return _mean(present) if len(present) == len(values) else None


def check_fold_classes(fold_classes: Sequence[int]) -> tuple[int, ...]:
    """The fold's classes as a tuple of int; raises ValueError where there is none or one stands twice."""
    classes = tuple(int(class_id) for class_id in fold_classes)
    if not classes or len(set(classes)) != len(classes):
        raise ValueError(f"fold_classes is {_listed(classes)}, expected distinct ids, at least one")
    return classes


def class_rows(class_id: IntArray, fold_classes: Sequence[int]) -> npt.NDArray[np.intp]:
    """The place in ``fold_classes`` of each of ``class_id`` (E,), all of which must be there."""
    classes = np.asarray(fold_classes, dtype=np.int64)
    order = np.argsort(classes)
    return order[np.searchsorted(classes[order], class_id)]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _listed(values: Sequence[object]) -> str:
    first = ", ".join(str(value) for value in values[:8])
    return f"[{first}{', ...' if len(values) > 8 else ''}] ({len(values)})"
