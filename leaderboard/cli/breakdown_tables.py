"""Reads the breakdowns that ``fsbench leaderboard export --by`` prints, from the records' counts."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from fsbench.errors import FsbenchError
from leaderboard.boards import Board, Row
from leaderboard.breakdowns import Breakdown, read_breakdowns
from leaderboard.render.breakdown_tables import KEYS, BoardBreakdowns
from leaderboard.support_sizes import SupportSizes
from leaderboard.text import visible

SUPPORT_SIZE = "support-size"


def read_board_breakdowns(boards: Sequence[Board], by: str, benchmark: str) -> list[BoardBreakdowns]:
    """The breakdowns of all rows; a record whose counts cannot be read is reported on standard error and left out.

    ``benchmark``: name or folder of the local one, which only sizes of supports need. Raises FsbenchError where it is
    missing, and where no board has such a breakdown.
    """
    found = []
    for board in boards:
        supports = _supports(board, benchmark) if by == SUPPORT_SIZE else None
        if rows := tuple((row, of_row) for row in board.rows if (of_row := _of_row(row, by, supports))):
            found.append(BoardBreakdowns(board, rows))
    if not found:
        why = "needs supports, and the records' masks" if by == SUPPORT_SIZE else "their questions differ"
        raise FsbenchError(
            f"--by {by}: no board of {boards[0].benchmark.name} can be broken down so ({why}): leave it out"
        )
    return found


def _of_row(row: Row, by: str, supports: SupportSizes | None) -> tuple[Breakdown, ...]:
    """The breakdown of each record of a row, nothing where one has none."""
    found = []
    for entry in row.entries:
        try:
            of_entry = read_breakdowns(entry.folder, entry.record, supports)
        except FsbenchError as error:
            typer.echo(f"refused: {visible(error)}", err=True)
            return ()
        found += [breakdown for breakdown in of_entry if breakdown.key == KEYS[by]]
    return tuple(found) if len(found) == len(row.entries) else ()


def _supports(board: Board, benchmark: str) -> SupportSizes | None:
    from fsbench.home import benchmark_folder
    from fsbench.index.benchmark import open_benchmark
    from leaderboard.support_sizes import support_sizes

    try:
        folder = benchmark_folder(benchmark)
    except FsbenchError as error:
        raise FsbenchError(f"--by {SUPPORT_SIZE} needs the benchmark: {error}") from error
    return support_sizes(board.rows[0].record, open_benchmark(folder))
