"""Bootstrap intervals: how far a score would move had other query images been drawn.

The interval covers the sampling of queries only, given the supports, the weights of the model and the classes;
the spread over support seeds and over training seeds is another matter and is reported apart.

The unit is the query image across the whole benchmark, because one image stands in several episodes and often in
several folds: a replicate draws images with replacement, and an image brings all its episodes. Images are drawn
within strata: the images evaluated on one same set of classes form a stratum where they are at least
``MIN_STRATUM``, and the images of all smaller sets form one stratum together, the last. A stratum of n images
scales its own variance by (n - 1) / n, and a ratio of sums is biased where images are few; both make the intervals
a little narrow: in simulations shaped like PASCAL-5i they held the true value in 93 to 94 % of samples, not 95.

The draws depend on the design alone (which image is asked for which class in which fold, and the manifests'
digests), never on a model nor on the folds that were run. Hence the replicates of two models may be subtracted
pairwise, and the folds of a benchmark may be run apart. In full: MT19937 seeded (``init_by_array``) with the
SHA-256 of ``Design.seed_text`` as eight big-endian words; per stratum in order, REPLICATES rows of n images, each
the first 32-bit output that masked to the bits of n - 1 is at most n - 1 (nothing is drawn where n is 1).

>>> plan = Design.from_manifests([("0", f"img{i}", i % 2) for i in range(12)], {"0": "ab" * 32})
>>> [stratum.tolist() for stratum in plan.strata]  # images are in byte order: img0, img1, img10, img11, img2, ...
[[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
>>> counts = FoldCounts([f"img{i}" for i in range(12)], [0, 1] * 6, range(12), [12] * 12, [15] * 12, [99] * 12, (0, 1))
>>> low, high = interval(replicates(plan, {"0": counts}, "drop").miou["0"])
>>> round(low, 3), round(high, 3)
(0.152, 0.385)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csc_array, csr_array, vstack

from fsbench.scoring.metrics import EXACT, Columns, Empty, IntArray, check_fold_classes, class_rows, columns

REPLICATES = 10_000
MIN_STRATUM = 5
PERCENTILES = (2.5, 97.5)
IOU_UNIT = 2.0**-30
"""Per-episode IoUs are added up as whole numbers of this unit, so that no order of summation can show."""

FloatArray = npt.NDArray[np.float64]

_CHUNK = 1 << 18  # weights held at a time, as fit in a cache; any number gives the same replicates
_DENSE = 1 / 4  # sums of which more than this share is not 0 are multiplied as a dense matrix


@dataclass(frozen=True, eq=False)
class Design:
    """What is asked over all folds of a benchmark, run or not; all that the draws depend on.

    ``images``: the unique query images in byte order; ``strata``: int64 arrays of places in ``images``, ascending,
    that together hold every place once; ``folds``: in order; ``asked``: every (fold, image, class id);
    ``seed_text``: the manifests' digests in fold order, joined by newlines.
    """

    images: tuple[str, ...]
    strata: tuple[IntArray, ...]
    folds: tuple[str, ...]
    asked: frozenset[tuple[str, str, int]]
    seed_text: str

    @classmethod
    def from_manifests(cls, episodes: Iterable[tuple[str, str, int]], manifest_digests: Mapping[str, str]) -> Design:
        """The design of ``episodes``, (fold, query image, class id) of all folds in any order, repeats included.

        ``manifest_digests``: per fold, in fold order, its manifest's SHA-256 in hex. Raises ValueError where a
        fold has no digest, a digest is none, or there is no episode.
        """
        for fold, digest in manifest_digests.items():
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise ValueError(f"fold {fold!r} has manifest digest {digest!r}, expected 64 digits of lower-case hex")
        asked = frozenset((fold, image, int(class_id)) for fold, image, class_id in episodes)
        if not asked:
            raise ValueError("the design has no episodes, expected those of all folds of the benchmark")
        classes: dict[str, set[int]] = {}
        for fold, image, class_id in asked:
            if fold not in manifest_digests:
                raise ValueError(f"fold {fold!r} has no manifest digest, expected one of {list(manifest_digests)}")
            classes.setdefault(image, set()).add(class_id)
        images = tuple(sorted(classes))  # code points sort as their UTF-8 bytes do
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, image in enumerate(images):
            groups.setdefault(tuple(sorted(classes[image])), []).append(place)
        strata = [groups[key] for key in sorted(groups) if len(groups[key]) >= MIN_STRATUM]
        pooled = sorted(place for group in groups.values() if len(group) < MIN_STRATUM for place in group)
        return cls(
            images=images,
            strata=tuple(np.array(stratum, dtype=np.int64) for stratum in [*strata, pooled] if stratum),
            folds=tuple(manifest_digests),
            asked=asked,
            seed_text="\n".join(manifest_digests.values()),
        )

    def weights(self, draws: int = REPLICATES, chunk: int = _CHUNK) -> Iterator[tuple[int, int, IntArray]]:
        """Yield (stratum number, first replicate, how often each image of the stratum was drawn: int64 (r, n)).

        Stratum by stratum, each in blocks of rows of at most ``chunk`` weights (or one row). How the rows are cut
        changes nothing, since numpy draws int64 below 2^32 one 32-bit output at a time and keeps no remainder.
        """
        seed = np.frombuffer(sha256(self.seed_text.encode()).digest(), ">u4").astype(np.uint32)
        generator = np.random.RandomState(seed)
        for number, stratum in enumerate(self.strata):
            n = len(stratum)
            rows = max(1, chunk // n)
            for first in range(0, draws, rows):
                r = min(rows, draws - first)
                drawn = generator.randint(0, n, size=(r, n), dtype=np.int64)
                drawn += np.arange(r, dtype=np.int64)[:, None] * n
                yield number, first, np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n)


@dataclass(frozen=True, eq=False)
class FoldCounts:
    """The episodes of one fold as a model answered them: columns of length E, and the fold's class ids.

    ``others``: classes that were asked beside the fold's, -1 for the background. ``groups``: name -> class ids of
    either, whose mean IoU is a score of its own. ``asked_as``: where classes are asked together, the class id that
    stands for all of them in the design.
    """

    image: Sequence[str]
    class_id: npt.ArrayLike
    intersection: npt.ArrayLike
    predicted: npt.ArrayLike
    truth: npt.ArrayLike
    valid: npt.ArrayLike
    fold_classes: Sequence[int]
    others: Sequence[int] = ()
    groups: Mapping[str, Sequence[int]] = field(default_factory=dict)
    asked_as: int | None = None

    @property
    def classes(self) -> tuple[int, ...]:
        """All classes that have rows, the fold's first."""
        return check_fold_classes([*self.fold_classes, *self.others])

    @property
    def columns(self) -> tuple[npt.ArrayLike, ...]:
        """class_id, intersection, predicted, truth and valid, as ``metrics.columns`` takes them."""
        return self.class_id, self.intersection, self.predicted, self.truth, self.valid


