"""What a re-submission changed: card, environment, digests, scores, and the counts of single episodes.

A record is compared with a record, or a folder of records with another, matched by their places. Nothing is judged
here; that a changed record is sound is for ``checking``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.records.counts import read_counts
from fsbench.records.record import Record, read_record
from fsbench.results.read_back import most_rows
from leaderboard.results import find_records

SHOWN = 5
"""Differing episodes of a fold that are named."""

COMPARED_SEPARATELY = frozenset({"folds", "miou", "fb_iou", "ci95", "other", "timings", "counts_sha256"})
"""Fields that are compared as scores and counts, or differ between any two runs."""

_Counts = dict[str, dict[int, str]]
"""Fold -> episode -> its counts, row by row: query, class, intersection, predicted, truth, valid, and a scene's."""


@dataclass(frozen=True)
class Change:
    """A field, or a score as a fraction, that is another; None where it is missing."""

    what: str
    old: Any
    new: Any


@dataclass(frozen=True)
class EpisodesDiff:
    """So many episodes of a fold have other counts, out of so many in either; ``first``: their numbers and counts."""

    fold: str
    differing: int
    episodes: int
    first: tuple[Change, ...]


@dataclass(frozen=True)
class RecordDiff:
    """Two records. ``place``: where both lie in their trees, or the paths of two single records."""

    place: str
    fields: tuple[Change, ...]
    scores: tuple[Change, ...]
    episodes: tuple[EpisodesDiff, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs but timings."""
        return not (self.fields or self.scores or self.episodes)


@dataclass(frozen=True)
class Diff:
    """Two records or trees: added and removed places, and all that are in both."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    records: tuple[RecordDiff, ...]


def diff(old: Path, new: Path) -> Diff:
    """Compare two records, or two folders of records by place.

    Raises FsbenchError where one side is a record and the other a folder of several, or a file cannot be read.
    """
    single = [_single(path) for path in (old, new)]
    if single[0] is not None and single[1] is not None:
        return Diff((), (), (diff_records(f"{old} -> {new}", single[0], single[1]),))
    if single[0] is not None or single[1] is not None:
        raise FsbenchError(f"{old}, {new}: one is a record and the other is not: give two records, or two folders")
    trees = [{path.parent.relative_to(tree).as_posix(): path for path in _records(tree)} for tree in (old, new)]
    before, after = trees
    return Diff(
        added=tuple(place for place in after if place not in before),
        removed=tuple(place for place in before if place not in after),
        records=tuple(diff_records(place, before[place], after[place]) for place in before if place in after),
    )


def _single(path: Path) -> Path | None:
    if path.is_dir():
        return path / "record.json" if (path / "record.json").exists() else None
    if not path.exists():
        raise FsbenchError(f"{path}: is not there: give a record.json, its folder, or a folder of records")
    return path


def _records(tree: Path) -> list[Path]:
    found = find_records(tree)
    if not found:
        raise FsbenchError(f"{tree}: holds no record.json: give a folder of records")
    return found


def diff_records(place: str, old: Path, new: Path) -> RecordDiff:
    """What differs between two ``record.json`` files and their counts."""
    a, b = read_record(old), read_record(new)
    fields = tuple(_fields("", _said(a), _said(b)))
    scores = tuple(_fields("", _scores(a), _scores(b)))
    return RecordDiff(place, fields, scores, tuple(_episodes(_counts(old, a), _counts(new, b))))


def _said(record: Record) -> dict[str, Any]:
    said = {
        name: value
        for name, value in record.model_dump(mode="json", by_alias=True).items()
        if name not in COMPARED_SEPARATELY
    }
    return said | {"folds": list(record.folds)}


def _scores(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = {"mean": _of(record)}
    for fold, said in record.folds.items():
        numbers = {"episodes": said.episodes, "left_out": list(said.left_out), "remarks": list(said.remarks)}
        found[f"fold {fold}"] = _of(said) | numbers | {f"class {key}": c.iou for key, c in said.classes.items()}
    return found


def _of(said: Any) -> dict[str, Any]:
    named: dict[str, Any] = {name: getattr(said, name) for name in ("miou", "fb_iou", "ci95")}
    for name, other in said.other.items():
        named |= {name: other.score, f"{name} ci95": other.ci95}
    return named


def _fields(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name), new.get(name)
        if isinstance(a, Mapping) or isinstance(b, Mapping):
            sides = (value if isinstance(value, Mapping) else {} for value in (a, b))
            yield from _fields(f"{prefix}{name} ", *sides)
        elif a != b:
            yield Change(f"{prefix}{name}", a, b)


def _episodes(before: _Counts, after: _Counts) -> Iterator[EpisodesDiff]:
    for fold in dict.fromkeys([*before, *after]):
        a, b = before.get(fold, {}), after.get(fold, {})
        every = sorted(a.keys() | b.keys())
        differing = [number for number in every if a.get(number) != b.get(number)]
        if differing:
            first = (Change(f"episode {n}", a.get(n), b.get(n)) for n in differing[:SHOWN])
            yield EpisodesDiff(fold, len(differing), len(every), tuple(first))


def _counts(path: Path, record: Record) -> _Counts:
    if record.protocol not in PROTOCOLS:
        raise FsbenchError(f"{path}: is of protocol {record.protocol!r}, which is not known here: update fsbench")
    found: _Counts = {}
    for row in read_counts(path.parent / "counts.parquet", most_rows(record)):
        of_fold = found.setdefault(row.fold, {})
        said = row.line().split(" ", 2)[2]
        of_fold[row.number] = f"{of_fold[row.number]}; {said}" if row.number in of_fold else said
    return found
