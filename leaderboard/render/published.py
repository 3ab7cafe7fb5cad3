"""Published rows as tables of their own, one per protocol that papers used and number of shots."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from leaderboard.boards import known_lists
from leaderboard.published import PublishedRow, by_protocol, folds_of
from leaderboard.render.cells import NONE, Cell, Column, Table, table_of

APART = (
    "Published: as their sources print them, in %, with no interval. They are not ranked against measured rows: "
    "another procedure makes another number."
)


def published_tables(rows: Sequence[PublishedRow], *, everything: bool) -> list[Table]:
    """The tables, in the order of ``rows``; ``everything``: sources and notes as columns, else as numbered notes."""
    return [_table(group, everything) for group in by_protocol(rows)]


def benchmark_title(name: str) -> str:
    """A benchmark's name as tables print it."""
    lists = known_lists(name)
    return name if lists is None else lists.title


def _table(rows: Sequence[PublishedRow], everything: bool) -> Table:
    first = rows[0]
    columns: list[Column] = [
        ("model", True, [Cell(row.model) for row in rows]),
        ("encoders", True, [Cell(row.encoders) for row in rows]),
    ]
    columns += [(f"fold {fold}", False, [_score(row.folds[fold]) for row in rows]) for fold in folds_of(rows)]
    columns.append(("mean", False, [_score(row.mean) for row in rows]))
    if any(row.fb_iou is not None for row in rows):
        columns.append(("FB-IoU", False, [_score(row.fb_iou) for row in rows]))
    notes = [APART]
    if everything:
        columns += [
            ("source", True, [Cell(row.source) for row in rows]),
            ("note", True, [Cell(row.note) for row in rows]),
        ]
    else:
        texts = [f"{row.source}{'; ' if row.note else ''}{row.note}" for row in rows]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts), 1)}
        columns.append(("source", True, [Cell(f"[{numbers[text]}]") for text in texts]))
        notes.append("Sources: " + " ".join(f"[{number}] {text}." for text, number in numbers.items()))
    title = f"{benchmark_title(first.benchmark)} · published · {first.protocol_title} · {first.shots}-shot"
    return table_of(title, columns, notes)


def _score(value: float | None) -> Cell:
    """As printed: a number of the papers has one or two decimals."""
    return Cell(NONE if value is None else repr(value))


def fraction(percent: float | None) -> float | None:
    """A published score in % as the fraction that its decimals say.

    >>> fraction(0.07), 0.07 / 100
    (0.0007, 0.0007000000000000001)
    """
    return None if percent is None else float(Decimal(repr(percent)) / 100)
