"""``fsbench show``: a contact sheet of any benchmark, with masks overlaid and names beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fsbench.cli.options import BuiltBenchmark, Root

EXAMPLE = "Example: fsbench show pascal-5i --fold 0 --out pascal.png"


def show(
    benchmark: BuiltBenchmark,
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="The picture to write.")],
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=240, help="How many samples; fewer where there are fewer.")
    ] = 12,
    fold: Annotated[
        str | None, typer.Option("-f", "--fold", help="The fold. Default: all folds.", show_default=False)
    ] = None,
    root: Root = None,
) -> None:
    """Write a contact sheet: val samples from all parts of the list, their masks, and their class names."""
    from fsbench.index.benchmark import open_benchmark
    from fsbench.pictures.contact_sheet import contact_sheet

    number, present = contact_sheet(
        open_benchmark(benchmark, root=root), out, n=n, fold=None if fold == "all" else fold
    )
    typer.echo(f"{out}: {number} of {present} val samples")
