"""``fsbench leaderboard export``: the tables of a benchmark in a form that people publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from leaderboard.boards import Board
    from leaderboard.published import PublishedRow
    from leaderboard.results import Results

EXAMPLE = "Example: fsbench leaderboard export results -b pascal-5i -k 1 --format latex --out table.tex"


Format = Literal["markdown", "csv", "latex", "json", "model-index"]
By = Literal["object-size", "classes-per-image", "support-size"]


def export(
    results: Annotated[Path, typer.Argument(help="The results folder of evaluations.")],
    benchmark: Annotated[str, typer.Option("--benchmark", "-b", help="Name of the benchmark, or its folder.")],
    as_format: Annotated[Format, typer.Option("--format", help="What to write.")] = "markdown",
    shots: Annotated[int | None, typer.Option("--shots", "-k", min=0, help="Only this number of shots.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model: NAME, or NAME/REVISION-CONFIG.")] = None,
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Add, apart, what papers published on the benchmark.")
    ] = False,
    by: Annotated[By | None, typer.Option(help="Scores by this property of the questions instead.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: standard output.")] = None,
) -> None:
    """Write the tables of a benchmark: ranks with ranges, per fold scores with intervals, what a person chooses by."""
    from fsbench.errors import FsbenchError
    from fsbench.io.locks import one_writer
    from leaderboard.cli.selection import read_and_report, select_boards
    from leaderboard.published import published_for

    if with_published and (as_format == "model-index" or by is not None):
        what = "--format model-index" if by is None else "--by"
        raise FsbenchError(
            f"--with-published: makes no sense with {what}, which is about measured records: leave it out"
        )
    if by is not None and as_format == "model-index":
        raise FsbenchError("--by: a model card has no place for it: use --format markdown, csv, latex or json")
    with one_writer(out):
        found = read_and_report(results)
        boards = select_boards(found, benchmark, shots, protocol, model)
        if by is not None:
            from leaderboard.cli.breakdown_tables import read_board_breakdowns
            from leaderboard.render.breakdown_tables import breakdowns_text

            text = breakdowns_text(read_board_breakdowns(boards, by, benchmark), by, as_format)
        else:
            rows = published_for(boards[0].benchmark.name, shots) if with_published else []
            text = _text(found, boards, [row for row in rows if protocol in (None, row.protocol)], as_format)
        write_out(text, out)


def _text(found: Results, boards: list[Board], published: list[PublishedRow], as_format: Format) -> str:
    if as_format == "markdown":
        from leaderboard.render.markdown import markdown

        return markdown(boards, published)
    if as_format == "csv":
        from leaderboard.render.csv_text import csv_text

        return csv_text(boards, published)
    if as_format == "latex":
        from leaderboard.render.latex import latex

        return latex(boards, published)
    if as_format == "json":
        from leaderboard.render.json_text import json_text

        return json_text(boards, published, found.refused, found.remarks)
    from leaderboard.cli.selection import only_model
    from leaderboard.render.model_index import model_index

    return model_index(only_model(boards))


def write_out(text: str, out: Path | None) -> None:
    """Write ``text`` to ``out`` atomically, or to standard output."""
    from fsbench.io.files import write_text

    if out is not None:
        write_text(out, text)
    else:
        typer.echo(text.encode(), nl=False)  # as bytes: no newline is translated
