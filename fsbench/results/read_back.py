"""A record read back and checked against its counts: the start of merging, rescoring and comparing.

A record names neither the lists nor the manifests in full, but what scoring needs of them can be rebuilt: class ids
and keys are in the record, and which image was asked for which class is in the counts. So all scores of a
record with all folds, intervals included, can be computed anew by the function that computed them first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from fsbench.episodes.manifest import Manifest, Question
from fsbench.episodes.protocols import PROTOCOLS, Protocol
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.io.parquet import PARQUET_ERRORS, read_table, refused
from fsbench.records.counts import BACKGROUND, MOST_ROWS, Row, read_counts, rows_digest
from fsbench.records.record import FoldRecord, Record, read_record
from fsbench.records.remarks import with_remarks
from fsbench.scoring.intervals import REPLICATES, FloatArray, interval
from fsbench.scoring.metrics import benchmark_miou, score
from fsbench.scoring.scenes import fits, scene_scores
from fsbench.scoring.scores import Scores, compute_scores, confused_of, fold_counts

_NO_ID = -1000
"""Below it, made-up ids of classes that have no sample in a record that gives no class ids."""


@dataclass(frozen=True)
class AskedBefore(Manifest):
    """A manifest rebuilt from counts: its supports are not known, so its digest is the one that the record gives."""

    digest: str = ""

    @cached_property
    def sha256(self) -> str:
        """The digest of the manifest that was asked."""
        return self.digest


@dataclass(frozen=True)
class CheckedRecord:
    """A record whose scores follow from its counts.

    ``path``: the ``record.json``; ``rows``: fold -> rows, folds in the benchmark's order; ``lists``: the benchmark's
    classes and folds, with no pairs.
    """

    path: Path
    record: Record
    rows: dict[str, list[Row]]
    lists: FoldLists

    @classmethod
    def of(cls, path: Path, record: Record, rows: dict[str, list[Row]]) -> CheckedRecord:
        """Made of the record's own rows; raises FsbenchError where the ids of its classes are ambiguous."""
        return cls(path, record, rows, _lists(path, record, rows))

    @property
    def protocol(self) -> Protocol:
        """The protocol that asked."""
        return PROTOCOLS[self.record.protocol]

    @property
    def one_class(self) -> bool:
        """Whether an episode asks one class."""
        return self.protocol.asks == "class"

    @property
    def whole(self) -> bool:
        """Whether all folds of the benchmark are there."""
        return set(self.rows) == set(self.record.benchmark.folds)

    def asked(self, fold: str) -> list[Row]:
        """One row an episode, in the order of the manifest; where classes are asked together, the background's."""
        rows = self.rows[fold]
        return list(rows) if self.one_class else [row for row in rows if row.class_id == BACKGROUND]

    def scores(self, protocol: Protocol, *, imagewise: bool) -> Scores:
        """All scores under ``protocol``, which may differ from the record's in ``empty``, with the record's remarks.

        Unless the record is ``whole``, the intervals in the result are of another design and mean nothing. Raises
        FsbenchError for counts that no score can be made of.
        """
        record = self.record
        manifests = {
            fold: AskedBefore(
                record.benchmark.name,
                fold,
                protocol.id,
                record.shots,
                record.seed,
                tuple(
                    Question(
                        row.query,
                        (row.class_id,) if self.one_class else self.lists.folds[fold],
                        (),
                        source=None if row.absent else row.image,
                        absent=row.absent,
                    )
                    for row in self.asked(fold)
                ),
                record.folds[fold].drawn,
                record.run,
                digest=record.manifests_sha256[fold],
            )
            for fold in self.rows
        }
        confused = {fold: confused_of(of_fold) for fold, of_fold in record.folds.items()}
        with scorable(self.path):
            scores = compute_scores(self.lists, manifests, self.rows, protocol, confused, imagewise=imagewise)
        remarks = {fold: of_fold.remarks for fold, of_fold in record.folds.items()}
        return replace(scores, folds=with_remarks(scores.folds, remarks))


