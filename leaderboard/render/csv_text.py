"""CSV (RFC 4180): unrounded fractions, one row a model over all boards, for pandas and for a spreadsheet.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula; such text of a record gets
a ``'`` in front (OWASP, "CSV Injection"). ``pandas.read_csv`` reads the same floats back (pandas 2 with
``float_precision="round_trip"``).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from leaderboard.boards import Board
from leaderboard.published import PublishedRow
from leaderboard.render.published import benchmark_title, fraction
from leaderboard.tables import row_cells
from leaderboard.text import visible

MEASURED, PUBLISHED = "measured", "published"
_FORMULAS = "=+-@＝＋－＠"


def csv_text(boards: Sequence[Board], published: Sequence[PublishedRow] = ()) -> str:
    """All boards as one table; the columns of a board stand in front, then ranks, scores, and what one chooses by."""
    rows = [of_board(board) | row_cells(board, row) for board in boards for row in board.rows]
    return rows_text([*rows, *map(_of_paper, published)], "prompts")


def rows_text(rows: Sequence[Mapping[str, Any]], last: str | None = None) -> str:
    """Rows as CSV: all their columns, in the order of first sight; ``last``: this one and those after it come last."""
    heads = list(dict.fromkeys(name for row in rows for name in row))
    if last in heads:
        ends = [name for row in rows[:1] for name in list(row)[list(row).index(last) :]] if last in rows[0] else []
        heads = [*(name for name in heads if name not in ends), *ends]
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([cell(head) for head in heads])
    writer.writerows([cell(row.get(head)) for head in heads] for row in rows)
    return text.getvalue()


def cell(value: object) -> str:
    """A value as a cell: floats as Python prints them, nothing for None, text harmless.

    >>> cell(0.1), cell(None), cell(True), cell("=1+1"), cell(" @x"), cell("a-b")
    ('0.1', '', 'true', "'=1+1", "' @x", 'a-b')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = visible(value)
    return f"'{text}" if text.lstrip()[:1] in tuple(_FORMULAS) else text


def of_board(board: Board) -> dict[str, Any]:
    """The columns of a board that stand in front of its rows."""
    return {
        "kind": MEASURED,
        "benchmark": board.benchmark.name,
        "title": board.benchmark.title,
        "protocol": board.protocol.id,
        "modified": "; ".join(board.modified),
        "shots": board.shots,
        "seed": board.seed,
        "off": "; ".join(board.off),
    }


def _of_paper(row: PublishedRow) -> dict[str, Any]:
    return {
        "kind": PUBLISHED,
        "benchmark": row.benchmark,
        "title": benchmark_title(row.benchmark),
        "protocol": row.protocol,
        "shots": row.shots,
        "model": row.model,
        **{f"fold{fold}": fraction(value) for fold, value in row.folds.items() if value is not None},
        "miou": fraction(row.mean),
        "fb_iou": fraction(row.fb_iou),
        "encoders": row.encoders,
        "source": row.source,
        "note": row.note,
    }
