"""Honest records that were evaluated for real, and ways to alter them as a forger would."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fsbench
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.index.benchmark import Benchmark
from fsbench.index.published import published_lists
from fsbench.records.counts import Row, read_counts, rows_digest, write_counts
from fsbench.records.record import read_record, write_record
from fsbench.scoring.scores import compute_scores, confused_of, write_replicates
from leaderboard.checking.report import Report, check_submission
from leaderboard.checking.submission import Desk, Submission
from tests.leaderboard.hostile import made_up
from tests.leaderboard.sample_records import altered


def evaluated(model: Any, benchmark: Benchmark, out: Path, **options: Any) -> Path:
    """The ``record.json`` of an evaluation."""
    record = fsbench.evaluate(model, benchmark, out=out, threads=1, workers=1, **options)
    return out / record.folder() / "record.json"


def made_of_lists(name: str, folder: Path, protocol: str = "fsbench-v1", shots: int = 0) -> Path:
    """A record of the whole benchmark ``name``, which nobody has to have: its published lists, and counts by chance."""
    lists, random = published_lists(name), np.random.RandomState(1)
    assert lists is not None
    manifests = {fold: draw(lists, fold, PROTOCOLS[protocol], shots, 0) for fold in lists.folds}
    rows: dict[str, list[Row]] = {}
    for fold, manifest in manifests.items():
        truths = {(q.query, q.class_ids[0]): n for q, n in zip(manifest.questions, _numbers(random), strict=False)}
        rows[fold] = [
            Row(fold, n, q.query, q.query, q.class_ids[0], right, right + 9, truths[q.query, q.class_ids[0]], 5000)
            for n, (q, right) in enumerate(zip(manifest.questions, _numbers(random, 1000), strict=False))
        ]
    scores = compute_scores(lists, manifests, rows, PROTOCOLS[protocol])
    everything = [row for of_fold in rows.values() for row in of_fold]
    base = read_record(made_up(folder / "base"))
    total = len({sample for pairs in lists.val.values() for sample, _ in pairs})
    names = ("name", "title", "partition", "mask_rule")
    at: dict[str, Any] = {name: getattr(lists, name) for name in names}
    at |= {"folds": tuple(lists.folds), "present": total, "total": total}
    at |= {"lists_sha256": lists.digest(), "class_names_sha256": lists.names_digest()}
    update = {name: getattr(scores, name) for name in ("folds", "miou", "fb_iou", "ci95", "other")}
    update |= {"benchmark": base.benchmark.model_copy(update=at), "protocol": protocol, "shots": shots}
    update |= {"manifests_sha256": {fold: manifest.sha256 for fold, manifest in manifests.items()}}
    record = base.model_copy(update=update | {"counts_sha256": rows_digest(everything)})
    place = folder / record.folder()
    write_counts(place / "counts.parquet", everything)
    write_replicates(place / "bootstrap.parquet", scores.replicates)
    return write_record(place, record)


def _numbers(random: np.random.RandomState, least: int = 2000) -> list[int]:
    return [int(number) for number in random.randint(least - 1000, least, 40_000)]


def copied(path: Path, out: Path) -> Path:
    """A copy of a record below ``out``, at its place."""
    place = out / read_record(path).folder()
    shutil.copytree(path.parent, place)
    return place / "record.json"


def desk(benchmark: Benchmark | None, **options: Any) -> Desk:
    """A maintainer who has ``benchmark``, for records of its lists."""

    def find(record: fsbench.Record) -> Benchmark | None:
        fits = benchmark is not None and benchmark.digests.lists == record.benchmark.lists_sha256
        return benchmark if fits else None

    return Desk(find, **options)


def check(path: Path, benchmark: Benchmark | None = None, **options: Any) -> Report:
    """The report on a record, for a maintainer who has ``benchmark``."""
    return check_submission(path, desk(benchmark, **options))


def other_counts(path: Path, change: Callable[[list[Row]], Sequence[Row]]) -> None:
    """Change the counts, and their digest with them."""
    counts = path.parent / "counts.parquet"
    rows = list(change(read_counts(counts)))
    write_counts(counts, rows)
    altered(path, lambda said: said.update(counts_sha256=rows_digest(rows)))


def consistent(path: Path, benchmark: Benchmark) -> None:
    """Score the counts anew and write record and replicates to fit, as a forger who knows fsbench would."""
    record = read_record(path)
    sub = Submission(path, record, desk(benchmark))
    confused = {fold: confused_of(said) for fold, said in record.folds.items()}
    scores = compute_scores(sub.lists, sub.manifests, sub.rows, sub.protocol, confused)
    update = {name: getattr(scores, name) for name in ("folds", "miou", "fb_iou", "ci95", "other")}
    write_replicates(path.parent / "bootstrap.parquet", scores.replicates)
    write_record(path.parent, record.model_copy(update=update))


def mended(path: Path, change: Callable[[list[Row]], Sequence[Row]], benchmark: Benchmark) -> None:
    """Change the counts and everything that follows from them."""
    other_counts(path, change)
    consistent(path, benchmark)
