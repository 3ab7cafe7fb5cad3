"""The table a person reads: one row a model, a column a fold, intervals beneath the scores."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.records.record import Record
from fsbench.records.remarks import benchmark_lines, remark_lines
from fsbench.tables.cells import parameters_text, percent, plain_table, score_text
from fsbench.tables.scene_table import remarks as scene_remarks
from fsbench.tables.scene_table import scenes_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NOTE = (
    "mIoU in %, beneath it the 95 % interval of drawing other query images, given supports, weights and classes; "
    "mean and its interval are over all folds."
)
SEVERAL_CLASSES = {
    "fsbench-multi-v1": "mIoU over the fold's classes, asked all at once; 'with background' has it as a class.",
    "fsbench-general-v1": "all classes asked at once: first row mIoU of the fold's (unseen) classes, then of all "
    "others, then the harmonic mean of the two.",
}


def print_tables(records: Sequence[Record], console: Console) -> None:
    """Print the records, one table per benchmark, protocol, shots and seed, in the order of the records."""
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        key = (record.benchmark.title, record.protocol_title, record.modified, record.shots, record.seed)
        groups.setdefault(key, []).append(record)
    for group in groups.values():
        console.print(scenes_table(group, _title(group[0])) if _of_scenes(group[0]) else results_table(group))
    console.print(NOTE, style="dim", highlight=False)
    for text in dict.fromkeys(remark for record in records for remark in _remarks(record)):
        console.print(text, style="yellow", highlight=False, markup=False)


def results_table(records: Sequence[Record]) -> Table:
    """The table of records that were asked the same questions."""
    from rich.markup import escape

    first = records[0]
    of_folds = (f"fold {fold}" for fold in first.benchmark.folds)
    table = plain_table(_title(first), "model", *of_folds, "mean", "FB-IoU", "img/s", "parameters")
    for record in records:
        folds = [record.folds.get(fold) for fold in record.benchmark.folds]
        scores = [score_text(fold.miou, fold.ci95) if fold else "-" for fold in folds]
        mark = " [red](contaminated)[/]" if record.model.contaminated else ""
        mark += f" [dim]run {record.run}[/]" if _runs(record) > 1 else ""
        table.add_row(
            escape(record.model.name) + mark,
            *scores,
            score_text(record.miou, record.ci95, style="bold"),
            percent(record.fb_iou),
            f"{record.timings.images_per_second:.1f}",
            parameters_text(record.model.total_parameters),
        )
        for name, mean in record.other.items():
            cells = [fold.other.get(name) if fold else None for fold in folds]
            table.add_row(
                f"[dim]  {escape(name.replace('_', ' '))}[/]",
                *(score_text(cell.score, cell.ci95) if cell else "-" for cell in cells),
                score_text(mean.score, mean.ci95, style="bold"),
            )
    for name, of_model in _by_model(records):
        if _runs(of_model[0]) > 1:
            every = [
                [fold.miou if fold else None for fold in map(r.folds.get, first.benchmark.folds)] for r in of_model
            ]
            means = [_mean_and_deviation(values) for values in zip(*every, strict=True)]
            name_cell = f"{escape(name)} [dim]mean of {len(of_model)} of {_runs(of_model[0])} runs[/]"
            table.add_row(name_cell, *means, _mean_and_deviation([r.miou for r in of_model]))
    return table


def _title(record: Record) -> str:
    return f"{record.benchmark.title} · {record.protocol_title} · {record.shots}-shot · seed {record.seed}"


def _of_scenes(record: Record) -> bool:
    return record.protocol in PROTOCOLS and PROTOCOLS[record.protocol].tiles is not None


def _runs(record: Record) -> int:
    return PROTOCOLS[record.protocol].runs if record.protocol in PROTOCOLS else 1


def _by_model(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """Each model's name and its records, one a run."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.model.name, record.model.config8), []).append(record)
    return [(name, of_model) for (name, _), of_model in found.items()]


def _mean_and_deviation(values: Sequence[float | None]) -> str:
    """Mean and sample standard deviation over runs, as the papers report them."""
    there = [100 * value for value in values if value is not None]
    if not there:
        return "-"
    return f"{fmean(there):.1f}" + (f" ± {stdev(there):.1f}" if len(there) > 1 else "")


def _remarks(record: Record) -> list[str]:
    """Notes for a reader of the table: what is missing, left out, or differs from the protocol."""
    remarks = scene_remarks(record) if _of_scenes(record) else []
    if record.protocol in SEVERAL_CLASSES:
        remarks.append(f"{record.protocol}: {SEVERAL_CLASSES[record.protocol]}")
    if "imagewise" in record.other:
        remarks.append("imagewise: the mean of per-episode IoU, a reduction of its own; not an mIoU.")
    if record.benchmark.partial:
        remarks.append(
            f"{record.benchmark.title}: a part of the benchmark; its scores are not comparable with the whole one's."
        )
    if record.modified:
        remarks.append(f"{record.protocol_title}: {', '.join(record.modified)}; not a score of {record.protocol}.")
    dropped = {fold: f"{f.asked}/{f.drawn}" for fold, f in record.folds.items() if f.asked != f.drawn}
    if dropped and record.limit is None:
        kept = ", ".join(f"fold {fold}: {share}" for fold, share in dropped.items())
        why = "the others' files are missing, or their class has too few images present"
        remarks.append(f"{record.protocol}: episodes kept of those drawn, {why}: {kept}.")
    left_out = [f"{key} (fold {fold})" for fold, f in record.folds.items() for key in f.left_out]
    if left_out:
        remarks.append(f"classes with no sample, left out of the mean: {', '.join(left_out)}.")
    return remarks + benchmark_lines(record) + remark_lines(record)
