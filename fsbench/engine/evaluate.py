"""Evaluate a model on a benchmark: from a plan to a record on disk.

A killed run resumes from the counts in its logs, and ends with the same bytes as one that was not killed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from fsbench.engine.answer_folds import answer_folds, answer_share, join_logs
from fsbench.engine.loaded_model import LoadedModel
from fsbench.engine.plan import Plan, Questions, make_plan
from fsbench.engine.plan_record import finish, resumable_record
from fsbench.engine.prediction_files import MANIFEST, fold_folder
from fsbench.engine.ranks import Ranks
from fsbench.engine.reading import CACHE_MIB, Reader
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.models.contract import Model
from fsbench.records.counts import CountLog
from fsbench.records.environment import environment
from fsbench.records.folder import (
    RECORD,
    clear,
    log_path,
    predictions_in,
    rank_logs,
    record_digest,
    record_locked,
    tidy,
)
from fsbench.records.record import Environment, Record, read_record

IfExists = Literal["resume", "error", "replace"]


def evaluate(
    model: str | Model,
    benchmark: str | Path | Benchmark,
    *,
    folds: Sequence[int | str] | int | str = "all",
    protocol: str | None = None,
    shots: int | None = None,
    seed: int = 0,
    run: int = 0,
    device: str = "auto",
    batch_size: int = 8,
    threads: int | None = None,
    workers: int | None = None,
    cache_mib: int = CACHE_MIB,
    limit: int | None = None,
    options: Mapping[str, str] | None = None,
    out: Path | str = "results",
    if_exists: IfExists = "resume",
    save_predictions: bool = False,
    draw_from: Literal["published", "present"] = "published",
    contaminated: bool = False,
    root: Path | str | None = None,
) -> Record:
    """Ask ``model`` every question of ``protocol`` on ``benchmark``; the same as ``fsbench evaluate``.

    ``model``: a registered name, ``package.module:factory``, ``predictions:DIR``, or an object with ``card`` and
    ``segment``. ``benchmark``: a name under ``FSBENCH_HOME``, a folder, or an opened one. ``folds``: "all", a fold, or
    several. ``protocol``: by default ``fsbench-v1``, on Mosaic-4 ``mosaic4-v1``. ``shots``: by default 1 where the
    model needs masks, else 0. ``run``: which of the runs of a protocol that is drawn several times. ``cache_mib``: MiB
    of memory for decoded photographs and masks, 0 for none; no count depends on it.
    ``save_predictions``: keep every mask in the record's folder, as ``predictions:DIR`` reads them. Returns the record
    written below ``out``. Raises FsbenchError (a ModelError where the model is at fault) with a one-line message.
    """
    for name, value, choices in (
        ("if_exists", if_exists, ("resume", "error", "replace")),
        ("draw_from", draw_from, ("published", "present")),
    ):
        if value not in choices:
            raise FsbenchError(f"{name} is {value!r}: choose one of {', '.join(choices)}")
    questions = Questions(
        folds=_fold_names(folds),
        protocol=protocol,
        shots=shots,
        seed=seed,
        run=run,
        limit=limit,
        draw_from_present=draw_from == "present",
        contaminated=contaminated,
        device=str(device),
        batch_size=batch_size,
        threads=threads,
        workers=workers,
        cache_mib=cache_mib,
    )
    texts = {key: str(value) for key, value in (options or {}).items()}
    moved = None if root is None else Path(root)
    plan = make_plan(LoadedModel.load(model, texts), benchmark, questions, Path(out), root=moved)
    return run_plan(plan, if_exists, save_predictions=save_predictions)


def _fold_names(folds: Sequence[int | str] | int | str) -> tuple[str, ...] | None:
    if folds == "all":
        return None
    return (str(folds),) if isinstance(folds, int | str) else tuple(str(fold) for fold in folds)


def run_plan(
    plan: Plan, if_exists: IfExists = "resume", *, save_predictions: bool = False, reader: Reader | None = None
) -> Record:
    """Run the folds of a plan that its record does not hold yet, and write the record; returns it.

    Other runs may evaluate other folds of the record meanwhile: each joins its folds with those present when it ends.
    With ``save_predictions`` the masks that were counted are kept in ``predictions`` beside it. ``reader``: of the
    plan's benchmark, with what earlier plans have read. Under ``torchrun`` every rank calls this: the batches are dealt
    out, and all return the record that rank 0 wrote.

    Raises FsbenchError where ``if_exists`` is ``error`` and there is a record, where another run evaluates one of the
    folds, or where the results folder holds a record of another manifest, benchmark or setting.
    """
    reader = reader or Reader(plan.benchmark, plan.questions.cache_mib)
    ranks = Ranks()
    with _threads(plan.threads):
        if ranks.first:
            record = _run_first(plan, if_exists, save_predictions, reader, ranks)
        else:
            answer_share(plan, save_predictions, reader, ranks)
            record = None
        ranks.wait(lambda rank: rank == 0)  # the others have nothing more to do
    return read_record(plan.folder / RECORD) if record is None else record


def _run_first(plan: Plan, if_exists: IfExists, save_predictions: bool, reader: Reader, ranks: Ranks) -> Record:
    """What the only rank does, or the first of several."""
    path = plan.folder / RECORD
    here = environment(plan.device, plan.threads, plan.questions.batch_size)
    with ExitStack() as at_work:
        with record_locked(plan.folder):
            if if_exists == "error":
                check_free(plan)
            if if_exists == "replace":
                clear(plan.folder)
            before = record_digest(plan.folder)
            kept = None if if_exists == "replace" else resumable_record(plan, path, here)
            tidy(plan.folder, () if kept is None else kept.folds)
            todo = [fold for fold in plan.answers if kept is None or fold not in kept.folds]
            logs = {fold: at_work.enter_context(_log(plan, fold, here, save_predictions)) for fold in todo}
            for fold, log in logs.items():
                join_logs(log, rank_logs(plan.folder, fold))
        if save_predictions and kept is not None:
            _report_missing(plan, kept)
        results, spent = answer_folds(plan, save_predictions, reader, ranks, logs)
        if kept is not None and not todo:
            notice = f"fsbench: {path}: exists, nothing was run (--if-exists replace runs it again)"
            print(notice, file=sys.stderr)  # noqa: T201
            return kept
        with record_locked(plan.folder):
            old = if_exists == "replace" and record_digest(plan.folder) == before
            kept = None if old else resumable_record(plan, path, here)
            record = finish(plan, kept, here, results, spent, save_predictions)
            at_work.close()
            tidy(plan.folder, results)
    return record


def _report_missing(plan: Plan, kept: Record) -> None:
    """Print which of the folds asked were evaluated before without predictions."""
    asked = [fold for fold in plan.answers if fold in kept.folds]
    place = predictions_in(plan.folder)
    missing = [fold for fold in asked if not (fold_folder(place, fold) / MANIFEST).is_file()]
    if missing:
        notice = f"fsbench: {place}: lacks fold {', '.join(missing)}, evaluated before without predictions"
        print(f"{notice}: --if-exists replace evaluates again and keeps them", file=sys.stderr)  # noqa: T201


def check_free(plan: Plan) -> None:
    """Raise FsbenchError where the plan's record exists."""
    path = plan.folder / RECORD
    if path.exists():
        raise FsbenchError(f"{path}: exists: use --if-exists resume or replace, or another --out")


def _log(plan: Plan, fold: str, here: Environment, save_predictions: bool) -> CountLog:
    """The log of a fold; its first line has what must be equal for a killed run to resume."""
    run = ({"predictions": True} if save_predictions else {}) | {
        "schema": "fsbench-counts-log/1",
        "manifest": plan.manifests[fold].sha256,
        "masks": plan.benchmark.digests.masks,
        "sources": plan.benchmark.digests.sources,
        "model": plan.model.model_dump(mode="json"),
        "protocol": plan.protocol.id,
        "environment": here.model_dump(mode="json"),
    }
    return CountLog(log_path(plan.folder, fold), run)


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    """torch with this many threads, as many as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
