"""The record of a plan: whether the one on disk can be added to, and how the new one is made and written."""

from __future__ import annotations

from pathlib import Path

from fsbench.engine.fold_run import FoldResult
from fsbench.engine.plan import Plan
from fsbench.engine.prediction_files import write_card
from fsbench.errors import FsbenchError
from fsbench.records.counts import read_counts, rows_digest, write_counts
from fsbench.records.environment import joined, joined_timings
from fsbench.records.folder import predictions_in
from fsbench.records.record import Environment, Record, Timings, read_record, write_record
from fsbench.records.recorded_model import joined_model, same_model
from fsbench.records.remarks import remarks_on, with_remarks
from fsbench.scoring.scores import compute_scores, confused_of, write_replicates


def resumable_record(plan: Plan, path: Path, here: Environment) -> Record | None:
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


def finish(
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
