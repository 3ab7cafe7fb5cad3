"""Whether two records answer the same questions: only then can their scores be compared."""

from __future__ import annotations

from typing import Any

from fsbench.errors import FsbenchError
from fsbench.records.counts import BACKGROUND
from fsbench.results.read_back import CheckedRecord

SAME_BENCHMARK = ("name", "partition", "mask_rule", "class_names_sha256", "lists_sha256", "masks_sha256", "folds")
SAME = ("protocol", "modified", "shots", "seed", "run", "manifests_sha256")
"""Fields that must be equal. The photographs' files may differ (re-encoded copies), and so may the machines."""


def check_same_questions(a: CheckedRecord, b: CheckedRecord) -> None:
    """Raise FsbenchError, one line with all that differs, unless two records answer the same questions in some fold."""
    pairs: list[tuple[str, Any, Any]] = [
        (f"benchmark.{name}", getattr(a.record.benchmark, name), getattr(b.record.benchmark, name))
        for name in SAME_BENCHMARK
    ]
    pairs += [(name, getattr(a.record, name), getattr(b.record, name)) for name in SAME]
    differing = [f"{name} ({_short(of_a, of_b)})" for name, of_a, of_b in pairs if of_a != of_b]
    if differing:
        raise FsbenchError(
            f"{b.path}: was not asked the same as {a.path}: they differ in {', '.join(differing)}: compare records of "
            "one benchmark, protocol, shots and seed"
        )
    if not a.rows.keys() & b.rows.keys():
        raise FsbenchError(
            f"{b.path}: has fold {', '.join(b.rows)}, {a.path} has fold {', '.join(a.rows)}: compare records that "
            "share a fold"
        )
    for fold in (fold for fold in a.rows if fold in b.rows):
        _check_fold(a, b, fold)


def _short(a: Any, b: Any) -> str:
    if isinstance(a, dict):
        a, b = (tuple(f"fold {k}: {v[:8]}" for k, v in values.items() if a.get(k) != b.get(k)) for values in (a, b))
    if isinstance(a, tuple):
        a, b = (", ".join(values) or "nothing" for values in (a, b))
    return f"{str(a)[:80]} and {str(b)[:80]}"


def _check_fold(a: CheckedRecord, b: CheckedRecord, fold: str) -> None:
    """Raise FsbenchError unless both counts have the same episodes with the same true and valid pixels."""

    def questions(side: CheckedRecord) -> list[tuple[Any, ...]]:
        there = (row for row in side.rows[fold] if side.one_class or row.truth or row.class_id == BACKGROUND)
        return [(row.number, row.query, row.image, row.class_id, row.truth, row.valid) for row in there]

    if a.lists.folds[fold] != b.lists.folds[fold] or [*a.record.folds[fold].classes] != [*b.record.folds[fold].classes]:
        raise FsbenchError(f"{b.path}: the classes of fold {fold} differ from those in {a.path}: evaluate both again")
    if questions(a) != questions(b):
        raise FsbenchError(
            f"{b.path.parent / 'counts.parquet'}: fold {fold} has other episodes, or other true or valid pixels, than "
            f"{a.path.parent / 'counts.parquet'}, though both name one manifest and the same masks: evaluate both again"
        )
