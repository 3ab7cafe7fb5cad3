"""Markdown as GitHub and Hugging Face render it. Text of records becomes text, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape as escape_html

from leaderboard.boards import Board
from leaderboard.published import PublishedRow
from leaderboard.render.cells import (
    DAGGER,
    EVIDENCE_MEANS,
    INTERVALS,
    RANKS,
    SEEN_MEANS,
    Cell,
    Table,
    board_table,
    has_daggers,
)
from leaderboard.render.published import published_tables
from leaderboard.text import visible, web_link

_BREAK = "<!-- -->"
"""Shown as nothing; it splits what GitHub would turn into a mention, an issue, or a link."""


def escape(text: object) -> str:
    """Text of anyone's as a part of a line of Markdown that shows it and does nothing.

    >>> escape("a|b <b>*x*</b>")
    'a&#124;b &lt;b&gt;\\\\*x\\\\*&lt;/b&gt;'
    """
    escaped = escape_html(visible(text), quote=False)
    escaped = re.sub(r"[|\\`$~]", lambda found: f"&#{ord(found[0])};", escaped)
    escaped = re.sub(r"([*_\[\]!])", r"\\\1", escaped)
    return re.sub(r"(@|(?<!&)#|:(?=//)|www(?=\.))", rf"\1{_BREAK}", escaped, flags=re.IGNORECASE)


def markdown(boards: Sequence[Board], published: Sequence[PublishedRow] = ()) -> str:
    """Main boards, then the others, then published rows; the meaning of intervals comes once, at the end."""
    main = [board_table(board) for board in boards if not board.off]
    off = [board_table(board) for board in boards if board.off]
    parts = [tables_text(main)] if main else []
    if off:
        parts += ["## Not on a main board\n", tables_text(off)]
    daggers = [f"† {escape(DAGGER)} {escape(RANKS)}"] if has_daggers([*main, *off]) else []
    notes = [escape(INTERVALS), *daggers, escape(SEEN_MEANS), escape(EVIDENCE_MEANS)]
    parts += ["## How to read this\n", _lines(notes)]
    if published:
        parts += ["## Published results\n", tables_text(published_tables(published, everything=True))]
    return "\n".join(parts)


def tables_text(tables: Sequence[Table]) -> str:
    """Tables with their captions and notes."""
    return "\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    lines = [
        f"### {escape(table.title)}",
        "",
        _row([escape(head.replace("\n", " ")) for head in table.heads]),
        _row([":--" if is_text else "--:" for is_text in table.is_text]),
        *(_row([_cell(cell, head) for cell, head in zip(row, table.heads, strict=True)]) for row in table.rows),
        "",
    ]
    return "\n".join(lines) + ("\n" + _lines([escape(note) for note in table.notes]) if table.notes else "")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell, head: str) -> str:
    text = escape(cell.text) + ("†" if cell.dagger else "")
    link = web_link(cell.url)
    if link is not None:
        text = f"[{text}](<{escape_html(link)}>)"
    if not cell.below:
        return text
    return f"{text} ({escape(cell.below)})" if head == "rank" else f"{text}<br><sub>{escape(cell.below)}</sub>"


def _lines(notes: Sequence[str]) -> str:
    return "".join(f"- {note}\n" for note in notes)
