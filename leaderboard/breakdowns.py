"""Breakdowns: a record's mIoU on parts of its episodes, from its counts.

By object size: the share of the valid pixels that is true, at the size at which pixels are compared. By classes per
image: how many different classes are asked of the query image over all folds. By size of query against support, which
needs the benchmark's index: see ``support_sizes``.

In a bin, the intersections and the unions of a class are summed over its episodes there; the IoU of the class is their
ratio, and mIoU is the mean over the classes of all folds that have a sample in the bin, never a mean of per-image IoUs.
A class with none is left out, whatever the protocol makes of it. Bins hold different classes, so a bin is compared
between models, not with another bin nor with the score of all episodes, which is no mean of its bins. Which episode
is in which bin depends on the questions and the true masks alone: it is the same for all records of a board that have
the same folds. Absent queries and episodes with no valid pixel are in no bin.

Where classes are asked together, a class is also predicted on images that do not show it, and no object has that
error: there is no breakdown by object size nor against supports. There an image has as many classes as are true in it,
of those that its folds ask, and what is predicted of the folds' other classes counts in its bin. Scenes all have as
many classes as tiles, so they are not broken down by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path

import numpy as np

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.records.record import Record
from fsbench.results.read_back import most_rows
from fsbench.scoring.metrics import IntArray
from leaderboard.count_columns import MOST_ROWS, CountColumns, OwnRows, own_rows, read_count_columns, sums_of
from leaderboard.support_sizes import AGAINST_SUPPORT, SupportSizes

OBJECT_SIZE = ("< 1 %", "1-10 %", "> 10 %")
CLASSES_PER_IMAGE = ("1", "2", "3+")


@dataclass(frozen=True)
class BinScore:
    """The contents of a bin, of one fold or all: ``classes`` have a sample there, ``left_out`` have none; ``miou`` is a
    fraction, None where no class has a sample.
    """

    episodes: int
    images: int
    classes: int
    left_out: int
    miou: float | None


@dataclass(frozen=True)
class Bin:
    """One bin. ``total``: over all folds that the record has; ``folds``: fold by fold."""

    name: str
    total: BinScore
    folds: dict[str, BinScore]


@dataclass(frozen=True)
class Breakdown:
    """``key``: object_size, classes_per_image or against_support; ``bins``: all, empty ones too."""

    key: str
    bins: tuple[Bin, ...]


def read_breakdowns(folder: Path, record: Record, supports: SupportSizes | None = None) -> tuple[Breakdown, ...]:
    """The breakdowns of the record in ``folder``.

    Raises FsbenchError where its counts cannot be read, are more than ``MOST_ROWS``, or belong to another record.
    """
    counts = read_count_columns(folder / "counts.parquet", min(MOST_ROWS, most_rows(record)))
    return breakdowns(record, counts, supports)


def breakdowns(record: Record, counts: CountColumns, supports: SupportSizes | None = None) -> tuple[Breakdown, ...]:
    """The breakdowns that a record has, in the order of the module's docstring.

    Classes per image are known where all folds are there; ``supports`` are used where they are of the record's
    manifests. A record that gives no class ids has no breakdown at all. Raises FsbenchError as ``own_rows`` does.
    """
    rows = own_rows(record, counts)
    if rows is None:
        return ()
    one_class = PROTOCOLS[record.protocol].asks == "class"
    found = []
    if one_class:
        size = (100 * rows.truth >= rows.valid).astype(np.int64) + (10 * rows.truth > rows.valid)
        found.append(_breakdown("object_size", OBJECT_SIZE, size, rows))
    if set(record.folds) == set(record.benchmark.folds) and not counts.scenes:
        there = np.ones_like(rows.truth, bool) if one_class else rows.truth > 0
        images = int(rows.image.max(initial=-1)) + 1
        class_id = rows.class_id - rows.class_id.min(initial=0)
        number = _distinct(rows.image[there], class_id[there], images)[rows.image]
        found.append(_breakdown("classes_per_image", CLASSES_PER_IMAGE, np.minimum(number, 3) - 1, rows))
    if one_class and supports is not None and supports.manifests == record.manifests_sha256:
        found.append(_breakdown("against_support", AGAINST_SUPPORT, _of_episodes(supports, rows, counts.path), rows))
    return tuple(found)


def _of_episodes(supports: SupportSizes, rows: OwnRows, path: Path) -> IntArray:
    """The bin of each row's episode; raises FsbenchError for an episode that the manifest does not have."""
    where = np.full_like(rows.number, -1)
    for place, fold in enumerate(rows.slots):
        here = rows.fold == place
        numbers, bins = rows.number[here], supports.bins[fold]
        if numbers.max(initial=-1) >= len(bins):
            found = f"fold {fold} has an episode {numbers.max()}, its manifest has {len(bins)}"
            raise FsbenchError(f"{path}: {found}: evaluate again")
        where[here] = bins[numbers]
    return where


def _breakdown(key: str, names: Sequence[str], where: IntArray, rows: OwnRows) -> Breakdown:
    """``where``: the bin of each row, (E,), -1 for none."""
    kept = (where >= 0) & (rows.valid > 0)
    where, number, image = where[kept], rows.number[kept], rows.image[kept]
    folds, classes = len(rows.slots), sum(of.stop - of.start for of in rows.slots.values())
    in_fold = where * folds + rows.fold[kept]
    episodes = _distinct(in_fold, number, len(names) * folds).reshape(len(names), folds)
    images = _distinct(in_fold, image, len(names) * folds).reshape(len(names), folds)
    all_images = _distinct(where, image, len(names))
    of_class = where * classes + rows.slot[kept]
    inter, union = (
        sums_of(of_class, column[kept], len(names) * classes).reshape(len(names), classes)
        for column in (rows.intersection, rows.union)
    )
    bins = []
    for b, name in enumerate(names):
        of_folds = {
            fold: _bin_score(int(episodes[b, f]), int(images[b, f]), inter[b, slots], union[b, slots])
            for f, (fold, slots) in enumerate(rows.slots.items())
        }
        bins.append(Bin(name, _bin_score(int(episodes[b].sum()), int(all_images[b]), inter[b], union[b]), of_folds))
    return Breakdown(key, tuple(bins))


def _bin_score(episodes: int, images: int, inter: IntArray, union: IntArray) -> BinScore:
    """``inter``, ``union``: sums of each class, (C,)."""
    sampled = union > 0
    ious = (inter[sampled] / union[sampled]).tolist()
    return BinScore(episodes, images, len(ious), len(union) - len(ious), fsum(ious) / len(ious) if ious else None)


def _distinct(group: IntArray, item: IntArray, groups: int) -> IntArray:
    """How many different items each group has: int64 (groups,). Items lie between 0 and 2^32."""
    span = int(item.max(initial=0)) + 1
    codes = np.sort(group * span + item)  # np.unique hashes, which takes many times as long
    return np.bincount(codes[np.flatnonzero(np.diff(codes, prepend=-1))] // span, minlength=groups)
