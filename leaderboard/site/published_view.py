"""Published rows as a benchmark's page shows them: in tables of their own, one a number of shots and protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from leaderboard.published import FOLDS, PublishedRow


@dataclass(frozen=True)
class Printed:
    """Published rows of one number of shots under one protocol. ``folds``: those that any row has a score for."""

    shots: int
    protocol: str
    title: str
    folds: tuple[str, ...]
    rows: tuple[PublishedRow, ...]

    @property
    def notes(self) -> bool:
        """Whether a row has a note."""
        return any(row.note for row in self.rows)


def printed(rows: Sequence[PublishedRow]) -> list[Printed]:
    """Published rows by shots and protocol, in their order."""

    def key(row: PublishedRow) -> tuple[int, str]:
        return row.shots, row.protocol or ""

    found = []
    for (shots, protocol), group in groupby(rows, key=key):
        of_group = tuple(group)
        folds = tuple(fold for fold in FOLDS if any(row.folds[fold] is not None for row in of_group))
        found.append(Printed(shots, protocol, of_group[0].protocol_title, folds, of_group))
    return found
