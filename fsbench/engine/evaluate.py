"""Evaluate a model on a benchmark: from a plan to a record on disk.

A killed run resumes from the counts in its logs, and ends with the same bytes as one that was not killed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from fsbench.engine.fold_run import FoldResult, FoldRun, Spent, run_fold
from fsbench.engine.loaded_model import LoadedModel
from fsbench.engine.plan import Plan, Questions, make_plan
from fsbench.engine.prediction_files import MANIFEST, begin_fold, fold_folder, write_card
from fsbench.engine.reading import CACHE_MIB, Reader
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.models.contract import Model
from fsbench.progress import progress
from fsbench.records.counts import CountLog, read_counts, rows_digest, write_counts
from fsbench.records.environment import environment, joined, joined_timings, peak_memory_mib, timings
from fsbench.records.folder import (
    RECORD,
    clear,
    log_path,
    predictions_in,
    record_digest,
    record_locked,
    remove_predictions,
    tidy,
)
from fsbench.records.record import Environment, Record, Timings, read_record, write_record
from fsbench.records.recorded_model import joined_model, same_model
from fsbench.records.remarks import ScoreWatch, remarks_on, with_remarks
from fsbench.scoring.scores import compute_scores, confused_of, write_replicates

IfExists = Literal["resume", "error", "replace"]
WORTH_TELLING = 10.0


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
    plan's benchmark, with what earlier plans have read.

    Raises FsbenchError where ``if_exists`` is ``error`` and there is a record, where another run evaluates one of the
    folds, or where the results folder holds a record of another manifest, benchmark or setting.
    """
    path = plan.folder / RECORD
    with ExitStack() as at_work:
        with _threads(plan.threads):
            here = environment(plan.device, plan.threads, plan.questions.batch_size)
            with record_locked(plan.folder):
                if if_exists == "error":
                    check_free(plan)
                if if_exists == "replace":
                    clear(plan.folder)
                before = record_digest(plan.folder)
                kept = None if if_exists == "replace" else _resumable_record(plan, path, here)
                tidy(plan.folder, () if kept is None else kept.folds)
                todo = [fold for fold in plan.answers if kept is None or fold not in kept.folds]
                logs = {fold: at_work.enter_context(_log(plan, fold, here, save_predictions)) for fold in todo}
            if save_predictions and kept is not None:
                _report_missing(plan, kept)
            if kept is not None and not todo:
                notice = f"fsbench: {path}: exists, nothing was run (--if-exists replace runs it again)"
                print(notice, file=sys.stderr)  # noqa: T201
                return kept
            reader = reader or Reader(plan.benchmark, plan.questions.cache_mib)
            results, spent = _run_folds(plan, reader, logs, save_predictions)
        with record_locked(plan.folder):
            old = if_exists == "replace" and record_digest(plan.folder) == before
            kept = None if old else _resumable_record(plan, path, here)
            record = _finish(plan, kept, here, results, spent, save_predictions)
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


def _run_folds(
    plan: Plan, reader: Reader, logs: Mapping[str, CountLog], save_predictions: bool
) -> tuple[dict[str, FoldResult], Timings]:
    results: dict[str, FoldResult] = {}
    seconds = model_seconds = 0.0
    prepared: set[int] = set()
    watch, spent = ScoreWatch(plan.model.name), Spent()
    total = sum(len(plan.manifests[fold].questions) for fold in logs)
    with progress(f"{plan.model.name} · {plan.benchmark.title}", total) as advance:
        for fold, log in logs.items():
            answers = plan.answers[fold]
            if id(answers) not in prepared:
                prepared.add(id(answers))
                answers.prepare(plan.device)
            kept_in = fold_folder(predictions_in(plan.folder), fold)
            run = FoldRun(
                reader,
                plan.protocol,
                plan.manifests[fold],
                answers,
                plan.questions.batch_size,
                plan.workers,
                kept_in if save_predictions else None,
                watch,
                spent,
            )
            if save_predictions:
                begin_fold(kept_in, plan.drawn[fold].sha256, resume=bool(log.done))
            else:
                remove_predictions(kept_in)
            results[fold] = run_fold(run, log, advance)
            watch(results[fold].scores)
            seconds += sum(done.seconds for done in log.done.values())
            model_seconds += sum(done.model_seconds for done in log.done.values())
    answered = sum(len({row.number for row in of_fold.rows}) for of_fold in results.values())
    _print_parts(seconds, spent)
    return results, timings(seconds, model_seconds, answered, plan.workers, peak_memory_mib())


