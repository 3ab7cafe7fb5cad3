"""Asks the questions of one fold and counts the answers.

Photographs are read ahead by worker threads; the model runs in the caller's thread; truths are read and counted by
the workers after the model has answered. Batches are fixed by the manifest and results are kept in batch order, so
neither the number of workers nor a kill changes a count.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from fsbench.engine.answers import AnswerSource, Asked
from fsbench.engine.batches import Batch, cut, read_episodes
from fsbench.engine.outputs import BadAnswerError, Labels, Masks, read_answer
from fsbench.engine.prediction_files import prediction_file, write_prediction
from fsbench.engine.reading import Reader, at_size
from fsbench.episodes.manifest import Manifest, Question
from fsbench.episodes.protocols import Protocol
from fsbench.errors import FsbenchError, ModelError
from fsbench.index.benchmark import Benchmark
from fsbench.io.resize import Size
from fsbench.models.contract import Episode
from fsbench.records.counts import ABSENT, BACKGROUND, Confused, CountLog, DoneBatch, Row
from fsbench.records.score_stats import NO_SCORES, ScoreStats, total
from fsbench.scoring.confusion import added, confusion, counts_of, sparse
from fsbench.scoring.metrics import Counts, count
from fsbench.scoring.scenes import count_scene, fits

T = TypeVar("T")
ENOUGH = 8
"""Episodes after which a model's scores can be judged."""
_WROTE = (
    "model {model}, fold {fold}, {where}: segment wrote into {which}, which other episodes show as well: clone() it "
    "before changing it"
)


@dataclass(frozen=True)
class FoldResult:
    """The counts of one fold: rows by episode and class, and the confusion where classes are asked together.

    ``scores``: statistics of the scores that were counted.
    """

    rows: list[Row]
    confused: list[Confused]
    scores: ScoreStats = NO_SCORES


@dataclass
class Spent:
    """Seconds of a run's parts; ``waiting``: of the model for photographs, while worker threads read and count."""

    reading: float = 0.0
    waiting: float = 0.0
    model: float = 0.0
    counting: float = 0.0


