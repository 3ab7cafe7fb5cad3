"""Published rows: numbers that papers printed, each with the paper's protocol and the source.

They are shown apart from measured rows and never ranked against them: other episodes, other sizes and other train
lists move a number by points.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from fsbench.episodes.protocols import PROTOCOLS

FOLDS = ("0", "1", "2", "3")


@dataclass(frozen=True)
class PublishedRow:
    """One row of a paper's table. Scores in %, as printed; None where the paper has none.

    ``protocol``: the id of our protocol that replays the paper's procedure or follows its rule, None if unknown;
    ``encoders``: visual and text, as the paper calls them.
    """

    benchmark: str
    protocol: str | None
    model: str
    encoders: str
    shots: int
    folds: Mapping[str, float | None]
    mean: float | None
    fb_iou: float | None
    source: str
    note: str

    @property
    def protocol_title(self) -> str:
        """The protocol as tables print it."""
        if self.protocol is None:
            return "not known"
        return PROTOCOLS[self.protocol].title if self.protocol in PROTOCOLS else self.protocol


@lru_cache(maxsize=1)
def published_rows() -> tuple[PublishedRow, ...]:
    """All published rows, in the order of the file."""
    text = files("leaderboard.data").joinpath("published_results.csv").read_text(encoding="utf-8")
    return tuple(_row(row) for row in csv.DictReader(text.splitlines()))


def published_for(benchmark: str, shots: int | None = None) -> list[PublishedRow]:
    """The published rows of a benchmark, of all shots or one number, by shots and protocol, best mean first."""
    found = [row for row in published_rows() if row.benchmark == benchmark and shots in (None, row.shots)]
    return sorted(found, key=lambda row: (row.shots, row.protocol or "~", -(row.mean or 0.0)))


def by_protocol(rows: Sequence[PublishedRow]) -> list[list[PublishedRow]]:
    """Rows of one protocol and number of shots each, in their order."""
    groups: dict[tuple[str | None, int], list[PublishedRow]] = {}
    for row in rows:
        groups.setdefault((row.protocol, row.shots), []).append(row)
    return list(groups.values())


def folds_of(rows: Sequence[PublishedRow]) -> list[str]:
    """The folds for which any of ``rows`` has a score."""
    return [fold for fold in FOLDS if any(row.folds[fold] is not None for row in rows)]


def _row(cells: Mapping[str, str]) -> PublishedRow:
    return PublishedRow(
        benchmark=cells["benchmark"],
        protocol=cells["paper_protocol"] or None,
        model=cells["model"],
        encoders=", ".join(part for part in (cells["visual_backbone"], cells["text_encoder"]) if part),
        shots=int(cells["shots"]),
        folds={fold: _number(cells[f"fold{fold}"]) for fold in FOLDS},
        mean=_number(cells["mean"]),
        fb_iou=_number(cells["fb_iou"]),
        source=cells["source"],
        note=cells["note"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
