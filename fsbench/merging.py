"""Joins records whose folds were run one by one or on different machines into one record.

Everything that decides a number has to be equal: model, benchmark, protocol, shots, seed, manifests. The merged
record is the one that a single run of all those folds would have written, but for ``environment`` (which names
both machines where they differ) and ``timings``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsbench.counts import Row, read_counts, rows_digest, write_counts
from fsbench.environment import joined
from fsbench.errors import FsbenchError
from fsbench.evaluation import joined_timings
from fsbench.intervals import REPLICATES, Replicates, interval, over_folds
from fsbench.metrics import benchmark_miou, score
from fsbench.record import FoldRecord, Record, joined_model, read_record, same_model, write_record
from fsbench.scoring import write_replicates

FREE = frozenset({"model", "benchmark", "folds", "miou", "fb_iou", "ci95", "counts_sha256", "environment", "timings"})
"""Fields of a record that may differ between the records of one evaluation, or are compared part by part."""


def merge_records(paths: Sequence[Path], out: Path) -> Record:
    """Join the records at ``paths`` and write the result to its place below ``out``; returns it.

    Raises FsbenchError where a fold stands in two records, something else differs, counts do not belong to their
    record, or the place is taken.
    """
    folders = [path if path.is_dir() else path.parent for path in paths]
    records = [read_record(path) for path in paths]
    for path, record in zip(paths[1:], records[1:], strict=True):
        _check_same(paths[0], records[0], path, record)
    owner: dict[str, Path] = {}
    for path, record in zip(paths, records, strict=True):
        for fold in record.folds:
            if fold in owner:
                raise FsbenchError(f"{path}: fold {fold} stands in {owner[fold]} as well: give each fold once")
            owner[fold] = path
    place = out / records[0].folder()
    if (place / "record.json").exists():
        raise FsbenchError(f"{place / 'record.json'}: is there already: choose another --out")
    order = [fold for fold in records[0].benchmark.folds if fold in owner]
    rows = [row for folder, record in zip(folders, records, strict=True) for row in _rows(folder, record)]
    rows.sort(key=lambda row: order.index(row.fold))  # stable: rows of a fold stay in their order
    replicates = _join_replicates(folders, records, order)
    folds = {fold: record.folds[fold] for fold in order for record in records if fold in record.folds}
    everything = records[0].benchmark.folds
    merged = records[0].model_copy(
        update={
            "model": reduce(joined_model, (record.model for record in records)),
            "folds": folds,
            "miou": benchmark_miou({fold: f.miou for fold, f in folds.items()}, everything),
            "fb_iou": benchmark_miou({fold: f.fb_iou for fold, f in folds.items()}, everything),
            "ci95": interval(replicates.mean_miou) if replicates.mean_miou is not None else None,
            "counts_sha256": rows_digest(rows),
            "environment": reduce(joined, (record.environment for record in records)),
            "timings": joined_timings([record.timings for record in records], len({(r.fold, r.number) for r in rows})),
        }
    )
    write_counts(place / "counts.parquet", rows)
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
    for name, said_a, said_b in pairs:
        if said_a != said_b:
            raise FsbenchError(
                f"{path_b}: {name} is {str(said_b)[:80]!r}, but {str(said_a)[:80]!r} in {path_a}: only records that "
                "differ in their folds can be joined"
            )


def _rows(folder: Path, record: Record) -> list[Row]:
    rows = [row for row in read_counts(folder / "counts.parquet") if row.fold in record.folds]
    if rows_digest(rows) != record.counts_sha256:
        raise FsbenchError(f"{folder / 'counts.parquet'}: is not of the record beside it: evaluate again")
    for fold, said in record.folds.items():
        _check_scores(folder / "record.json", said, [row for row in rows if row.fold == fold and row.valid > 0])
    return rows


def _check_scores(path: Path, said: FoldRecord, rows: Sequence[Row]) -> None:
    """Raise FsbenchError unless a fold's scores follow from its counts."""
    ious = [c.iou for c in said.classes.values() if c.iou is not None]
    fault = FsbenchError(f"{path}: its scores do not follow from the counts beside it: evaluate again")
    if not rows or not ious:
        raise fault
    classes = sorted({row.class_id for row in rows})
    try:
        scored = score(*np.array([row[4:] for row in rows]).T, fold_classes=classes, empty="drop")
    except ValueError as error:  # counts that no mask can have
        raise fault from error
    counted = [(c.intersection, c.union, c.episodes, c.iou) for c in scored.classes if c.union]
    claimed = [(c.intersection, c.union, c.episodes, c.iou) for c in said.classes.values() if c.union]
    if counted != claimed or scored.fb_iou != said.fb_iou or said.miou != math.fsum(ious) / len(ious):
        raise fault


def _join_replicates(folders: Sequence[Path], records: Sequence[Record], order: Sequence[str]) -> Replicates:
    columns: dict[str, Any] = {}
    for folder, record in zip(folders, records, strict=True):
        path = folder / "bootstrap.parquet"
        try:
            table = pq.read_table(path)
            columns |= {
                name: table[name].to_numpy().astype(np.float64)
                for fold in record.folds
                for name in (f"miou_fold{fold}", f"fb_iou_fold{fold}")
            }
            if table.num_rows != REPLICATES:
                raise ValueError(f"{table.num_rows} replicates, expected {REPLICATES}")
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise FsbenchError(f"{path}: cannot be read as replicates ({error}): evaluate again") from error
    miou = {fold: columns[f"miou_fold{fold}"] for fold in order}
    fb_iou = {fold: columns[f"fb_iou_fold{fold}"] for fold in order}
    whole = len(order) == len(records[0].benchmark.folds)
    return Replicates(
        miou=miou,
        fb_iou=fb_iou,
        mean_miou=over_folds(list(miou.values())) if whole else None,
        mean_fb_iou=over_folds(list(fb_iou.values())) if whole else None,
        vanished={},
        vanished_any=0,
    )