@dataclass(frozen=True, eq=False)
class Replicates:
    """Scores of one model under every draw: float64 (R,), NaN where a replicate has nothing to score.

    ``miou`` and ``fb_iou`` per fold; ``mean_miou`` and ``mean_fb_iou`` their mean over the folds, replicate by
    replicate, None unless all folds of the design are there. ``vanished``: per fold, in how many replicates a
    class that has a sample lost it. ``groups``: name of a group of classes -> fold -> its mean IoU. ``imagewise``: per
    fold, the mean of per-episode IoU. FB-IoU and ``imagewise`` are NaN where classes are asked together.
    """

    miou: dict[str, FloatArray]
    fb_iou: dict[str, FloatArray]
    mean_miou: FloatArray | None = None
    mean_fb_iou: FloatArray | None = None
    vanished: dict[str, int] = field(default_factory=dict)
    groups: dict[str, dict[str, FloatArray]] = field(default_factory=dict)
    imagewise: dict[str, FloatArray] = field(default_factory=dict)


def replicates(
    design: Design, folds: Mapping[str, FoldCounts], empty: Empty, draws: int = REPLICATES, chunk: int = _CHUNK
) -> Replicates:
    """Score ``folds``, some or all of the design's, under each of the design's draws.

    A class that loses its last sample in a replicate is left out of that replicate's mean. A class without a
    sample in the data is left out (``drop``) or counts 0 in every replicate (``zero``), as in the score itself.
    Raises ValueError for an episode that the design does not ask, for counts that are no mask's, and for sums
    that could reach 2^53 (all below are exact, so that no machine's order of summation can show).
    """
    return replicates_of_each(design, [folds], empty, draws, chunk)[0]