def read_checked(path: Path) -> CheckedRecord:
    """Read a ``record.json`` (or the one in a folder) with the counts beside it.

    Raises FsbenchError, one line, where either cannot be read, the counts are not those that the record was made
    of, not all episodes are there, or the record's scores do not follow from them.
    """
    record = read_record(path)
    path = path / "record.json" if path.is_dir() else path
    if record.protocol not in PROTOCOLS:
        raise FsbenchError(f"{path}: is of protocol {record.protocol!r}, which is not known here: update fsbench")
    manifests = {fold: scored.manifest_sha256 for fold, scored in record.folds.items()}
    if (
        not record.folds
        or sorted(record.benchmark.folds) != sorted(record.manifests_sha256)
        or not manifests.items() <= record.manifests_sha256.items()
    ):
        raise FsbenchError(f"{path}: the folds of its scores, manifests and benchmark do not agree: evaluate again")
    counts = path.parent / "counts.parquet"
    try:
        rows = [row for row in read_counts(counts, most_rows(record)) if row.fold in record.folds]
    except FsbenchError as error:  # the record says how many rows there may be
        raise FsbenchError(f"{error} ({path})") from error
    if rows_digest(rows) != record.counts_sha256:
        raise FsbenchError(f"{counts}: is not of the record beside it, {path}: evaluate again")
    of_fold: dict[str, list[Row]] = {fold: [] for fold in record.benchmark.folds if fold in record.folds}
    for row in rows:
        of_fold[row.fold].append(row)
    stored = CheckedRecord.of(path, record, of_fold)
    for fold, scored in record.folds.items():
        numbers = [row.number for row in stored.asked(fold)]
        if not numbers or numbers != list(range(scored.asked)):
            raise FsbenchError(
                f"{counts}: fold {fold} has {len(numbers)} episodes, expected those of numbers 0 to "
                f"{max(scored.asked, 1) - 1}, once each, in order, by {path}: evaluate again"
            )
        _check_fold(stored, fold)
    for name in ("miou", "fb_iou"):
        folds = {fold: getattr(scored, name) for fold, scored in record.folds.items()}
        if getattr(record, name) != benchmark_miou(folds, record.benchmark.folds):
            raise _unfounded(path)
    return stored


def most_rows(record: Record) -> int:
    """How many rows of counts a record may have: one an episode, or where classes are asked together one a class."""
    together = PROTOCOLS[record.protocol].asks != "class"
    rows = 0
    for fold in record.folds.values():
        classes = len(fold.classes) + len(fold.others)
        rows += fold.asked * (classes if together else 1)
    return min(MOST_ROWS, rows)


def read_replicates(stored: CheckedRecord) -> dict[str, FloatArray]:
    """The replicates beside a record: ``miou_fold0``, ``fb_iou_fold0``, … -> float64 (REPLICATES,).

    Raises FsbenchError where ``bootstrap.parquet`` lacks one of them, has another number of rows, or does not give the
    record's intervals.
    """
    path = stored.path.parent / "bootstrap.parquet"
    found, record = read_columns(path, [*stored.rows]), stored.record
    intervals = {f"miou_fold{fold}": record.folds[fold].ci95 for fold in stored.rows} | {"miou": record.ci95}
    other = next((name for name in found.keys() & intervals if interval(found[name]) != intervals[name]), None)
    if other is not None:
        raise FsbenchError(f"{path}: its {other} does not give the interval in {stored.path}: evaluate again")
    return {name: values for name, values in found.items() if "_fold" in name}


def read_columns(path: Path, folds: Sequence[str], only: Sequence[str] | None = None) -> dict[str, FloatArray]:
    """The columns of a ``bootstrap.parquet``: those of each of ``folds``, and ``miou`` and ``fb_iou`` where kept.

    ``only``: those that are wanted, None for all. Raises FsbenchError for other columns, another number of rows, and
    numbers that no score can be.
    """
    names = [f"{kind}_fold{fold}" for kind in ("miou", "fb_iou") for fold in folds]
    mean = ["miou", "fb_iou"]
    schemas = [pa.schema([(name, pa.float64()) for name in columns]) for columns in ([*names, *mean], names)]
    try:
        table = read_table(path, schemas, REPLICATES, only)
        if table.num_rows != REPLICATES:
            raise ValueError(f"{table.num_rows} replicates, expected {REPLICATES}")
        found = {name: table[name].to_numpy().astype(np.float64) for name in table.schema.names}
        wrong = [name for name, values in found.items() if ((values < 0) | (values > 1)).any()]
        if wrong:
            raise ValueError(f"{wrong[0]} is not from 0 to 1")
    except PARQUET_ERRORS as error:
        raise refused(path, "replicates", error) from error
    return found


