"""Published rows: what papers printed, each with the procedure that made it and where it was read.

They stand apart from measured rows, under the protocol that their paper used, and are never ranked against them: other
episodes, other sizes and other train lists move a number by points.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from fsbench.episodes.protocols import PROTOCOLS

FOLDS = ("0", "1", "2", "3")


@dataclass(frozen=True)
class PublishedRow:
    """One row of a paper's table. Scores in %, as printed; None where the paper has none.

    ``protocol``: the id of ours that replays the paper's procedure, or follows its rule, None where that is not known;
    ``encoders``: visual and text, as the paper calls them; ``source``: where the row was read; ``note``: what else one
    must know.
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
    """The published rows of a benchmark; ``shots``: of this number alone. Best mean first, by protocol and shots."""
    found = [row for row in published_rows() if row.benchmark == benchmark and shots in (None, row.shots)]
    return sorted(found, key=lambda row: (row.shots, row.protocol or "~", -(row.mean or 0.0)))


def _row(said: Mapping[str, str]) -> PublishedRow:
    return PublishedRow(
        benchmark=said["benchmark"],
        protocol=said["paper_protocol"] or None,
        model=said["model"],
        encoders=", ".join(part for part in (said["visual_backbone"], said["text_encoder"]) if part),
        shots=int(said["shots"]),
        folds={fold: _number(said[f"fold{fold}"]) for fold in FOLDS},
        mean=_number(said["mean"]),
        fb_iou=_number(said["fb_iou"]),
        source=said["source"],
        note=said["note"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
