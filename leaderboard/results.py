"""Reads a folder of records, from evaluations or untrusted submissions.

A record that cannot be read, or that contradicts itself, is refused in one line and the others go on. What is proved
here is cheap and needs no counts: IoUs follow from their sums, means from their terms, intervals from the stored
replicates. ``fsbench leaderboard check`` proves the rest, from the counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.records.record import ClassRecord, Record, read_record
from fsbench.results.read_back import read_columns
from fsbench.scoring.intervals import FloatArray, interval
from fsbench.scoring.scenes import SCORES
from fsbench.scoring.scores import HARMONIC, IMAGEWISE, SEEN, WITH_BACKGROUND
from leaderboard.text import visible

Interval = tuple[float, float]

OTHER_SCORES = {IMAGEWISE, SEEN, HARMONIC, WITH_BACKGROUND, *SCORES}
"""Scores other than the mIoU; a table would print another one, named like a column of its own, in that column."""

MEANS = ("miou", "fb_iou")
MOST_RECORDS = 100_000


@dataclass(frozen=True, eq=False)
class Entry:
    """A record that was read. ``place``: its folder below the results folder, with ``/``.

    ``replicates``: those of its mIoU (mean over all folds), float64 (10,000,), None where folds are missing or no
    replicates are kept; ``fb_ci95``: the interval of its FB-IoU, from the same file.
    """

    place: str
    folder: Path
    record: Record
    replicates: FloatArray | None
    fb_ci95: Interval | None


@dataclass(frozen=True)
class Results:
    """What a folder holds: ``entries`` by place, ``refused`` one line each, ``remarks`` on what was left out."""

    folder: Path
    entries: tuple[Entry, ...]
    refused: tuple[str, ...]
    remarks: tuple[str, ...]


def read_results(folder: Path, advance: Callable[[int], None] = lambda n: None) -> Results:
    """Read every ``record.json`` below ``folder``; ``advance`` is called for each.

    Records of a ``--limit`` are trials and are left out, with a remark. Raises FsbenchError where ``folder`` is no
    folder or holds no record.
    """
    if not folder.is_dir():
        raise FsbenchError(f"{folder}: is no folder: give the results folder of 'fsbench evaluate --out'")
    entries: dict[tuple[str, ...], Entry] = {}
    refused, remarks, trials = [], [], 0
    for path in find_records(folder):
        try:
            entry = _read(folder, path)
        except FsbenchError as error:
            refused.append(visible(error))
        else:
            if entry.record.limit is not None:
                trials += 1
            elif (kept := entries.setdefault(_identity(entry.record), entry)) is not entry:
                if has_masks(entry) and not has_masks(kept):
                    entries[_identity(entry.record)], kept, entry = entry, entry, kept
                remarks.append(f"{visible(entry.place)}: is the record of {visible(kept.place)} once more: left out.")
        advance(1)
    if not entries and not refused and not trials:
        raise FsbenchError(f"{folder}: holds no record.json: give the results folder of 'fsbench evaluate --out'")
    if trials:
        said = "1 record of a --limit is" if trials == 1 else f"{trials} records of a --limit are"
        remarks.append(f"{said} left out: a trial is no score.")
    return Results(folder, tuple(entries.values()), tuple(refused), tuple(remarks))


def _identity(record: Record) -> tuple[str, ...]:
    """What two copies of a record share: its place, its questions and its counts."""
    return str(record.folder()), record.counts_sha256, *record.manifests_sha256.values()


def has_masks(entry: Entry) -> bool:
    """Whether the masks of a record were kept."""
    return (entry.folder / "predictions").is_dir()


def find_records(folder: Path) -> list[Path]:
    """Every ``record.json`` below ``folder``, by path; links to folders are not followed.

    Raises FsbenchError where there are more than ``MOST_RECORDS``.
    """
    found = [Path(parent, "record.json") for parent, _, names in os.walk(folder) if "record.json" in names]
    found.sort(key=lambda path: path.relative_to(folder).parts)
    if len(found) > MOST_RECORDS:
        raise FsbenchError(f"{folder}: holds {len(found)} records, expected at most {MOST_RECORDS}: give a part of it")
    return found


def _read(folder: Path, path: Path) -> Entry:
    record = read_record(path)
    if record.protocol not in PROTOCOLS:
        raise FsbenchError(f"{path}: is of protocol {record.protocol!r}, which is not known here: update fsbench")
    said = contradiction(record)
    if said is not None:
        raise FsbenchError(f"{path}: contradicts itself ({said}): evaluate again")
    replicates, fb_ci95 = _replicates(path.parent / "bootstrap.parquet", record)
    return Entry(path.parent.relative_to(folder).as_posix(), path.parent, record, replicates, fb_ci95)


def contradiction(record: Record) -> str | None:
    """The first number of a record that does not follow from the others, None where all do."""
    if not record.folds or not record.folds.keys() <= set(record.benchmark.folds):
        return "its folds are none, or not the benchmark's"
    empty = PROTOCOLS[record.protocol].empty
    for fold, said in record.folds.items():
        for key, of_class in {**said.classes, **said.others}.items():
            iou = of_class.intersection / of_class.union if of_class.union else (None if empty == "drop" else 0.0)
            if of_class.iou != iou or of_class.intersection > of_class.union:
                return (
                    f"fold {fold}, class {key[:80]}: IoU {of_class.iou} of {of_class.intersection} / {of_class.union}"
                )
        if said.miou != _mean_over(list(said.classes.values())):
            return f"fold {fold}: mIoU {said.miou} is not the mean of its classes"
        if not said.episodes <= said.asked <= said.drawn:
            return f"fold {fold}: {said.episodes} episodes counted of {said.asked} asked of {said.drawn} drawn"
    for name in ("miou", "fb_iou"):
        if getattr(record, name) != _over_folds(record, [getattr(fold, name) for fold in record.folds.values()]):
            return f"{name} {getattr(record, name)} is not the mean over folds"
    named = {*record.other, *(name for fold in record.folds.values() for name in fold.other)}
    if not named <= OTHER_SCORES:
        return f"a score {min(named - OTHER_SCORES)!r}, which no protocol has"
    for name, other in record.other.items():
        of_folds = [fold.other[name].score if name in fold.other else None for fold in record.folds.values()]
        if other.score != _over_folds(record, of_folds):
            return f"{name[:80]} {other.score} is not the mean over folds"
    return None


def _mean_over(classes: Sequence[ClassRecord]) -> float | None:
    ious = [c.iou for c in classes if c.iou is not None]
    return fsum(ious) / len(ious) if any(c.union for c in classes) else None


def _over_folds(record: Record, values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fsum(present) / len(present) if len(present) == len(record.benchmark.folds) else None


def _replicates(path: Path, record: Record) -> tuple[FloatArray | None, Interval | None]:
    """Replicates of the mIoU and the interval of the FB-IoU; nothing where folds or the file are missing."""
    if record.miou is None or not path.exists():
        return None, None
    found = read_columns(path, list(record.folds), only=MEANS)
    if not found.keys() >= set(MEANS) or interval(found["miou"]) != record.ci95:
        raise FsbenchError(f"{path}: its replicates do not give the interval of the record: evaluate again")
    return found["miou"], interval(found["fb_iou"])
