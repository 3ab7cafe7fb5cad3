"""Reads a results folder, reports what was refused, and selects boards, rows and models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from fsbench.errors import FsbenchError
from fsbench.progress import progress
from leaderboard.boards import Board, Row, make_boards
from leaderboard.results import Results, find_records, read_results
from leaderboard.tables import boards_of
from leaderboard.text import visible


def read_and_report(folder: Path) -> Results:
    """Read a results folder; what is refused or left out is reported on standard error."""
    number = len(find_records(folder)) if folder.is_dir() else 0
    with progress("records", number) as advance:
        found = read_results(folder, advance)
    for line in found.refused:
        typer.echo(f"refused: {line}", err=True)
    if found.refused:
        typer.echo(f"{len(found.refused)} of {number} records were refused and are in no table.", err=True)
    for line in found.remarks:
        typer.echo(line, err=True)
    return found


def select_boards(
    found: Results, benchmark: str, shots: int | None, protocol: str | None, model: str | None = None
) -> list[Board]:
    """The boards that are asked for; raises FsbenchError, naming what there is, where none is.

    A board of one model alone keeps the ranks that its rows have among all.
    """
    everything = make_boards(found.entries)
    benchmark = name_of(benchmark)
    of_benchmark = boards_of(everything, benchmark, None, None)
    if not of_benchmark:
        names = ", ".join(dict.fromkeys(board.benchmark.name for board in everything)) or "none that can be read"
        raise FsbenchError(f"{found.folder}: has no record of benchmark {benchmark!r}: it has {names}")
    boards = boards_of(everything, benchmark, shots, protocol)
    if not boards:
        asked = [] if shots is None else [f"-k {shots}"]
        asked += [] if protocol is None else [f"--protocol {protocol}"]
        listed = _listed([board.questions for board in of_benchmark])
        raise FsbenchError(f"{found.folder}: has no board of {benchmark} with {' and '.join(asked)}: it has {listed}")
    if model is None:
        return boards
    of_model = [
        replace(board, rows=tuple(r for r in board.rows if model in (r.record.model.name, full_name(r))))
        for board in boards
    ]
    if not any(board.rows for board in of_model):
        raise FsbenchError(f"{found.folder}: has no model {model!r} there: it has {_listed(model_names(boards))}")
    return [board for board in of_model if board.rows]


def name_of(benchmark: str) -> str:
    """The name of a benchmark that is given by name or folder."""
    folder = Path(benchmark).expanduser()
    if not os.path.lexists(folder / "benchmark.json"):
        return benchmark
    from fsbench.index.benchmark import open_benchmark

    return open_benchmark(folder).lists.name


def only_model(boards: Sequence[Board]) -> list[tuple[Board, Row]]:
    """The rows of ``boards``, all of one model; raises FsbenchError, naming them, where they are of several."""
    names = model_names(boards)
    if len(names) > 1:
        raise FsbenchError(f"--model: {len(names)} models match, expected one: choose of {_listed(names)}")
    return [(board, row) for board in boards for row in board.rows]


def only_row(boards: Sequence[Board]) -> tuple[Board, Row]:
    """The one row of ``boards``; raises FsbenchError, naming the choices, where there are several."""
    rows = only_model(boards)
    if len(rows) > 1:
        raise FsbenchError(
            f"{len(rows)} boards match, expected one: choose with -k and --protocol of "
            f"{_listed([board.title for board, _ in rows])}"
        )
    return rows[0]


def full_name(row: Row) -> str:
    """What tells models of one name apart, as in the record's path."""
    model = row.record.model
    return f"{model.name}/{model.revision}-{model.config8}"


def model_names(boards: Sequence[Board]) -> list[str]:
    """Every model on ``boards``: by its name, in full where there are several of that name."""
    full = dict.fromkeys((row.record.model.name, full_name(row)) for board in boards for row in board.rows)
    short = [name for name, _ in full]
    return [whole if short.count(name) > 1 else name for name, whole in full]


def _listed(names: Sequence[str], most: int = 12) -> str:
    unique = list(dict.fromkeys(map(visible, names)))
    more = f", and {len(unique) - most} more" if len(unique) > most else ""
    return ", ".join(unique[:most]) + more
