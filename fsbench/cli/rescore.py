"""``fsbench rescore``: another reduction of recorded counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fsbench.cli.options import Json, RecordPath
from fsbench.tables.cells import plain_table, score_text

if TYPE_CHECKING:
    from rich.table import Table

    from fsbench.results.rescore import Rescored

EXAMPLE = "Example: fsbench rescore results/prototype/.../record.json --empty-class zero"

TITLES = {"miou": "mIoU", "fb_iou": "FB-IoU"}


def rescore(
    record: RecordPath,
    empty_class: Annotated[
        Literal["drop", "zero"] | None,
        typer.Option(help="A class with no sample: left out of the mean, or 0. Default: the protocol's."),
    ] = None,
    average: Annotated[
        Literal["class", "image"], typer.Option(help="class: mIoU. image: mean of per-episode IoU, 'imagewise'.")
    ] = "class",
    as_json: Json = False,
) -> None:
    """Score stored counts by another reduction; needs no model and no data, and writes nothing."""
    import json
    from dataclasses import asdict

    from fsbench.results.rescore import rescore as rescored

    found = rescored(record, empty_class=empty_class, average=average)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
        return
    from fsbench.cli.console import wide_console

    console = wide_console()
    console.print(_table(found))
    console.print(f"Reduction: {_reduction(found)}.", highlight=False, markup=False)
    console.print("In %, beneath it the 95 % interval; mean over all folds.", style="dim", highlight=False)
    for remark in found.remarks:
        console.print(remark, style="yellow", highlight=False, markup=False)


def _table(found: Rescored) -> Table:
    from rich.markup import escape

    title = f"{found.model} · {found.benchmark} · {found.protocol} · {found.shots}-shot · seed {found.seed}"
    table = plain_table(title, "score", *(f"fold {fold}" for fold in found.folds), "mean")
    for name, mean in found.mean.items():
        scores = [*(fold.scores[name] for fold in found.folds.values()), mean]
        cells = (score_text(value.score, value.ci95, form=".2f") for value in scores)
        table.add_row(escape(TITLES.get(name, name.replace("_", " "))), *cells)
    return table


def _reduction(found: Rescored) -> str:
    if found.average == "image":
        return "mean of per-episode IoU ('imagewise'), which is not an mIoU"
    rule = {"drop": "left out of the mean", "zero": "counted as 0"}[found.empty_class or "drop"]
    own = "the protocol's own" if found.own else "not the protocol's own, so not a score of it"
    return f"IoU per class, then their mean; a class with no sample is {rule} ({own})"