@dataclass(frozen=True)
class FoldRun:
    """One fold to run: its questions, who answers, and how.

    ``predictions``: the folder in which masks are kept. ``watch``: called with the statistics of the fold's scores so
    far, after every batch from the ``ENOUGH``-th episode on. ``spent``: is added to.
    ``pinned``: as for ``read_episodes``.
    """

    reader: Reader
    protocol: Protocol
    manifest: Manifest
    answers: AnswerSource
    batch_size: int
    workers: int
    predictions: Path | None = None
    watch: Callable[[ScoreStats], None] = lambda scores: None
    spent: Spent = field(default_factory=Spent)
    pinned: bool = False

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark that is read."""
        return self.reader.benchmark

    @property
    def one_class(self) -> bool:
        """Whether an episode asks one class; else a pixel has one label of several."""
        return self.protocol.asks == "class"


def run_fold(run: FoldRun, log: CountLog, advance: Callable[[int], None]) -> FoldResult:
    """Answer and count every episode of the fold that is not in ``log`` yet; returns the counts of all of them.

    Raises FsbenchError for a file that cannot be read and ModelError for an invalid answer; what was counted until
    then stays in the log.
    """
    todo = unanswered(run, log)
    advance(len(run.manifest.questions) - sum(len(batch.numbers) for batch in todo))
    answer_batches(run, todo, log, advance)
    return result(run, log)


def unanswered(run: FoldRun, log: CountLog) -> list[Batch]:
    """The batches that are not in the log."""
    return [batch for batch in cut(run.manifest, run.batch_size) if not _is_done(run, batch, log)]


def answer_batches(run: FoldRun, todo: Sequence[Batch], log: CountLog, advance: Callable[[int], None]) -> None:
    """Answer and count ``todo``, and append each batch to the log; raises as ``run_fold``."""
    pool = ThreadPoolExecutor(max(1, run.workers), thread_name_prefix="fsbench")
    try:
        _run_batches(run, todo, pool, log, advance)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    _check_pixels(run, log)


def result(run: FoldRun, log: CountLog) -> FoldResult:
    """The counts of a fold whose batches are all in the log."""
    done = [log.done[batch.index] for batch in cut(run.manifest, run.batch_size)]
    rows = [row for of_batch in done for row in of_batch.rows]
    confused = added(of_batch.confused for of_batch in done)
    return FoldResult(sorted(rows, key=lambda row: row.number), confused, total(of_batch.scores for of_batch in done))


def _is_done(run: FoldRun, batch: Batch, log: CountLog) -> bool:
    """Whether the log holds this batch: exactly its episodes and classes, with counts that a mask can have."""
    if batch.index not in log.done:
        return False
    rows = log.done[batch.index].rows
    expected = [
        (run.manifest.fold, number, question.query, question.image, class_id)
        for number, question in zip(batch.numbers, _questions(run, batch), strict=True)
        for class_id in (question.class_ids if run.one_class else (BACKGROUND, *question.class_ids))
    ]
    there = {row[:5] for row in rows}
    # classes asked together have a row where they are true or predicted, the background always
    must = [key for key in expected if run.one_class or key[4] == BACKGROUND]
    return (
        [row[:5] for row in rows] == [key for key in expected if key in there]
        and there.issuperset(must)
        and all(
            0 <= row.intersection <= min(row.predicted, row.truth)
            and row.predicted + row.truth - row.intersection <= row.valid < 2**40
            and fits(row, run.protocol.tiles)
            for row in rows
        )
    )


class _Job(Generic[T]):
    """Work for the pool that the caller may take over while it would only wait."""

    def __init__(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> None:
        self._work = work
        self._future = pool.submit(work)

    @property
    def done(self) -> bool:
        return self._future.done()

    def take_over(self) -> bool:
        """Do the work here and now unless a thread has begun it; an error is kept for ``result``."""
        if not self._future.cancel():
            return False
        self._future = Future()
        try:
            self._future.set_result(self._work())
        except FsbenchError as error:
            self._future.set_exception(error)
        return True

    def result(self) -> T:
        return self._future.result()


def _run_batches(
    run: FoldRun, todo: Sequence[Batch], pool: ThreadPoolExecutor, log: CountLog, advance: Callable[[int], None]
) -> None:
    ahead, spent = run.workers + 1, run.spent
    loading = deque(_Job(pool, partial(_load, run, batch)) for batch in todo[:ahead])
    counting: deque[tuple[Batch, float, _Job[tuple[FoldResult, float]]]] = deque()
    so_far = total(done.scores for done in log.done.values())
    answered = len(run.manifest.questions) - sum(len(batch.numbers) for batch in todo)
    clock = time.perf_counter()

    def keep_oldest() -> None:
        nonlocal clock
        batch, model_seconds, job = counting.popleft()
        done, seconds = job.result()
        spent.counting += seconds
        now = time.perf_counter()
        log.append(batch.index, DoneBatch(done.rows, now - clock, model_seconds, done.confused, done.scores))
        clock = now
        advance(len(batch.numbers))

    for position, batch in enumerate(todo):
        arrived = time.perf_counter()
        while not loading[0].done and (
            any(job.take_over() for _, _, job in counting) or any(job.take_over() for job in loading)
        ):
            pass
        episodes, seconds = loading.popleft().result()
        if position + ahead < len(todo):
            loading.append(_Job(pool, partial(_load, run, todo[position + ahead])))
        began = time.perf_counter()
        masks, scores = answer_batch(run, batch, episodes)
        _check_unwritten(run, batch, episodes)
        model_seconds = time.perf_counter() - began
        spent.reading, spent.waiting = spent.reading + seconds, spent.waiting + began - arrived
        spent.model += model_seconds
        counting.append((batch, model_seconds, _Job(pool, partial(_keep_and_count, run, batch, masks, scores))))
        so_far, answered = total([so_far, scores]), answered + len(batch.numbers)
        if answered >= ENOUGH:
            run.watch(so_far)
        while counting and (len(counting) > ahead or counting[0][2].done):
            keep_oldest()
    while counting:
        keep_oldest()


def _questions(run: FoldRun, batch: Batch) -> list[Question]:
    return [run.manifest.questions[number] for number in batch.numbers]


def _load(run: FoldRun, batch: Batch) -> tuple[list[Episode], float]:
    if not run.answers.needs_photographs:
        return [], 0.0
    began = time.perf_counter()
    episodes = read_episodes(run.reader, run.protocol, _questions(run, batch), pinned=run.pinned)
    return episodes, time.perf_counter() - began


def _sizes(run: FoldRun, question: Question) -> tuple[Size, Size]:
    sample = run.benchmark.samples[question.query]
    own = (sample.height, sample.width)
    return own, own if run.protocol.size is None else (run.protocol.size, run.protocol.size)


def answer_batch(run: FoldRun, batch: Batch, episodes: Sequence[Episode]) -> tuple[list[Masks | Labels], ScoreStats]:
    """The answers at the size compared, bool 1 x h x w, or uint8 h x w where classes are asked together; their scores.

    Raises ModelError for an invalid answer.
    """
    questions = _questions(run, batch)
    asked = [Asked(n, len(question.class_ids)) for n, question in zip(batch.numbers, questions, strict=True)]
    masks: list[Masks | Labels] = []
    scores = []
    for number, question, answer in zip(batch.numbers, questions, run.answers.answer(asked, episodes), strict=True):
        own, target = _sizes(run, question)
        try:
            read = read_answer(answer, len(question.class_ids), own, target)
        except BadAnswerError as error:
            fold = run.manifest.fold
            raise ModelError(
                f"model {run.answers.card.name}, fold {fold} episode {number} (query {question.query}): {error}"
            ) from error
        masks.append(read.masks() if run.one_class else read.labels())
        scores.append(read.stats)
    return masks, total(scores)


def _keep_and_count(
    run: FoldRun, batch: Batch, answers: Sequence[Masks | Labels], scores: ScoreStats
) -> tuple[FoldResult, float]:
    began = time.perf_counter()
    if run.predictions is not None:
        for number, question, answer in zip(batch.numbers, _questions(run, batch), answers, strict=True):
            mask = answer[0] if run.one_class else answer
            write_prediction(prediction_file(run.predictions, number), mask, len(question.class_ids))
    return replace(count_batch(run, batch, answers), scores=scores), time.perf_counter() - began


def _check_unwritten(run: FoldRun, batch: Batch, episodes: Sequence[Episode]) -> None:
    """Raise ModelError where torch has counted a write into a photograph: others are shown the same memory."""
    for number, episode in zip(batch.numbers, episodes, strict=False):
        for image in (episode.image, *(image for prompt in episode.prompts for image in prompt.support_images)):
            if not image.is_inference() and image._version:
                raise ModelError(
                    _WROTE.format(
                        model=run.answers.card.name,
                        fold=run.manifest.fold,
                        where=f"episode {number}",
                        which="a photograph",
                    )
                )


def _check_pixels(run: FoldRun, log: CountLog) -> None:
    """Raise ModelError, and forget the log, where photographs are no longer what was read."""
    if altered := run.reader.altered():
        log.forget()
        which = f"{len(altered)} photographs, first {altered[0]}"
        raise ModelError(
            _WROTE.format(
                model=run.answers.card.name, fold=run.manifest.fold, where="its counts are dropped", which=which
            )
        )


def count_batch(run: FoldRun, batch: Batch, answers: Sequence[Masks | Labels]) -> FoldResult:
    """The counts of answers as ``answer_batch`` gives them; raises FsbenchError for a truth that cannot be read."""
    rows: list[Row] = []
    confused: list[list[Confused]] = []
    objects: dict[str, Labels] = {}  # a scene is read once for all that is asked of it
    for number, question, answer in zip(batch.numbers, _questions(run, batch), answers, strict=True):
        _, target = _sizes(run, question)
        if run.protocol.tiles is not None:
            if question.query not in objects:
                objects = {question.query: run.benchmark.objects(question.query)}
            rows.append(_count_scene(run, number, question, answer[0], objects[question.query]))
            continue
        if run.one_class:
            counted = {c: _count_class(run, question.query, c, answer[0], target) for c in question.class_ids}
        else:
            labels = at_size(run.benchmark.labels(question.query, question.class_ids), target)
            matrix = confusion(answer.astype(np.uint8, copy=False), labels, len(question.class_ids))
            confused.append(sparse(matrix, question.class_ids))
            counted = counts_of(matrix, question.class_ids)
        key = (run.manifest.fold, number, question.query, question.image)
        rows += [Row(*key, class_id, *astuple(c)) for class_id, c in counted.items()]
    return FoldResult(rows, added(confused))


def _count_scene(run: FoldRun, number: int, question: Question, mask: Masks, objects: Labels) -> Row:
    scenes = run.benchmark.lists.scenes
    assert scenes is not None
    tiles = scenes.tiles[question.query]
    position = ABSENT if question.source is None else tiles.index(question.source)
    c = count(mask, (objects == position + 1).view(np.uint8) if question.source else np.zeros_like(objects))
    key = (run.manifest.fold, number, question.query, question.image, question.class_ids[0])
    scene = count_scene(mask, objects, len(tiles), position)
    return Row(*key, c.intersection, c.predicted, c.truth, c.valid, scene)


def _count_class(run: FoldRun, query: str, class_id: int, mask: Masks, target: Size) -> Counts:
    counted = count(mask, run.reader.truth(query, class_id, target))
    return Counts(0, 0, 0, 0) if run.protocol.skip_vanished and counted.truth == 0 else counted
