"""The permutation test of two models that answered the same questions: could the difference have come by chance?

Were the two models alike, it would not matter which of them answered an image. So each query image is given a coin:
on heads all its episodes, in all folds, change sides. The score is taken anew on both sides, 10,000 times over, and
p = (1 + how often the difference is at least as large in size as the one observed) / (1 + 10,000), two-sided
(Ojala and Garriga, "Permutation Tests for Studying Classifier Performance", JMLR 2010; the 1s count the observed
pairing itself). Images are the unit, as they are in ``intervals.py``, because the episodes of an image hang together.

The coins: MT19937 seeded (``init_by_array``) with the SHA-256 of ``manifest digests + SUFFIX`` as eight big-endian
words; for each of the 10,000 swaps in turn ceil(I / 32) outputs of 32 bits; the image at place i of the I images in
byte order changes sides where bit i mod 32 (0 the lowest) of output i // 32 is set.

Sums over images are linear, so a swap moves ``a - b`` of its images from one side to the other: a sparse matrix of
differences times a matrix of coins. All sums are whole numbers below 2^53 and exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array, vstack

from fsbench.scoring.intervals import FloatArray, FoldCounts, over_folds, sum_by_image
from fsbench.scoring.metrics import Empty, class_rows, columns

SWAPS = 10_000
SUFFIX = "\nfsbench-swap-v1"
"""Behind the manifests' digests (``intervals.Design.seed_text``): the coins are not the bootstrap's draws."""
TIE = 2.0**-40
"""Differences closer than this are equal, so that no rounding of a division or a mean decides."""

_CHUNK = 1 << 22  # coins held at a time; any number gives the same


@dataclass(frozen=True)
class PValues:
    """p per fold, and of the mean over all folds given; None where a side has nothing to score."""

    folds: dict[str, float | None]
    mean: float | None


def coins(seed_text: str, images: int, swaps: int = SWAPS, chunk: int = _CHUNK) -> Iterator[tuple[int, FloatArray]]:
    """Yield (first swap, float64 (images, r) of 0 and 1: 1 where the image changes sides), in blocks of swaps."""
    seed = np.frombuffer(sha256((seed_text + SUFFIX).encode()).digest(), ">u4").astype(np.uint32)
    generator = np.random.RandomState(seed)
    words = -(-images // 32)
    rows = max(1, chunk // (32 * words))
    for first in range(0, swaps, rows):
        r = min(rows, swaps - first)
        drawn = generator.randint(0, 2**32, size=(r, words), dtype=np.uint32)
        bits = np.unpackbits(drawn.astype("<u4").view(np.uint8), axis=1, count=images, bitorder="little")
        yield first, np.ascontiguousarray(bits.T, dtype=np.float64)


def permutation_test(
    a: Mapping[str, FoldCounts],
    b: Mapping[str, FoldCounts],
    images: Sequence[str],
    seed_text: str,
    empty: Empty,
    *,
    swaps: int = SWAPS,
    chunk: int = _CHUNK,
    advance: Callable[[int], None] = lambda n: None,
) -> PValues:
    """Test the mIoU of ``a`` against that of ``b``: the same folds in the same order, over the fold's own classes.

    ``images``: all query images of these folds. A class without a pixel of union on one side of a swap is treated as
    it is in a score: left out under ``drop``, 0 under ``zero``. A swap after which a fold has nothing to score counts
    as a large difference. Raises ValueError for counts that are no mask's and for an image not in ``images``.
    """
    place = {image: i for i, image in enumerate(sorted(images))}
    sums = [[_sums_by_image(counts, place) for counts in side.values()] for side in (a, b)]
    side_a, side_b = (vstack(of_side, format="csr") for of_side in sums)
    total_a, total_b = (side.sum(axis=1).astype(np.float64)[:, None] for side in (side_a, side_b))
    moves = csr_array((side_a - side_b).astype(np.float64))
    cuts = np.cumsum([of_fold.shape[0] for of_fold in sums[0]])[:-1]

    def differences(moved: FloatArray) -> list[FloatArray]:
        sides = [np.split(total, cuts) for total in (total_a - moved, total_b + moved)]
        return [_miou(of_a, empty) - _miou(of_b, empty) for of_a, of_b in zip(*sides, strict=True)]

    observed = differences(np.zeros_like(total_a))
    found = [np.empty(swaps) for _ in observed]
    for first, swapped in coins(seed_text, len(place), swaps, chunk):
        for kept, values in zip(found, differences(moves @ swapped), strict=True):
            kept[first : first + len(values)] = values
        advance(swapped.shape[1])
    return PValues(
        folds={fold: _p(values, own) for fold, values, own in zip(a, found, observed, strict=True)},
        mean=_p(over_folds(found), over_folds(observed)),
    )


def _p(swapped: FloatArray, observed: FloatArray) -> float | None:
    if np.isnan(observed[0]):
        return None
    smaller = np.abs(swapped) < abs(observed[0]) - TIE  # false for NaN
    return float((1 + np.count_nonzero(~smaller)) / (1 + len(swapped)))


def _sums_by_image(counts: FoldCounts, place: Mapping[str, int]) -> csc_array:
    """Per image (I columns): C rows of intersections, then C of unions, of the fold's own classes: int64."""
    checked = columns(*counts.columns, fold_classes=counts.classes)
    own = np.isin(checked.class_id, np.asarray(counts.fold_classes, dtype=np.int64))
    if not set(counts.image) <= place.keys():
        raise ValueError(f"image {min(set(counts.image) - place.keys())!r} is none of those that are swapped")
    where = np.fromiter((place[image] for image in counts.image), dtype=np.int64, count=len(own))[own]
    row = class_rows(checked.class_id[own], counts.fold_classes)
    union = checked.predicted + checked.truth - checked.intersection
    n = len(counts.fold_classes)
    return sum_by_image([checked.intersection[own], union[own]], [row, row + n], where, (2 * n, len(place)))


def _miou(sums: FloatArray, empty: Empty) -> FloatArray:
    """mIoU (R,) of sums (2 C, R), NaN where no class has a union; classes are added one by one."""
    inter, union = np.split(sums, 2)
    present: npt.NDArray[np.bool_] = union > 0
    total = np.zeros(union.shape[1])
    for of_class, of in zip(inter, union, strict=True):
        total += of_class / np.maximum(of, 1)
    number = present.sum(axis=0)
    return np.where(number > 0, total / (np.maximum(number, 1) if empty == "drop" else len(union)), np.nan)
