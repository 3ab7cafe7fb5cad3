"""The counts of a record as columns, read in milliseconds and checked against the record's sums of each class.

``fsbench.results.read_back`` makes an object of every episode and proves that all scores follow from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fsbench.errors import FsbenchError
from fsbench.io.parquet import PARQUET_ERRORS, read_table, refused
from fsbench.records.counts import ABSENT, SCENE_SCHEMA, SCHEMA
from fsbench.records.record import Record
from fsbench.scoring.metrics import IntArray, columns

MOST_ROWS = 1_000_000
"""COCO-20i has 82,573 episodes; where classes are asked together, an image has a row for each that is somewhere."""

_IDS = 2**33
"""More than there are class ids, which are int32."""


@dataclass(frozen=True, eq=False)
class CountColumns:
    """A ``counts.parquet`` as columns of length E, int64 but for ``absent``, bool.

    ``folds``: fold names, of which ``fold`` are places; ``image``: the same number for the same image; ``scenes``:
    whether queries are composed.
    """

    path: Path
    folds: tuple[str, ...]
    fold: IntArray
    image: IntArray
    number: IntArray
    class_id: IntArray
    intersection: IntArray
    predicted: IntArray
    truth: IntArray
    valid: IntArray
    absent: npt.NDArray[np.bool_]
    scenes: bool


def read_count_columns(path: Path, rows_limit: int = MOST_ROWS) -> CountColumns:
    """Read a ``counts.parquet``; raises FsbenchError where it is none, is broken, or has more rows."""
    try:
        table = read_table(path, (SCHEMA, SCENE_SCHEMA), rows_limit)
    except PARQUET_ERRORS as error:
        raise refused(path, "counts", error) from error
    names = ("number", "class_id", "intersection", "predicted", "truth", "valid")
    counted = {name: table[name].to_numpy().astype(np.int64) for name in names}
    if (least := counted["number"].min(initial=0)) < 0:
        raise FsbenchError(f"{path}: has an episode {least}, expected numbers from 0: evaluate again")
    fold, image = (table[name].combine_chunks().dictionary_encode() for name in ("fold", "image"))
    scenes = "position" in table.schema.names
    return CountColumns(
        path=path,
        folds=tuple(fold.dictionary.to_pylist()),
        fold=fold.indices.to_numpy().astype(np.int64),
        image=image.indices.to_numpy().astype(np.int64),
        **counted,
        absent=table["position"].to_numpy() == ABSENT if scenes else np.zeros(len(table), bool),
        scenes=scenes,
    )


@dataclass(frozen=True, eq=False)
class OwnRows:
    """The rows of the folds' own classes, absent queries apart: int64 (E,).

    ``fold`` and ``slot``: places among the record's folds and among the classes of all of them; ``slots``: fold ->
    where its classes are. A row whose ``valid`` is 0 is in no score.
    """

    fold: IntArray
    slot: IntArray
    image: IntArray
    number: IntArray
    class_id: IntArray
    intersection: IntArray
    union: IntArray
    truth: IntArray
    valid: IntArray
    slots: Mapping[str, slice]


def own_rows(record: Record, counts: CountColumns) -> OwnRows | None:
    """The rows of the classes of the record's folds; None for a record that gives no class ids.

    Raises FsbenchError for counts that no mask can have and where the episodes, intersections and unions of a class
    are not those that the record has.
    """
    keys: list[int] = []
    slots, expected = {}, []
    for place, (fold, of_fold) in enumerate(record.folds.items()):
        slots[fold] = slice(len(keys), len(keys) + len(of_fold.classes))
        for c in of_fold.classes.values():
            if c.class_id is None:
                return None
            keys.append(place * _IDS + c.class_id)
            expected.append((c.episodes, c.intersection, c.union))
    places = {fold: place for place, fold in enumerate(record.folds)}  # other folds are in no score
    fold_of = np.array([places.get(name, -1) for name in counts.folds], np.int64)[counts.fold]
    order = np.argsort(keys)
    known = np.append(np.array(keys, np.int64)[order], np.iinfo(np.int64).max)
    key = fold_of * _IDS + counts.class_id
    found = np.searchsorted(known, key)
    own = (known[found] == key) & ~counts.absent
    slot = order[found[own]].astype(np.int64)
    counted = [column[own] for column in (counts.intersection, counts.predicted, counts.truth, counts.valid)]
    try:
        _, inter, predicted, truth, valid = columns(slot, *counted, fold_classes=range(len(keys)))
    except ValueError as error:
        raise FsbenchError(f"{counts.path}: {error}: evaluate again") from error
    union = predicted + truth - inter
    there = valid > 0
    sums = [sums_of(slot[there], column[there], len(keys)) for column in (np.ones_like(slot), inter, union)]
    if not np.array_equal(np.stack(sums, axis=1), np.array(expected, np.int64).reshape(-1, 3)):
        raise FsbenchError(f"{counts.path}: does not give the sums in the record beside it: evaluate again")
    image, number, class_id = (column[own] for column in (counts.image, counts.number, counts.class_id))
    return OwnRows(fold_of[own], slot, image, number, class_id, inter, union, truth, valid, slots)


def sums_of(group: IntArray, values: IntArray, groups: int) -> IntArray:
    """The sum of the values of each group, exact below 2^53: int64 (groups,)."""
    return np.bincount(group, weights=values, minlength=groups).astype(np.int64)
