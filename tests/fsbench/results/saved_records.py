"""Records made of numbers alone: any counts become a record with its files, as an evaluation would have left them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fsbench.episodes.manifest import Question
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.records.counts import Row, rows_digest, write_counts
from fsbench.records.record import Environment, Record, RecordedBenchmark, Timings, write_record
from fsbench.records.recorded_model import RecordedModel
from fsbench.results.read_back import AskedBefore
from fsbench.scoring.scores import compute_scores, write_replicates
from tests.fsbench.sample_models import digest

Episode = tuple[str, int, int, int, int, int]
"""image, class, intersection, predicted, truth, valid"""


def write_stored(
    folder: Path,
    asked: Mapping[str, Sequence[Episode]],
    classes: Mapping[str, Sequence[int]],
    *,
    protocol: str = "fsbench-v1",
    run: Sequence[str] | None = None,
    seed: int = 0,
    imagewise: bool = False,
    model: str = "made-up",
) -> Path:
    """Write a record of the folds in ``run`` (default all) into ``folder``; returns its ``record.json``.

    ``asked``: the episodes of all folds; ``classes``: fold -> class ids, whose keys are ``class_<id>``.
    """
    lists = FoldLists(
        name="made-up",
        title="made-up",
        partition="blocks",
        mask_rule="grey-128",
        classes=tuple(ClassName(c, f"class_{c}", f"class {c}") for ids in classes.values() for c in ids),
        folds={fold: tuple(ids) for fold, ids in classes.items()},
        val={},
        train={},
    )
    rows = {
        fold: [Row(fold, number, e[0], e[0], *e[1:]) for number, e in enumerate(asked[fold])]
        for fold in classes
        if run is None or fold in run
    }
    manifests = {
        fold: AskedBefore(
            "made-up",
            fold,
            protocol,
            0,
            seed,
            tuple(Question(e[0], (e[1],), ()) for e in asked[fold]),
            len(asked[fold]),
            digest=digest(f"{seed} {fold} {[e[:2] for e in asked[fold]]}"),
        )
        for fold in classes
    }
    scores = compute_scores(lists, manifests, rows, PROTOCOLS[protocol], imagewise=imagewise)
    everything = [row for of_fold in rows.values() for row in of_fold]
    record = Record(
        schema="fsbench-record/1",
        evidence="counts",
        model=RecordedModel(
            name=model, prompts="none", options={}, precision="float32", config8="0" * 8, contaminated=False
        ),
        benchmark=RecordedBenchmark(
            name="made-up",
            title="made-up",
            partial=False,
            present=1,
            total=1,
            partition="blocks",
            mask_rule="grey-128",
            class_names_sha256=digest("names"),
            lists_sha256=digest("lists"),
            masks_sha256=digest("masks"),
            sources_sha256=digest("sources"),
            folds=tuple(classes),
            builder_version="0",
        ),
        protocol=protocol,
        modified=(),
        shots=0,
        seed=seed,
        limit=None,
        folds=scores.folds,
        miou=scores.miou,
        fb_iou=scores.fb_iou,
        ci95=scores.ci95,
        other=scores.other,
        manifests_sha256={fold: manifest.sha256 for fold, manifest in manifests.items()},
        counts_sha256=rows_digest(everything),
        environment=Environment(
            fsbench="0",
            git_commit=None,
            git_dirty=None,
            python="0",
            torch="0",
            numpy="0",
            pillow="0",
            platform="none",
            processor="none",
            device="cpu",
            threads=1,
            batch_size=1,
        ),
        timings=Timings(seconds=0, model_seconds=0, images_per_second=0, peak_memory_mib=0, workers=1),
    )
    write_counts(folder / "counts.parquet", everything)
    write_replicates(folder / "bootstrap.parquet", scores.replicates)
    return write_record(folder, record)


def altered(path: Path, change: Callable[[Any], object]) -> None:
    """Alter the fields of a record on disk."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    change(fields)
    path.write_text(json.dumps(fields), encoding="utf-8")