def _print_parts(seconds: float, spent: Spent) -> None:
    """Say where the time of a run went that took ``WORTH_TELLING`` seconds."""
    if seconds < WORTH_TELLING:
        return
    parts = f"model {spent.model:.1f} s, waiting for photographs {spent.waiting:.1f} s"
    beside = f"beside it: reading {spent.reading:.1f} s, counting {spent.counting:.1f} s"
    print(f"fsbench: {seconds:.1f} s: {parts}; {beside}", file=sys.stderr)  # noqa: T201


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


def _resumable_record(plan: Plan, path: Path, here: Environment) -> Record | None:
    """The record on disk, None without one; raises FsbenchError where this run cannot add to it."""
    if not path.exists():
        return None
    record = read_record(path)
    manifests = {fold: manifest.sha256 for fold, manifest in plan.manifests.items()}
    for fold in dict.fromkeys([*manifests, *record.manifests_sha256, *record.folds]):
        digest = record.manifests_sha256.get(fold, "none")
        if manifests.get(fold) != digest:
            raise FsbenchError(
                f"{path}: is of another manifest (fold {fold}: {digest[:12]}…, this run's is "
                f"{manifests.get(fold, 'none')[:12]}…): use another --out, or --if-exists replace"
            )
    other = next((n for n, v in record.benchmark if v != getattr(plan.recorded_benchmark, n)), None)
    for what, was_made, is_made, name in (
        ("benchmark", record.benchmark, plan.recorded_benchmark, other),
        ("model card", record.model, plan.model, same_model(record.model, plan.model)),
    ):
        if name is not None:
            value = getattr(was_made, name)
            raise FsbenchError(
                f"{path}: is of another {what} ({name} is {str(value)[:60]!r}, this run's is "
                f"{str(getattr(is_made, name))[:60]!r}): use another --out, or --if-exists replace"
            )
    missing = [fold for fold in plan.answers if fold not in record.folds]
    for name in ("threads", "batch_size", "device"):
        was, is_now = getattr(record.environment, name), getattr(here, name)
        if missing and was != is_now:
            raise FsbenchError(
                f"{path}: was made with {name} {was}, this run has {is_now}: use the same, another --out, or "
                "--if-exists replace"
            )
    return record


def _finish(
    plan: Plan,
    kept: Record | None,
    here: Environment,
    results: dict[str, FoldResult],
    spent: Timings,
    save_predictions: bool,
) -> Record:
    """Join with the record ``kept``, score, and write; the record last, so that a record means that all is written."""
    rows = {fold: result.rows for fold, result in results.items()}
    confused = {fold: result.confused for fold, result in results.items()}
    remarks = {fold: remarks_on(result.scores) for fold, result in results.items()}
    if kept is not None:
        earlier = [row for row in read_counts(plan.folder / "counts.parquet") if row.fold in kept.folds]
        if rows_digest(earlier) != kept.counts_sha256:
            raise FsbenchError(f"{plan.folder / 'counts.parquet'}: is not of the record beside it: --if-exists replace")
        for fold, fold_record in kept.folds.items():
            rows.setdefault(fold, [row for row in earlier if row.fold == fold])
            confused.setdefault(fold, confused_of(fold_record))
            remarks.setdefault(fold, fold_record.remarks)
        here = joined(kept.environment, here)
        answered = sum(len({row.number for row in of_fold}) for of_fold in rows.values())
        spent = joined_timings([kept.timings, spent], answered)
    ordered = {fold: rows[fold] for fold in plan.manifests if fold in rows}
    scores = compute_scores(
        plan.benchmark.lists,
        plan.manifests,
        ordered,
        plan.protocol,
        confused,
        imagewise=plan.benchmark.builder == "fss-1000",
    )
    everything = [row for of_fold in ordered.values() for row in of_fold]
    record = Record(
        schema="fsbench-record/1",
        evidence=next(iter(plan.answers.values())).evidence,
        model=plan.model if kept is None else joined_model(kept.model, plan.model),
        benchmark=plan.recorded_benchmark,
        protocol=plan.protocol.id,
        modified=plan.modified,
        shots=plan.shots,
        seed=plan.questions.seed,
        run=plan.questions.run,
        limit=plan.questions.limit,
        folds=with_remarks(scores.folds, remarks),
        miou=scores.miou,
        fb_iou=scores.fb_iou,
        ci95=scores.ci95,
        other=scores.other,
        manifests_sha256={fold: manifest.sha256 for fold, manifest in plan.manifests.items()},
        counts_sha256=rows_digest(everything),
        environment=here,
        timings=spent,
    )
    write_counts(plan.folder / "counts.parquet", everything)
    write_replicates(plan.folder / "bootstrap.parquet", scores.replicates)
    if save_predictions:
        write_card(predictions_in(plan.folder), record.model)
    write_record(plan.folder, record)
    return record


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
