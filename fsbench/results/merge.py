"""Joins records whose folds were run one by one or on different machines into one record.

Everything that decides a number has to be equal: model, benchmark, protocol, shots, seed, manifests. The merged
record is the one that a single run of all those folds would have written, but for ``environment`` (which names
both machines where they differ) and ``timings``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from fsbench.errors import FsbenchError
from fsbench.records.counts import rows_digest, write_counts
from fsbench.records.environment import joined, joined_timings
from fsbench.records.folder import RECORD, record_locked, tidy
from fsbench.records.record import OtherScore, Record, read_record, write_record
from fsbench.records.recorded_model import joined_model, same_model
from fsbench.results.read_back import CheckedRecord, read_checked, read_replicates
from fsbench.scoring.intervals import Replicates
from fsbench.scoring.scores import IMAGEWISE, Scores, write_replicates

FREE = frozenset(
    {"model", "benchmark", "folds", "miou", "fb_iou", "ci95", "other", "counts_sha256", "environment", "timings"}
)
"""Fields of a record that may differ between the records of one evaluation, or are compared field by field."""


def merge_records(paths: Sequence[Path], out: Path) -> Record:
    """Join the records at ``paths`` and write the result to its place below ``out``; returns it.

    Raises FsbenchError where a fold is in two records, something else differs, counts do not belong to their
    record, or the place is taken by another record.
    """
    records = [read_checked(path) for path in paths]
    first = records[0]
    for one in records[1:]:
        _check_same(first.path, first.record, one.path, one.record)
    owner: dict[str, CheckedRecord] = {}
    for one in records:
        for fold in one.rows:
            if fold in owner:
                raise FsbenchError(f"{one.path}: fold {fold} is in {owner[fold].path} as well: give each fold once")
            owner[fold] = one
    order = [fold for fold in first.record.benchmark.folds if fold in owner]
    rows = {fold: owner[fold].rows[fold] for fold in order}
    everything = [row for of_fold in rows.values() for row in of_fold]
    whole = len(order) == len(first.record.benchmark.folds)
    merged = first.record.model_copy(
        update={
            "model": reduce(joined_model, (one.record.model for one in records)),
            "folds": {fold: owner[fold].record.folds[fold] for fold in order},
            "miou": None,
            "fb_iou": None,
            "ci95": None,
            "other": {name: OtherScore(score=None, ci95=None) for name in first.record.other},
            "counts_sha256": rows_digest(everything),
            "environment": reduce(joined, (one.record.environment for one in records)),
            "timings": joined_timings(
                [one.record.timings for one in records], len({(row.fold, row.number) for row in everything})
            ),
        }
    )
    if whole:
        scores = _score_whole(CheckedRecord.of(first.path, merged, rows), owner)
        update = {name: getattr(scores, name) for name in ("folds", "miou", "fb_iou", "ci95", "other")}
        merged, replicates = merged.model_copy(update=update), scores.replicates
    else:
        replicates = _join_replicates(records, order)
    place = out / first.record.folder()
    with record_locked(place):
        taken = place / RECORD
        if taken.exists() and read_record(taken).json_text() != merged.json_text():  # a killed run may have left it
            raise FsbenchError(f"{taken}: exists: choose another --out")
        tidy(place, ())
        write_counts(place / "counts.parquet", everything)
        write_replicates(place / "bootstrap.parquet", replicates)
        write_record(place, merged)
    return merged


def _check_same(path_a: Path, a: Record, path_b: Path, b: Record) -> None:
    pairs: list[tuple[str, Any, Any]] = [
        (f"environment.{name}", getattr(a.environment, name), getattr(b.environment, name))
        for name in ("threads", "batch_size")
    ]
    pairs += [(f"benchmark.{name}", value, getattr(b.benchmark, name)) for name, value in a.benchmark]
    pairs += [(name, value, getattr(b, name)) for name, value in a if name not in FREE]
    name = same_model(a.model, b.model)
    if name is not None:
        pairs.append((f"model.{name}", getattr(a.model, name), getattr(b.model, name)))
    for name, value_a, value_b in pairs:
        if value_a != value_b:
            raise FsbenchError(
                f"{path_b}: {name} is {str(value_b)[:80]!r}, but {str(value_a)[:80]!r} in {path_a}: only records that "
                "differ in their folds can be joined"
            )


def _join_replicates(records: Sequence[CheckedRecord], order: Sequence[str]) -> Replicates:
    columns = {name: values for one in records for name, values in read_replicates(one).items()}
    return Replicates(
        miou={fold: columns[f"miou_fold{fold}"] for fold in order},
        fb_iou={fold: columns[f"fb_iou_fold{fold}"] for fold in order},
    )


def _score_whole(merged: CheckedRecord, owner: Mapping[str, CheckedRecord]) -> Scores:
    """The scores of all folds together; raises FsbenchError where a fold's are not those that its owner gives."""
    imagewise = any(IMAGEWISE in fold.other for fold in merged.record.folds.values())
    scores = merged.scores(merged.protocol, imagewise=imagewise)
    for fold, one in owner.items():
        for name, value in scores.folds[fold]:
            recorded = getattr(one.record.folds[fold], name)
            if value != recorded and name != "classes":  # whose ids a record may not give; their scores are checked
                raise FsbenchError(
                    f"{one.path}: {name} of fold {fold} is {str(recorded)[:80]!r}, but {str(value)[:80]!r} follows "
                    "from the counts of all folds: evaluate again"
                )
    return scores
