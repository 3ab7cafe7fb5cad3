"""``fsbench leaderboard badge``: a score as an SVG for a README."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: fsbench leaderboard badge results -b pascal-5i -m my-model -k 1 --out badge.svg"


def badge(
    results: Annotated[Path, typer.Argument(help="The results folder of evaluations.")],
    benchmark: Annotated[str, typer.Option("--benchmark", "-b", help="Name of the benchmark, or its folder.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Which model: NAME, or NAME/REVISION-CONFIG. Default: the only one."),
    ] = None,
    shots: Annotated[int | None, typer.Option("--shots", "-k", min=0, help="Which number of shots.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Which protocol.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: standard output.")] = None,
) -> None:
    """Write a badge of a model's mIoU, with what is partial, modified or contaminated said in it."""
    from fsbench.io.locks import one_writer
    from leaderboard.cli.export import write_out
    from leaderboard.cli.selection import only_row, read_and_report, select_boards
    from leaderboard.render.badge import badge as drawn

    with one_writer(out):
        board, row = only_row(select_boards(read_and_report(results), benchmark, shots, protocol, model))
        write_out(drawn(board, row), out)
