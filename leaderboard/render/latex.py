"""LaTeX with booktabs, to be ``\\input`` in any article. Every text becomes one that plain pdfLaTeX can set.

A character that the standard fonts have an accent or a command for is set with it; another is replaced by its plain
letters where Unicode has them (NFKD), else by its number, ``<U+4E2D>``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from textwrap import wrap

from leaderboard.boards import Board
from leaderboard.published import PublishedRow
from leaderboard.render.cells import DAGGER, INTERVALS, MOST_COLUMNS, RANKS, Cell, Table, has_daggers, paper_tables
from leaderboard.render.published import published_tables
from leaderboard.text import visible

_EN_DASH = r"\textendash{}"
_COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_\allowbreak{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": "'",
    "·": r"$\cdot$",
    "–": _EN_DASH,
    "—": r"\textemdash{}",
    "†": r"\dag{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "²": "$^2$",
    "³": "$^3$",
    "µ": r"$\mu$",
    "°": r"$^\circ$",
    "…": r"\ldots{}",
    "‘": "'",
    "’": "'",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "→": r"$\to$",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
"""Combining mark -> LaTeX's command for it."""

LONG_WORDS, SHORT_WORDS = 26, 12
"""Characters; a column of longer words is broken over lines, in a table of few columns and in one of many."""


_HEAD = r"""% needs \usepackage{booktabs}
\providecommand{\fsbenchcell}[3][c]{\begin{tabular}[t]{@{}#1@{}}#2\\[-3pt]{\tiny #3}\end{tabular}}
"""


def escape(text: object) -> str:
    """Text of anyone's as LaTeX that sets it.

    >>> print(escape("50% of é_x"), escape("中"))
    50\\% of {\\'e}\\_\\allowbreak{}x \\textless{}U+4E2D\\textgreater{}
    """
    latex = "".join(_set(character) for character in unicodedata.normalize("NFC", visible(text)))
    return re.sub(r"([-,'])(?=\1)", r"\1{}", latex).replace(_EN_DASH, "--")  # no ligatures of theirs


def _set(character: str) -> str:
    if character in _COMMANDS:
        return _COMMANDS[character]
    if character.isascii():
        return character
    base, *marks = list(unicodedata.normalize("NFD", character))
    if base.isascii() and len(marks) == 1 and marks[0] in _ACCENTS:
        accent = _ACCENTS[marks[0]]
        return f"{{\\{accent}{{{base}}}}}" if accent.isalpha() else f"{{\\{accent}{base}}}"
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if c.isascii() and c.isprintable())
    return escape(plain or f"<U+{ord(character):04X}>")


def latex(boards: Sequence[Board], published: Sequence[PublishedRow] = ()) -> str:
    """One table environment a board, main boards first; then published rows."""
    tables = [table for board in sorted(boards, key=lambda b: bool(b.off)) for table in paper_tables(board)]
    explained = [[INTERVALS, f"† {DAGGER} {RANKS}"] if has_daggers([table]) else [INTERVALS] for table in tables]
    texts = [_table(table, notes) for table, notes in zip(tables, explained, strict=True)]
    texts += [_table(table, []) for table in published_tables(published, everything=False)]
    return "\n".join([_HEAD, *texts])


def tables_text(tables: Sequence[Table]) -> str:
    """Other tables, each with its own notes."""
    return "\n".join([_HEAD, *(_table(table, []) for table in tables)])


def _table(table: Table, notes: Sequence[str]) -> str:
    wide = len(table.heads) >= MOST_COLUMNS - 1
    layout = [_layout(table, column, wide) for column in range(len(table.heads))]
    body = [_line(row, layout) for row in table.rows]
    if 0 < table.rule < len(body):
        body.insert(table.rule, r"\midrule")
    lines = [
        r"\begin{table}[tbp]",
        r"\centering",
        rf"\caption{{{escape(table.title.replace(' · ', ', '))}}}\smallskip",
        r"\scriptsize" if len(table.heads) >= MOST_COLUMNS else r"\footnotesize",
        r"\setlength{\tabcolsep}" + ("{2pt}" if wide else "{4pt}"),
        rf"\begin{{tabular}}{{@{{}}{''.join(layout)}@{{}}}}",
        r"\toprule",
        " & ".join(_head(head) for head in table.heads) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\smallskip",
        r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
        *(rf"{escape(note)}\par" for note in [*notes, *table.notes]),
        r"\end{minipage}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _layout(table: Table, column: int, wide: bool) -> str:
    """Numbers are centred; text is aligned left, in lines of a fixed width where it is long."""
    if not table.is_text[column]:
        return "c"
    cells = [row[column] for row in table.rows]
    longest = max((max(len(visible(c.text)), len(visible(c.below)) * 3 // 4) for c in cells), default=0)
    if longest <= (SHORT_WORDS if wide else LONG_WORDS):
        return "l"
    room = max(0.16, 0.7 - 0.06 * len(table.heads)) if table.heads[column] == "model" else 0.12
    return rf"p{{{room:.2f}\linewidth}}"


def _head(head: str) -> str:
    """A head in a small tabular of its own, over lines where it is long."""
    lines = head.split("\n") if "\n" in head else wrap(head, 11, break_long_words=False)
    if len(lines) == 1:
        return escape(head)
    return r"\begin{tabular}[b]{@{}c@{}}" + r"\\".join(map(escape, lines)) + r"\end{tabular}"


def _line(row: Sequence[Cell], layout: Sequence[str]) -> str:
    """A row; braces in front, since LaTeX takes a ``[`` or ``*`` there for an option of the row before."""
    return "{}" + " & ".join(_text(cell, column) for cell, column in zip(row, layout, strict=True)) + r" \\"


def _text(cell: Cell, column: str) -> str:
    """A cell and its small print; a dagger takes no room, so that numbers stay aligned."""
    dagger = r"\rlap{$^{\dagger}$}" if cell.dagger else ""
    if column.startswith("p"):
        below = rf"\newline{{\tiny {_breakable(cell.below)}}}" if cell.below else ""
        return rf"\raggedright\let\\\tabularnewline {_breakable(cell.text)}{dagger}{below}"
    text = escape(cell.text) + dagger
    if not cell.below:
        return text
    side = "" if column == "c" else f"[{column}]"
    return rf"\fsbenchcell{side}{{{text}}}{{{escape(cell.below)}}}"


def _breakable(text: str) -> str:
    """Text that can be broken over lines, also within long words."""
    parts = re.split(rf"(?<=[^\s-]{{{SHORT_WORDS}}})(?=[^\s-]{{5}})", visible(text))
    return r"\allowbreak{}".join(map(escape, parts))
