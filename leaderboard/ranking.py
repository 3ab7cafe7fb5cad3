"""Ranks with their ranges, and which rows are separable from the best.

Both come from the bootstrap replicates of each record. All records of a board were asked the same questions,
so replicate r of each drew the same query images, and a paired difference is a subtraction. A row is separable from the
best where the 95 % interval of that difference does not hold 0, uncorrected for the number of rows. The range of a
row's rank is the 95 % percentile interval of its rank in each replicate (Goldstein and Spiegelhalter, "League Tables
and Their Limitations", JRSS A 1996, section 3): of two rows that are not separable, neither is surely first. Both speak
of drawing other query images, given supports, weights and classes. ``fsbench compare`` adds a permutation test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fsbench.scoring.intervals import PERCENTILES, FloatArray, paired_interval

_CHUNK = 1 << 22  # scores ranked at a time; any number gives the same


def ranks(scores: Sequence[float]) -> list[int]:
    """The rank of each score, 1 the largest; equal scores share the better rank.

    >>> ranks([0.3, 0.5, 0.5, 0.1])
    [3, 1, 1, 4]
    """
    ordered = sorted(scores, reverse=True)
    return [ordered.index(score) + 1 for score in scores]


def separable(a: FloatArray, b: FloatArray) -> bool:
    """Whether the 95 % interval of ``a - b``, replicates (R,) of two rows of a board, does not hold 0."""
    found = paired_interval(a, b)
    return found is not None and not found[0] <= 0 <= found[1]


def rank_ranges(draws: Sequence[FloatArray]) -> list[tuple[int, int]]:
    """The best and the worst rank of each row in 95 % of the replicates; ``draws``: of every row, (R,) each.

    In a replicate a row's rank is 1 and the number of rows above it; one with no score there is below all others. The
    ends are ranks that occur: the lower one is rounded down, the upper one up.
    """
    if not draws:
        return []
    drawn = np.stack(draws)  # (N, R)
    number, replicates = drawn.shape
    found = np.empty((number, replicates), np.int32)
    step = max(1, _CHUNK // number)
    for first in range(0, replicates, step):
        found[:, first : first + step] = _ranks_by_column(drawn[:, first : first + step])
    low = np.percentile(found, PERCENTILES[0], axis=1, method="lower")
    high = np.percentile(found, PERCENTILES[1], axis=1, method="higher")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def _ranks_by_column(scores: FloatArray) -> npt.NDArray[np.int32]:
    """1 + how many of a column's scores are larger, NaN below all."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-known, axis=0, kind="stable")
    ordered = np.take_along_axis(known, order, axis=0)
    place = np.broadcast_to(np.arange(len(scores), dtype=np.int32)[:, None], scores.shape)
    begins = np.vstack([np.ones((1, scores.shape[1]), bool), ordered[1:] != ordered[:-1]])
    rank = np.maximum.accumulate(np.where(begins, place, 0), axis=0) + 1
    found = np.empty(scores.shape, np.int32)
    np.put_along_axis(found, order, rank, axis=0)
    return found
