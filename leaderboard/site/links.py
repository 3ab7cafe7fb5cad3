"""Where rows lead: to their model's page, and to the compare page with a choice made."""

from __future__ import annotations

from fsbench.io.files import sha256_text
from leaderboard.boards import Board, Row
from leaderboard.site.pages import model_key, model_path

COMPARE = "compare.html"


def row_path(row: Row) -> str:
    """Where the page of a row's model lies."""
    return model_path(model_key(row))


def row_id(row: Row) -> str:
    """Hex digits that name a row on its board, wherever its record lies."""
    return sha256_text(" ".join([*model_key(row), *(entry.record.counts_sha256 for entry in row.entries)]))[:12]


def comparable(board: Board) -> bool:
    """Whether a board has two rows to choose."""
    return len(board.rows) > 1


def compare_link(board: Board, a: Row, b: Row | None = None) -> str:
    """The compare page with a choice made; without ``b`` the best other row is chosen there."""
    return f"{COMPARE}#board={board.key}&a={row_id(a)}" + ("" if b is None else f"&b={row_id(b)}")
