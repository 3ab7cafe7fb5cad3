"""Counting where several classes are asked at once: each pixel has one label, predicted and true.

A confusion matrix is enough: the diagonal holds intersections, its margins what was predicted and what is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from fsbench.records.counts import BACKGROUND, Confused
from fsbench.scoring.metrics import VOID, Counts

IntArray = npt.NDArray[np.int64]


def confusion(predicted: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], classes: int) -> IntArray:
    """Count pixels by (true label, predicted label): int64 (K + 1, K + 1), 0 the background, void pixels left out.

    ``predicted``: uint8 (H, W) of 0..K; ``truth``: uint8 (H, W) of 0..K and 255 = void. Raises ValueError where a
    shape or a value is another.

    >>> confusion(np.array([[1, 0, 2]], np.uint8), np.array([[1, 1, 255]], np.uint8), 2).tolist()
    [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
    """
    if predicted.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"prediction has shape {predicted.shape}, expected that of truth, {truth.shape}")
    valid = truth != VOID
    true, guess = truth[valid].astype(np.int64), predicted[valid].astype(np.int64)
    if max(true.max(initial=0), guess.max(initial=0)) > classes:
        raise ValueError(f"labels go up to {max(true.max(), guess.max())}, expected 0..{classes} and {VOID} (void)")
    return np.bincount(true * (classes + 1) + guess, minlength=(classes + 1) ** 2).reshape(classes + 1, classes + 1)


def counts_of(matrix: IntArray, class_ids: Sequence[int]) -> dict[int, Counts]:
    """Class id -> its counts: the background's (-1) first, then those of the classes true or predicted somewhere."""
    predicted, true = matrix.sum(axis=0), matrix.sum(axis=1)
    return {
        class_id: Counts(int(matrix[place, place]), int(predicted[place]), int(true[place]), int(matrix.sum()))
        for place, class_id in enumerate([BACKGROUND, *class_ids])
        if place == 0 or predicted[place] or true[place]
    }


def sparse(matrix: IntArray, class_ids: Sequence[int]) -> list[Confused]:
    """The matrix's entries that are not 0, by class ids."""
    ids = [BACKGROUND, *class_ids]
    return [Confused(ids[t], ids[p], int(matrix[t, p])) for t, p in np.argwhere(matrix).tolist()]


def added(counts: Iterable[Iterable[Confused]]) -> list[Confused]:
    """The sum of confusion counts, by (truth, predicted)."""
    total: dict[tuple[int, int], int] = {}
    for confused in counts:
        for truth, predicted, pixels in confused:
            total[truth, predicted] = total.get((truth, predicted), 0) + pixels
    return [Confused(*pair, pixels) for pair, pixels in sorted(total.items())]
