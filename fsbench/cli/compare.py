"""``fsbench compare``: the difference of two records of the same questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fsbench.cli.options import Json, RecordPath
from fsbench.tables.cells import percent, plain_table

if TYPE_CHECKING:
    from rich.table import Table

    from fsbench.results.compare import Comparison, Difference

EXAMPLE = "Example: fsbench compare results/prototype/.../record.json results/foreground/.../record.json"

NOTE = (
    "In %. Intervals (95 %) and p (two-sided, all episodes of an image swapped together) speak of drawing other query "
    "images, given supports, weights and classes; neither is corrected for the number of rows."
)


def compare(
    a: RecordPath,
    b: Annotated[Path, typer.Argument(help="Another record of the same questions.")],
    as_json: Json = False,
) -> None:
    """Compare two records of the same questions: A - B per class, per fold and in the mean."""
    import json
    from dataclasses import asdict

    from fsbench.results.compare import compare as compared

    found = compared(a, b)
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"verdict": found.verdict}, indent=1))
        return
    from fsbench.cli.console import wide_console

    console = wide_console()
    for name, side in (("A", found.a), ("B", found.b)):
        line = f"{name}: {side.model} {side.revision}-{side.config8}  {side.record}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(_folds(found))
    console.print(_classes(found))
    console.print(NOTE, style="dim", highlight=False)
    for remark in found.remarks:
        console.print(remark, style="yellow", highlight=False, markup=False)
    console.print(found.verdict, style="bold", markup=False, highlight=False, soft_wrap=True)


def _folds(found: Comparison) -> Table:
    title = f"{found.benchmark} · {found.protocol} · {found.shots}-shot · seed {found.seed} · {found.images} images"
    table = plain_table(title, "mIoU", "A", "B", "A - B", "interval", "p")
    for fold, of_fold in found.folds.items():
        _add(table, f"fold {fold}", of_fold.miou)
    if found.miou is not None:
        _add(table, "mean", found.miou, style="bold")
    return table


def _classes(found: Comparison) -> Table:
    """All classes, fold by fold, the largest difference in A's favour first."""
    table = plain_table("", "class", "fold", "A", "B", "A - B", "interval")
    for fold, of_fold in found.folds.items():
        ordered = sorted(of_fold.classes.items(), key=lambda item: -(item[1].difference or 0.0))
        for key, difference in ordered:
            _add(table, key, difference, fold)
    return table


def _add(table: Table, name: str, row: Difference, fold: str | None = None, style: str = "") -> None:
    """One row; ``fold`` for a class, which has no p."""
    from rich.markup import escape

    cells = [percent(row.a, ".2f"), percent(row.b, ".2f"), percent(row.difference, "+.2f")]
    cells.append("-" if row.ci95 is None else f"{100 * row.ci95[0]:.2f} to {100 * row.ci95[1]:.2f}")
    if fold is None:
        cells.append("-" if row.p is None else f"{row.p:.4f}")
    else:
        cells.insert(0, escape(fold))
    table.add_row(escape(name), *cells, style=style)