def replicates_of_each(
    design: Design,
    models: Sequence[Mapping[str, FoldCounts]],
    empty: Empty,
    draws: int = REPLICATES,
    chunk: int = _CHUNK,
) -> list[Replicates]:
    """``replicates`` of each of several models, whose draws are the same and are made once: they take most time."""
    if empty not in ("drop", "zero"):
        raise ValueError(f"empty is {empty!r}, expected 'drop' or 'zero'")
    if draws < 1:
        raise ValueError(f"draws is {draws}, expected at least 1")
    place = {image: i for i, image in enumerate(design.images)}
    sums = []
    for folds in models:
        given = [fold for fold in design.folds if fold in folds]
        if not given or len(given) != len(folds):
            raise ValueError(f"folds are {list(folds)}, expected some of the design's, {list(design.folds)}")
        sums.append({fold: _sums_by_image(design, place, fold, folds[fold]) for fold in given})
    drawn = draw_totals(design, [vstack([*of_model.values()], format="csc") for of_model in sums], draws, chunk)
    return [_scored(design, *of_model, empty) for of_model in zip(models, sums, drawn, strict=True)]


def _scored(
    design: Design, folds: Mapping[str, FoldCounts], sums: Mapping[str, csc_array], drawn: FloatArray, empty: Empty
) -> Replicates:
    """The scores of one model: ``sums`` of each fold by image, and all of them under each draw."""
    totals = np.split(drawn, np.cumsum([of_fold.shape[0] for of_fold in sums.values()])[:-1])
    miou, fb_iou, lost, imagewise = {}, {}, {}, {}
    groups: dict[str, dict[str, FloatArray]] = {}
    for (fold, data), total in zip(sums.items(), totals, strict=True):
        classes = folds[fold].classes
        inter, union = total[: len(classes)], total[len(classes) : 2 * len(classes)]
        sampled = np.asarray(data.sum(axis=1)).ravel()[len(classes) : 2 * len(classes)] > 0
        n = len(folds[fold].fold_classes)
        miou[fold], lost[fold] = _miou(inter[:n], union[:n], sampled[:n], empty)
        bg_inter, bg_union, ious, episodes = total[2 * len(classes) :]
        fb_iou[fold] = _fb_iou(inter.sum(axis=0), union.sum(axis=0), bg_inter, bg_union)
        imagewise[fold] = np.where(episodes > 0, ious / np.maximum(episodes, 1) * IOU_UNIT, np.nan)
        if folds[fold].asked_as is not None:
            fb_iou[fold], imagewise[fold] = (np.full(drawn.shape[1], np.nan) for _ in range(2))
        for name, members in folds[fold].groups.items():
            rows = [classes.index(class_id) for class_id in members]
            groups.setdefault(name, {})[fold] = _miou(inter[rows], union[rows], sampled[rows], empty)[0]
    whole = len(sums) == len(design.folds)
    return Replicates(
        miou=miou,
        fb_iou=fb_iou,
        mean_miou=over_folds(list(miou.values())) if whole else None,
        mean_fb_iou=over_folds(list(fb_iou.values())) if whole else None,
        vanished={fold: int(np.count_nonzero(which)) for fold, which in lost.items()},
        groups=groups,
        imagewise=imagewise,
    )


def interval(values: FloatArray) -> tuple[float, float] | None:
    """The 95 % percentile interval of replicates (R,), those that are NaN left out; None where all are."""
    finite = values[~np.isnan(values)]
    if not finite.size:
        return None
    low, high = np.percentile(finite, PERCENTILES, method="linear")
    return float(low), float(high)


def paired_interval(a: FloatArray, b: FloatArray) -> tuple[float, float] | None:
    """The 95 % interval of a - b, replicates (R,) of two models under one design and one number of draws."""
    if a.shape != b.shape:
        raise ValueError(f"replicates have shapes {a.shape} and {b.shape}, expected the same draws for both")
    return interval(a - b)


