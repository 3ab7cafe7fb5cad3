"""Answers the folds of a plan, by one process or by several that deal its batches out among themselves.

Batches are cut from the manifest before they are dealt, so a model sees the same ones for any number of ranks. A rank
appends what it counted to a log of its own; the first one joins the logs, at the end and after a kill.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fsbench.engine.batches import cut
from fsbench.engine.fold_run import FoldResult, FoldRun, Spent, answer_batches, result, unanswered
from fsbench.engine.plan import Plan
from fsbench.engine.prediction_files import begin_fold, fold_folder
from fsbench.engine.ranks import Ranks
from fsbench.engine.reading import Reader
from fsbench.errors import FsbenchError
from fsbench.progress import progress
from fsbench.records.counts import CountLog, is_free, remove_log
from fsbench.records.environment import peak_memory_mib, timings
from fsbench.records.folder import log_path, predictions_in, record_locked, remove_predictions
from fsbench.records.record import Timings
from fsbench.records.remarks import ScoreWatch
from fsbench.version import __version__

WORTH_TELLING = 10.0
"""Seconds after which a run says where they went."""


def answer_folds(
    plan: Plan, save_predictions: bool, reader: Reader, ranks: Ranks, logs: Mapping[str, CountLog]
) -> tuple[dict[str, FoldResult], Timings]:
    """Answer what is not in the ``logs`` yet, with the other ranks; returns the counts of their folds. For rank 0."""
    watch, spent = ScoreWatch(plan.model.name), Spent()
    runs = _runs(plan, logs, save_predictions, reader, spent, watch)
    for fold, log in logs.items():
        kept_in = fold_folder(predictions_in(plan.folder), fold)
        if save_predictions:
            begin_fold(kept_in, plan.drawn[fold].sha256, resume=bool(log.done))
        else:
            remove_predictions(kept_in)
    todo = {fold: [batch.index for batch in unanswered(runs[fold], log)] for fold, log in logs.items()}
    ranks.share(json.dumps({"todo": todo, "logs": {fold: log.run for fold, log in logs.items()}}))
    _answer(plan, runs, logs, todo, ranks)
    took = [sum(done.seconds for log in logs.values() for done in log.done.values())]
    ranks.wait(partial(_is_at_work, plan, logs))
    of_ranks = dict.fromkeys(range(1, ranks.size), 0.0)
    with record_locked(plan.folder):
        for fold, log in logs.items():
            for rank in of_ranks:
                of_ranks[rank] += join_logs(log, [log_path(plan.folder, fold, rank)])
    results = {fold: result(runs[fold], log) for fold, log in logs.items()}
    for of_fold in results.values():
        watch(of_fold.scores)
    seconds = max([*took, *of_ranks.values()])
    model_seconds = sum(done.model_seconds for log in logs.values() for done in log.done.values())
    answered = sum(len({row.number for row in of_fold.rows}) for of_fold in results.values())
    if seconds >= WORTH_TELLING:
        _print_parts(seconds, spent, ranks)
    return results, timings(seconds, model_seconds, answered, plan.workers, peak_memory_mib())


def answer_share(plan: Plan, save_predictions: bool, reader: Reader, ranks: Ranks) -> None:
    """Answer this rank's share of what rank 0 has still to do, and log it. For the ranks after the first."""
    said: dict[str, Any] = json.loads(ranks.share())
    with ExitStack() as at_work:
        with record_locked(plan.folder):
            for fold, run in said["logs"].items():
                _check_same(plan, fold, run)
            logs = {
                fold: at_work.enter_context(CountLog(log_path(plan.folder, fold, ranks.rank), run))
                for fold, run in said["logs"].items()
            }
        _answer(plan, _runs(plan, logs, save_predictions, reader, Spent()), logs, said["todo"], ranks)
    ranks.wait(partial(_is_at_work, plan, logs))


