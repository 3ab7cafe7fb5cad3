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
    Shown,
    board_shown,
    has_daggers,
)
from leaderboard.render.published import published_shown
from leaderboard.text import visible, web_link

_BREAK = "<!-- -->"
"""Shown as nothing; it parts what GitHub would make a mention, an issue, or a link of."""


def escape(text: object) -> str:
    """Text of anyone's as a part of a line of Markdown that shows it and does nothing.

    >>> escape("a|b <b>*x*</b>")
    'a&#124;b &lt;b&gt;\\\\*x\\\\*&lt;/b&gt;'
    """
    said = escape_html(visible(text), quote=False)
    said = re.sub(r"[|\\`$~]", lambda found: f"&#{ord(found[0])};", said)
    said = re.sub(r"([*_\[\]!])", r"\\\1", said)
    return re.sub(r"(@|(?<!&)#|:(?=//)|www(?=\.))", rf"\1{_BREAK}", said, flags=re.IGNORECASE)


def markdown(boards: Sequence[Board], published: Sequence[PublishedRow] = ()) -> str:
    """Main boards, then the others, then published rows; what intervals cover is said once."""
    main = [board_shown(board) for board in boards if not board.off]
    off = [board_shown(board) for board in boards if board.off]
    parts = [tables_text(main)] if main else []
    if off:
        parts += ["## Not on a main board\n", tables_text(off)]
    parts += ["## How to read this\n", _lines(_general([*main, *off]))]
    if published:
        parts += ["## Published results\n", tables_text(published_shown(published, everything=True))]
    return "\n".join(parts)


def tables_text(tables: Sequence[Shown]) -> str:
    """Tables with their captions and notes."""
    return "\n".join(_table(table) for table in tables)


def _general(tables: Sequence[Shown]) -> list[str]:
    notes = [escape(INTERVALS)]
    if has_daggers(tables):
        notes.append(f"† {escape(DAGGER)} {escape(RANKS)}")
    return [*notes, escape(SEEN_MEANS), escape(EVIDENCE_MEANS)]


def _table(table: Shown) -> str:
    lines = [
        f"### {escape(table.title)}",
        "",
        _row([escape(head.replace("\n", " ")) for head in table.heads]),
        _row([":--" if words else "--:" for words in table.words]),
        *(_row([_cell(cell, head) for cell, head in zip(row, table.heads, strict=True)]) for row in table.rows),
        "",
    ]
    return "\n".join(lines) + ("\n" + _lines([escape(note) for note in table.notes]) if table.notes else "")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell, head: str) -> str:
    said = escape(cell.text) + ("†" if cell.dagger else "")
    link = web_link(cell.url)
    if link is not None:
        said = f"[{said}](<{escape_html(link)}>)"
    if not cell.below:
        return said
    return f"{said} ({escape(cell.below)})" if head == "rank" else f"{said}<br><sub>{escape(cell.below)}</sub>"


def _lines(notes: Sequence[str]) -> str:
    return "".join(f"- {note}\n" for note in notes)