@contextmanager
def scorable(*paths: Path) -> Iterator[None]:
    """Turn errors of scoring impossible counts into one line that names the record, or those scored together."""
    try:
        yield
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        named = " or ".join(map(str, paths))
        raise FsbenchError(f"{named}: the counts beside it cannot be scored ({reason}): evaluate again") from error


def _lists(path: Path, record: Record, rows: dict[str, list[Row]]) -> FoldLists:
    """Classes and folds as the record names them; a fold that was not run has no classes unless others met them."""
    folds: dict[str, tuple[int, ...]] = dict.fromkeys(record.benchmark.folds, ())
    keys: dict[int, str] = {}
    for fold in rows:
        ids = _class_ids(path, record.folds[fold], rows[fold])
        folds[fold] = tuple(ids)
        keys |= ids
    others = {c.class_id: key for of_fold in record.folds.values() for key, c in of_fold.others.items()}
    unplaced = {c: key for c, key in others.items() if c is not None and c != BACKGROUND and c not in keys}
    if unplaced:  # classes of folds that were not run: which fold each is of is not known, nor does it matter
        missing = [fold for fold in folds if fold not in rows]
        if not missing:
            raise FsbenchError(f"{path}: asked class {min(unplaced)}, which is in none of its folds: evaluate again")
        folds[missing[0]] = tuple(unplaced)
    return FoldLists(
        name=record.benchmark.name,
        title=record.benchmark.title,
        partition=record.benchmark.partition,
        mask_rule=record.benchmark.mask_rule,
        classes=tuple(ClassName(c, key, key) for c, key in (keys | unplaced).items()),
        folds=folds,
        val={},
        train={},
    )


def _class_ids(path: Path, recorded: FoldRecord, rows: Sequence[Row]) -> dict[int, str]:
    """Class id -> key of a fold's classes, in the fold's order.

    Where the record gives no ids, the classes with episodes are taken to have ascending ids; that their counts are
    those of these ids is checked afterwards, as it is for all records.
    """
    given = {c.class_id: key for key, c in recorded.classes.items() if c.class_id is not None}
    if len(given) == len(recorded.classes):
        return given
    sampled = iter(sorted({row.class_id for row in rows if row.valid > 0 and row.class_id >= 0}))
    ids = {
        next(sampled, _NO_ID) if c.episodes else _NO_ID - 1 - place: key
        for place, (key, c) in enumerate(recorded.classes.items())
    }
    if given or len(ids) != len(recorded.classes):
        raise FsbenchError(f"{path}: which class has which id cannot be told: evaluate again")
    return ids


def _check_fold(stored: CheckedRecord, fold: str) -> None:
    """Raise FsbenchError unless a fold's scores follow from its counts."""
    recorded = stored.record.folds[fold]
    try:
        counts = fold_counts(stored.rows[fold], stored.lists, fold, stored.protocol.asks)
        scored = score(*counts.columns, fold_classes=counts.classes, empty=stored.protocol.empty)
    except ValueError as error:  # counts that no mask can have
        raise _unfounded(stored.path) from error
    if not all(fits(row, stored.protocol.tiles) for row in stored.rows[fold]):
        raise _unfounded(stored.path)
    of_scenes = scene_scores(stored.rows[fold]) if stored.protocol.tiles else {}
    claimed = dict(zip(stored.lists.folds[fold], recorded.classes.values(), strict=True))
    claimed |= {c.class_id: c for c in recorded.others.values() if c.class_id is not None}
    if (
        {c.class_id: (c.iou, c.intersection, c.union, c.episodes) for c in scored.classes}
        != {class_id: (c.iou, c.intersection, c.union, c.episodes) for class_id, c in claimed.items()}
        or scored.mean_over(counts.fold_classes) != recorded.miou
        or (scored.fb_iou if stored.one_class else None) != recorded.fb_iou
        or any(name not in recorded.other or recorded.other[name].score != value for name, value in of_scenes.items())
    ):
        raise _unfounded(stored.path)


def _unfounded(path: Path) -> FsbenchError:
    return FsbenchError(f"{path}: its scores do not follow from the counts beside it: evaluate again")