def _is_at_work(plan: Plan, folds: Iterable[str], rank: int) -> bool:
    """Whether a rank holds its logs."""
    return not all(is_free(log_path(plan.folder, fold, rank)) for fold in folds)


def _check_same(plan: Plan, fold: str, run: Mapping[str, Any]) -> None:
    """Raise FsbenchError unless rank 0 evaluates the same in the same place; ``run``: what identifies its log."""
    import torch

    if not log_path(plan.folder, fold).exists():
        raise FsbenchError(
            f"{plan.folder}: what rank 0 writes is not here: give all ranks the same --out, on a disk that all "
            "machines share"
        )
    own = {
        "manifest": plan.manifests[fold].sha256,
        "masks": plan.benchmark.digests.masks,
        "sources": plan.benchmark.digests.sources,
        "model": plan.model.model_dump(mode="json"),
        "fsbench": __version__,
        "torch": torch.__version__,
    }
    of_first = {**run, **run["environment"]}
    for name, value in own.items():
        if of_first[name] != value:
            raise FsbenchError(f"{name} is not that of rank 0: start all ranks with the same command and software")


def join_logs(log: CountLog, others: Iterable[Path]) -> float:
    """Move what ranks have logged into ``log``; returns the seconds it took them. The record's lock must be held.

    Raises FsbenchError where a rank is still at work.
    """
    seconds = 0.0
    for path in others:
        if not path.exists():
            continue
        with CountLog(path, log.run) as other:
            seconds += sum(done.seconds for done in other.done.values())
            for batch, done in other.done.items():
                if batch not in log.done:
                    log.append(batch, done)
        log.sync()
        remove_log(path)
    return seconds


def _runs(
    plan: Plan,
    folds: Iterable[str],
    save_predictions: bool,
    reader: Reader,
    spent: Spent,
    watch: Callable[..., None] = lambda scores: None,
) -> dict[str, FoldRun]:
    return {
        fold: FoldRun(
            reader,
            plan.protocol,
            plan.manifests[fold],
            plan.answers[fold],
            plan.questions.batch_size,
            plan.workers,
            fold_folder(predictions_in(plan.folder), fold) if save_predictions else None,
            watch,
            spent,
            pinned=plan.device.startswith("cuda"),
        )
        for fold in folds
    }


def _answer(
    plan: Plan,
    runs: Mapping[str, FoldRun],
    logs: Mapping[str, CountLog],
    todo: Mapping[str, list[int]],
    ranks: Ranks,
) -> None:
    """Answer this rank's batches of all folds."""
    prepared: set[int] = set()
    title = f"{plan.model.name} · {plan.benchmark.title}" + (f" · {ranks.size} ranks" if ranks.size > 1 else "")
    total = sum(len(plan.manifests[fold].questions) for fold in runs)
    with progress(title, total, visible=ranks.first) as advance:
        for fold, run in runs.items():
            if id(run.answers) not in prepared:
                prepared.add(id(run.answers))
                run.answers.prepare(ranks.device(plan.device))
            batches = cut(run.manifest, run.batch_size)
            share = [batches[index] for index in todo[fold][ranks.rank :: ranks.size]]
            left = sum(len(batches[index].numbers) for index in todo[fold])
            advance(len(run.manifest.questions) - left)
            answer_batches(run, share, logs[fold], lambda episodes: advance(episodes * ranks.size))


def _print_parts(seconds: float, spent: Spent, ranks: Ranks) -> None:
    """Say where the time went."""
    parts = f"model {spent.model:.1f} s, waiting for photographs {spent.waiting:.1f} s"
    beside = f"beside it: reading {spent.reading:.1f} s, counting {spent.counting:.1f} s"
    who = f"rank 0 of {ranks.size}: " if ranks.size > 1 else ""
    print(f"fsbench: {seconds:.1f} s: {who}{parts}; {beside}", file=sys.stderr)  # noqa: T201
