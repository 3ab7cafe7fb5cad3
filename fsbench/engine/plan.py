"""The plan of an evaluation, made before any photograph is read: the model, the questions, the record's folder.

Faults of a request are found here, in one line each; what an existing record forbids, in ``evaluate.py``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fsbench.engine.answers import AnswerSource, PredictionAnswers
from fsbench.engine.loaded_model import (
    LoadedModel,
    check_contamination,
    check_shots,
    default_shots,
    joined_card,
    recorded_model,
)
from fsbench.engine.reading import CACHE_MIB
from fsbench.episodes.draws import draw
from fsbench.episodes.manifest import Manifest
from fsbench.episodes.protocols import Protocol, default_protocol, protocol_named
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.parallel import processors
from fsbench.records.environment import resolve_device
from fsbench.records.record import OTHER_MASKS, PRESENT, RecordedBenchmark, record_folder
from fsbench.records.recorded_model import RecordedModel

RANKS = "WORLD_SIZE"
"""Set by ``torchrun``. There torch has one thread by default, since the record's bytes must not depend on the ranks."""
RANGES = {
    "shots": (0, 1000),
    "seed": (0, 2**32 - 1),
    "run": (0, 1000),
    "limit": (1, 10**9),
    "batch_size": (1, 10**6),
    "threads": (1, 1024),
    "workers": (1, 1024),
    "cache_mib": (0, 2**20),
}
"""Least and largest of each number that can be asked for."""


@dataclass(frozen=True)
class Questions:
    """Which questions are asked, and how: everything but the model and the benchmark. See ``fsbench evaluate``.

    ``protocol``: None for the benchmark's own.
    """

    folds: tuple[str, ...] | None = None
    protocol: str | None = None
    shots: int | None = None
    seed: int = 0
    run: int = 0
    limit: int | None = None
    draw_from_present: bool = False
    contaminated: bool = False
    device: str = "auto"
    batch_size: int = 8
    threads: int | None = None
    workers: int | None = None
    cache_mib: int = CACHE_MIB

    def check(self) -> None:
        """Raise FsbenchError for numbers out of range and an unknown protocol."""
        if self.protocol is not None:
            protocol_named(self.protocol)
        for name, (smallest, largest) in RANGES.items():
            value = getattr(self, name)
            if value is None and name not in ("seed", "run", "batch_size"):
                continue
            if not isinstance(value, int) or not smallest <= value <= largest:
                flag = f"--{name.replace('_', '-')} {value}"
                raise FsbenchError(f"{flag}: must be a whole number from {smallest} to {largest}")


@dataclass(frozen=True)
class Plan:
    """An evaluation that can start.

    ``manifests``: of all folds of the benchmark; ``drawn``: the same before ``--limit``; ``answers``: of those to be
    run.
    """

    benchmark: Benchmark
    protocol: Protocol
    questions: Questions
    shots: int
    device: str
    threads: int
    workers: int
    manifests: Mapping[str, Manifest]
    drawn: Mapping[str, Manifest]
    answers: Mapping[str, AnswerSource]
    model: RecordedModel
    recorded_benchmark: RecordedBenchmark
    modified: tuple[str, ...]
    folder: Path


def make_plan(
    loaded: LoadedModel,
    benchmark: str | Path | Benchmark,
    questions: Questions,
    out: Path,
    *,
    root: Path | None = None,
    beside_masks: bool = False,
) -> Plan:
    """Settle an evaluation; reads the benchmark's index and nothing of the raw data.

    ``beside_masks``: whether a mask-prompted model is evaluated in the same table. Raises FsbenchError for
    everything that can be wrong before the first photograph is read.
    """
    questions.check()
    if loaded.single is not None and questions.shots is not None:
        check_shots(loaded.single.card, questions.shots)
    if not isinstance(benchmark, Benchmark):
        benchmark = open_benchmark(benchmark, root=root)
    lists = benchmark.lists
    protocol = default_protocol(lists) if questions.protocol is None else protocol_named(questions.protocol)
    asked = [lists.check_fold(fold) for fold in (lists.folds if questions.folds is None else questions.folds)]
    folds = [fold for fold in lists.folds if fold in asked]
    if not folds:
        raise FsbenchError(f"no fold is asked: choose from {', '.join(lists.folds)}, or all")
    answers = {fold: loaded.answers(fold) for fold in folds}
    card = joined_card(loaded, answers)
    shots = questions.shots
    if shots is None:
        shots = max(default_shots(card, beside_masks), protocol.rule(lists.name).least_shots)
    check_shots(card, shots)
    contaminated = check_contamination(card, lists, folds, questions.contaminated)
    drawn = {
        fold: draw(
            lists,
            fold,
            protocol,
            shots,
            questions.seed,
            run=questions.run,
            present=benchmark.present if benchmark.partial else None,
            draw_from_present=questions.draw_from_present,
        )
        for fold in lists.folds
    }
    manifests = {fold: manifest.limited(questions.limit) for fold, manifest in drawn.items()}
    square = None if protocol.size is None else (protocol.size, protocol.size)
    for fold in folds:
        if not manifests[fold].questions:
            raise FsbenchError(f"{benchmark.title} fold {fold}: not one episode of {protocol.id} has all its files")
        of_fold = answers[fold]
        if isinstance(of_fold, PredictionAnswers):
            sizes = {s.id: (s.height, s.width) for s in benchmark.samples.values()}
            of_fold.check(manifests[fold], drawn[fold], sizes, square)
    model = recorded_model(loaded, card, contaminated)
    modified = _modified(questions, protocol, benchmark)
    setting = (model, lists.name, protocol.id, shots, questions.seed, questions.run, questions.limit, modified)
    return Plan(
        benchmark=benchmark,
        protocol=protocol,
        questions=questions,
        shots=shots,
        device=resolve_device(questions.device),
        threads=questions.threads or (1 if RANKS in os.environ else processors()),
        workers=questions.workers or max(1, min(8, processors() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))),
        manifests=manifests,
        drawn=drawn,
        answers=answers,
        model=model,
        recorded_benchmark=_recorded_benchmark(benchmark),
        modified=modified,
        folder=out / record_folder(*setting),
    )


def _modified(questions: Questions, protocol: Protocol, benchmark: Benchmark) -> tuple[str, ...]:
    modified = [] if questions.limit is None else [f"limit={questions.limit}"]
    if questions.draw_from_present and protocol.published_draw and benchmark.partial:
        modified.append(PRESENT)
    if protocol.other_masks(benchmark.lists.mask_rule):
        modified.append(f"{OTHER_MASKS}{benchmark.lists.mask_rule}")
    return tuple(modified)


def _recorded_benchmark(benchmark: Benchmark) -> RecordedBenchmark:
    lists, digests = benchmark.lists, benchmark.digests
    return RecordedBenchmark(
        name=lists.name,
        title=benchmark.title,
        partial=benchmark.partial,
        present=benchmark.counts["val_present"],
        total=benchmark.counts["val_total"],
        partition=lists.partition,
        mask_rule=lists.mask_rule,
        class_names_sha256=lists.names_digest(),
        lists_sha256=digests.lists,
        masks_sha256=digests.masks,
        sources_sha256=digests.sources,
        folds=tuple(lists.folds),
        builder_version=benchmark.builder_version,
        without_mask=lists.without_mask,
    )
