"""Made-up records of PASCAL-5i and COCO-20i in any number, to see how the leaderboard fares at scale.

They have the questions of the published lists, and every number in them follows from their counts, as after an
evaluation; only the answers are made up. Of each class there are ``LEVELS`` answers, from bad to good, and a model
takes one of them for each class. So the sums of what the bootstrap draws are computed once for all models of a board,
and the replicates of a model are exactly those that an evaluation would have left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array, csc_array

from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS, Protocol
from fsbench.index.fold_lists import FoldLists
from fsbench.index.published import published_lists
from fsbench.io.files import make_folder, sha256_text
from fsbench.models.contract import Prompts, TrainingCard
from fsbench.records.counts import SCHEMA
from fsbench.records.record import (
    ClassRecord,
    Environment,
    FoldRecord,
    Record,
    RecordedBenchmark,
    Timings,
)
from fsbench.records.recorded_model import RecordedModel
from fsbench.scoring.intervals import REPLICATES, Design, FloatArray, draw_totals, interval, over_folds
from fsbench.scoring.metrics import IntArray, benchmark_miou, score

LARGE = ("pascal-5i", "fsbench-v1", 1)
OTHERS = (
    ("pascal-5i", "fsbench-v1", 0),
    ("pascal-5i", "fsbench-v1", 5),
    ("pascal-5i", "hsnet", 1),
    ("coco-20i", "fsbench-v1-50", 1),
)
"""Benchmark, protocol and shots of the boards."""

LEVELS = 12
TRAINED_ON = ("VOC 2012 + SBD, other folds", "COCO 2014, other folds", "LAION-2B", "unknown", "none")
SEEN = ("test_images_seen", "novel_masks_seen", "novel_boxes_seen", "novel_image_labels_seen", "novel_image_text_seen")


@dataclass(frozen=True, eq=False)
class Board:
    """The questions of a board, and all answers that models choose from.

    ``counts``: what all records share of their counts, and ``lines``: how each line of its digest begins; ``folds``:
    fold -> its rows, as bool (E,), and its classes, as places among all classes in fold order; ``place`` (E,): of each
    row's class. ``intersection``, ``predicted``: int64 (LEVELS, E). ``drawn_intersection``, ``drawn_union``: sums of
    a class under each draw, float64 (classes, LEVELS, R); ``drawn_valid``: of all rows of a fold, (R,).
    """

    lists: FoldLists
    benchmark: RecordedBenchmark
    protocol: Protocol
    shots: int
    digests: dict[str, str]
    counts: pa.Table
    lines: list[str]
    folds: dict[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]]
    place: npt.NDArray[np.intp]
    intersection: IntArray
    predicted: IntArray
    drawn_intersection: FloatArray
    drawn_union: FloatArray
    drawn_valid: dict[str, FloatArray]


def make_board(benchmark: str, protocol_id: str, shots: int) -> Board:
    """Draw the questions, make up the answers, and draw the images."""
    lists, protocol = published_lists(benchmark), PROTOCOLS[protocol_id]
    assert lists is not None
    manifests = {fold: draw(lists, fold, protocol, shots, 0) for fold in lists.folds}
    digests = {fold: manifest.sha256 for fold, manifest in manifests.items()}
    rows = [
        (fold, number, question.query, question.image, question.class_ids[0])
        for fold, manifest in manifests.items()
        for number, question in enumerate(manifest.questions)
    ]
    order = [(fold, class_id) for fold, ids in lists.folds.items() for class_id in ids]
    place = np.array([order.index((row[0], row[4])) for row in rows])
    fold_of, class_folds = np.array([row[0] for row in rows]), np.array([fold for fold, _ in order])
    truth, valid, intersection, predicted = _answers([row[2:5:2] for row in rows], protocol.size or 433)
    design = Design.from_manifests([(row[0], *row[3:]) for row in rows], digests)
    sums = _sums_by_image(design, rows, place, valid, intersection, predicted + truth - intersection)
    cells = len(order) * LEVELS
    inter, union, in_fold = np.split(draw_totals(design, [sums], REPLICATES)[0], [cells, 2 * cells])
    nothing = np.zeros_like(truth)
    columns = [*zip(*rows, strict=True), nothing, nothing, truth, valid]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    return Board(
        lists=lists,
        benchmark=_recorded_benchmark(lists),
        protocol=protocol,
        shots=shots,
        digests=digests,
        counts=pa.table(arrays, schema=SCHEMA),
        lines=[" ".join(map(str, row)) for row in rows],
        folds={fold: (fold_of == fold, np.flatnonzero(class_folds == fold)) for fold in lists.folds},
        place=place,
        intersection=intersection,
        predicted=predicted,
        drawn_intersection=inter.reshape(len(order), LEVELS, -1),
        drawn_union=union.reshape(len(order), LEVELS, -1),
        drawn_valid=dict(zip(lists.folds, in_fold, strict=True)),
    )


def _recorded_benchmark(lists: FoldLists) -> RecordedBenchmark:
    samples = len({sample for pairs in lists.val.values() for sample, _ in pairs})
    return RecordedBenchmark(
        name=lists.name,
        title=lists.title,
        partial=False,
        present=samples,
        total=samples,
        partition=lists.partition,
        mask_rule=lists.mask_rule,
        class_names_sha256=lists.names_digest(),
        lists_sha256=lists.digest(),
        masks_sha256=sha256_text("masks"),
        sources_sha256=sha256_text("sources"),
        folds=tuple(lists.folds),
        builder_version="0.1.0",
    )


def _answers(pairs: Sequence[tuple[Any, ...]], side: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Truth and valid pixels (E,), intersections and predictions (LEVELS, E): the better the level, the more is right.

    A pair that is asked twice has one truth and may have two answers.
    """
    random = np.random.RandomState(20)
    places = {pair: n for n, pair in enumerate(dict.fromkeys(pairs))}
    share = np.minimum(np.exp(random.normal(math.log(0.06), 1.3, len(places))), 0.9)
    valid = np.full(len(pairs), side * side * 19 // 20, np.int64)
    truth = np.maximum(1, share[[places[pair] for pair in pairs]] * valid).astype(np.int64)
    right = np.linspace(0.1, 0.95, LEVELS)[:, None] ** random.uniform(0.2, 2.5, len(pairs))
    intersection = (truth * right).astype(np.int64)
    beside = np.minimum(truth * (1 - right) * random.uniform(0, 1.5, right.shape), valid - truth)
    return truth, valid, intersection, intersection + beside.astype(np.int64)


def _sums_by_image(
    design: Design, rows: Sequence[tuple[Any, ...]], place: IntArray, valid: IntArray, *answers: IntArray
) -> csc_array:
    """Per image: intersections of each (class, level), unions of each, and valid pixels of each fold."""
    column = {image: n for n, image in enumerate(design.images)}
    where = np.array([column[row[3]] for row in rows])
    cells = (place.max() + 1) * LEVELS
    at = [block * cells + place * LEVELS + level for block in range(2) for level in range(LEVELS)]
    at.append(2 * cells + np.array([design.folds.index(row[0]) for row in rows]))
    values = np.concatenate([*answers[0], *answers[1], valid])
    shape = (2 * cells + len(design.folds), len(design.images))
    return csc_array(coo_array((values, (np.concatenate(at), np.tile(where, len(at)))), shape=shape))


def write_records(folder: Path, records: int, others: int | None = None) -> int:
    """Write ``records`` records of the large board and ``others`` (a tenth as many) of other boards below ``folder``.

    The same at every call; returns how many were written.
    """
    others = records // 10 if others is None else others
    shares = [records, *(others // len(OTHERS) + (n < others % len(OTHERS)) for n in range(len(OTHERS)))]
    for questions, number in zip((LARGE, *OTHERS), shares, strict=True):
        if number:
            board = make_board(*questions)
            for n in range(number):
                _write_record(folder, board, n)
    return records + others


def _write_record(folder: Path, board: Board, number: int) -> None:
    """Write one record with its counts and replicates."""
    random = np.random.RandomState([20, number])
    levels = np.rint(random.normal(random.uniform(0, LEVELS), 1.5, len(board.drawn_union)))
    level = np.clip(levels, 0, LEVELS - 1).astype(np.intp)
    rows = np.arange(len(board.lines))
    inter, predicted = (of[level[board.place], rows] for of in (board.intersection, board.predicted))
    truth, valid = (board.counts[name].to_numpy() for name in ("truth", "valid"))
    columns = [board.counts["class_id"].to_numpy(), inter, predicted, truth, valid]
    drawn: dict[str, FloatArray] = {}
    folds = {}
    for fold, (here, classes) in board.folds.items():
        totals = [of[classes, level[classes]] for of in (board.drawn_intersection, board.drawn_union)]
        drawn[f"miou_fold{fold}"] = _miou(*totals)
        drawn[f"fb_iou_fold{fold}"] = _fb_iou(totals[0].sum(axis=0), totals[1].sum(axis=0), board.drawn_valid[fold])
        vanished = int(np.count_nonzero((totals[1] == 0).any(axis=0)))
        of_fold = [column[here] for column in columns]
        folds[fold] = _fold_record(board, fold, of_fold, interval(drawn[f"miou_fold{fold}"]), vanished)
    names = [f"{name}_fold{fold}" for name in ("miou", "fb_iou") for fold in folds]
    drawn |= {name: over_folds([drawn[f"{name}_fold{fold}"] for fold in folds]) for name in ("miou", "fb_iou")}
    ends = zip(board.lines, *(column.tolist() for column in columns[1:]), strict=True)
    digest = sha256_text("".join(f"{line} {i} {p} {t} {v}\n" for line, i, p, t, v in ends))
    record = _record(board, number, folds, interval(drawn["miou"]), digest)
    at = make_folder(folder / record.folder())
    counts = board.counts.set_column(5, SCHEMA.field(5), pa.array(inter))
    counts = counts.set_column(6, SCHEMA.field(6), pa.array(predicted))
    replicates = pa.table({name: drawn[name] for name in [*names, "miou", "fb_iou"]})
    pq.write_table(counts, at / "counts.parquet", compression="zstd")
    pq.write_table(replicates, at / "bootstrap.parquet", compression="zstd")
    (at / "record.json").write_text(record.json_text(), encoding="utf-8", newline="")


def _miou(intersection: FloatArray, union: FloatArray) -> FloatArray:
    """mIoU (R,) of sums (classes, R), added up in the order of ``fsbench.scoring.intervals``."""
    total = np.zeros(union.shape[1])
    for inter, of in zip(intersection, union, strict=True):
        total += inter / np.maximum(of, 1)
    mean: FloatArray = total / np.maximum((union > 0).sum(axis=0), 1)
    return mean


def _fb_iou(intersection: FloatArray, union: FloatArray, valid: FloatArray) -> FloatArray:
    return (intersection / np.maximum(union, 1) + (valid - union) / np.maximum(valid - intersection, 1)) / 2


def _fold_record(
    board: Board, fold: str, columns: Sequence[IntArray], ci95: tuple[float, float] | None, vanished: int
) -> FoldRecord:
    scored = score(*columns, fold_classes=board.lists.folds[fold], empty=board.protocol.empty)
    keys = {c.id: c.key for c in board.lists.classes}
    return FoldRecord(
        miou=scored.miou,
        fb_iou=scored.fb_iou,
        ci95=ci95,
        episodes=len(columns[0]),
        asked=len(columns[0]),
        drawn=len(columns[0]),
        manifest_sha256=board.digests[fold],
        left_out=(),
        vanished_replicates=vanished,
        classes={keys[c.class_id]: ClassRecord(**vars(c)) for c in scored.classes},
    )


def _record(
    board: Board, number: int, folds: dict[str, FoldRecord], ci95: tuple[float, float] | None, counts_sha256: str
) -> Record:
    random = np.random.RandomState([21, number])
    trained = int(random.randint(1, 500)) * 100_000
    kind: Prompts = ("mask" if number % 2 else "both") if board.shots else "text"
    seen = dict(zip(SEEN, random.choice(["yes", "no", "unknown"], len(SEEN)).tolist(), strict=True))
    return Record(
        schema="fsbench-record/1",
        evidence="counts",
        model=RecordedModel(
            name=f"made-up-{number:05d}",
            prompts=kind,
            description="Made up, to see how the leaderboard fares.",
            trained_parameters=trained,
            total_parameters=trained + 86_000_000,
            licence=("MIT", "Apache-2.0", "unknown")[number % 3],
            url=f"https://example.org/made-up/{number}",
            example=number % 50 == 49,
            training={"*": TrainingCard(training_data=TRAINED_ON[number % len(TRAINED_ON)], **seen)},
            options={"threshold": f"0.{number % 10}"},
            precision="float32",
            config8=sha256_text(f"{kind} {number}")[:8],
            contaminated=number % 50 == 48,
        ),
        benchmark=board.benchmark,
        protocol=board.protocol.id,
        modified=(),
        shots=board.shots,
        seed=0,
        limit=None,
        folds=folds,
        miou=benchmark_miou({fold: said.miou for fold, said in folds.items()}, list(folds)),
        fb_iou=benchmark_miou({fold: said.fb_iou for fold, said in folds.items()}, list(folds)),
        ci95=ci95,
        manifests_sha256=board.digests,
        counts_sha256=counts_sha256,
        environment=Environment(
            fsbench="0.1.0",
            git_commit=None,
            git_dirty=None,
            python="3.11.0",
            torch="2.4.0",
            numpy="2.0.0",
            pillow="10.3.0",
            platform="made-up",
            processor="made-up",
            device=("cpu", "cuda")[number % 2],
            threads=1,
            batch_size=8,
        ),
        timings=Timings(
            seconds=len(board.lines) / 10,
            model_seconds=len(board.lines) * float(random.uniform(0.005, 0.09)),
            images_per_second=10,
            peak_memory_mib=1000,
            workers=2,
        ),
    )