def _sums_by_image(design: Design, place: Mapping[str, int], fold: str, counts: FoldCounts) -> csc_array:
    """Per image (I columns): C rows of intersections, C of unions, then background intersection and union, then the
    sum of its episodes' IoU (in units of ``IOU_UNIT``) and the number of episodes that have one.
    """
    classes = counts.classes
    episodes: Columns = columns(*counts.columns, fold_classes=classes)
    if len(counts.image) != len(episodes.class_id):
        raise ValueError(f"fold {fold!r} has {len(counts.image)} images, expected {len(episodes.class_id)}, one a row")
    for image, class_id in zip(counts.image, episodes.class_id.tolist(), strict=True):
        if (fold, image, class_id if counts.asked_as is None else counts.asked_as) not in design.asked:
            raise ValueError(f"fold {fold!r} has image {image!r} with class {class_id}, which its manifest never asks")
    where = np.fromiter((place[image] for image in counts.image), dtype=np.int64, count=len(counts.image))
    row = class_rows(episodes.class_id, classes)
    union = episodes.predicted + episodes.truth - episodes.intersection
    n = len(classes)
    ious = np.rint(episodes.intersection / np.maximum(union, 1) / IOU_UNIT).astype(np.int64)
    values = [episodes.intersection, union, episodes.valid - union, episodes.valid - episodes.intersection]
    values += [ious, (union > 0).astype(np.int64)]
    rows = [row, row + n, *(np.full_like(row, 2 * n + extra) for extra in range(4))]
    return sum_by_image(values, rows, where, (2 * n + 4, len(design.images)))


def sum_by_image(
    values: Sequence[IntArray], rows: Sequence[IntArray], where: IntArray, shape: tuple[int, int]
) -> csc_array:
    """The sums of ``values``, each (E,), by their row and image ``where`` (E,): whole numbers of ``shape`` (S, I)."""
    places = np.concatenate(rows), np.tile(where, len(rows))
    return csc_array(coo_array((np.concatenate(values), places), shape=shape))  # equal places are added up


def draw_totals(design: Design, sums: Sequence[csc_array], draws: int, chunk: int = _CHUNK) -> list[FloatArray]:
    """Each of ``sums`` (S, I) added up under each draw: float64 (S, draws), whole numbers all of them.

    All are below 2^53, so that no order of adding shows; raises ValueError where they might not be.
    """
    kept = [_of_strata(design, of_model) for of_model in sums]
    totals = [np.zeros((of_model.shape[0], draws)) for of_model in sums]
    for number, first, weights in design.weights(draws, chunk):
        times = weights.T.astype(np.float64)
        for total, of_strata in zip(totals, kept, strict=True):
            rows, values = of_strata[number]
            if len(rows):
                total[rows, first : first + len(weights)] += values @ times
    return totals


def _of_strata(design: Design, sums: csc_array) -> list[tuple[npt.NDArray[np.integer[Any]], csr_array | FloatArray]]:
    """Per stratum, the rows of the sums (S, I) that are not all 0 there, and these: float64 (rows, n).

    Few classes stand in an image: the images of one set of classes fill all of their rows, those of the stratum that
    is pooled hardly any.
    """
    blocks = [sums[:, stratum] for stratum in design.strata]
    bound = sum(block.shape[1] * int(block.sum(axis=0).max()) for block in blocks)
    if bound >= EXACT:
        raise ValueError(f"a replicate could count {bound} pixels, expected fewer than 2^53")
    found: list[tuple[npt.NDArray[np.integer[Any]], csr_array | FloatArray]] = []
    for block in blocks:
        rows = np.unique(block.indices)
        values = csr_array(block)[rows].astype(np.float64)
        dense = values.nnz > _DENSE * len(rows) * block.shape[1]
        found.append((rows, values.toarray() if dense else values))
    return found


def _miou(
    intersection: FloatArray, union: FloatArray, sampled: npt.NDArray[np.bool_], empty: Empty
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """mIoU (R,) of sums (C, R), and where a class vanished; classes are added one by one, in the fold's order."""
    present = union > 0
    total, number = np.zeros(union.shape[1]), present.sum(axis=0)
    for inter, of in zip(intersection, union, strict=True):
        total += inter / np.maximum(of, 1)
    vanished = np.count_nonzero(~present[sampled], axis=0) > 0
    zeros = np.count_nonzero(~sampled) if empty == "zero" else 0
    return np.where(number > 0, total / np.maximum(number + zeros, 1), np.nan), vanished


def _fb_iou(fg_inter: FloatArray, fg_union: FloatArray, bg_inter: FloatArray, bg_union: FloatArray) -> FloatArray:
    total = fg_inter / np.maximum(fg_union, 1) + bg_inter / np.maximum(bg_union, 1)
    sides = (fg_union > 0).astype(np.float64) + (bg_union > 0)
    return np.where(sides > 0, total / np.maximum(sides, 1), np.nan)


def over_folds(folds: Sequence[FloatArray]) -> FloatArray:
    """The mean over folds of their replicates (R,), replicate by replicate, added up in the order given."""
    total = folds[0].copy()
    for fold in folds[1:]:
        total += fold
    return total / len(folds)
