"""Which class is taken for which, where several are asked at once: the largest off the diagonal."""

from __future__ import annotations

from heapq import nlargest
from typing import NamedTuple

from fsbench.records.counts import BACKGROUND
from fsbench.records.record import FoldRecord


class Confusion(NamedTuple):
    """``pixels`` of class ``truth`` were labelled ``predicted``; ``share``: of all pixels of ``truth``, a fraction."""

    truth: str
    predicted: str
    pixels: int
    share: float


def largest_confusions(said: FoldRecord, most: int = 10) -> list[Confusion]:
    """The largest confusions of a fold, by pixels; none where it has no confusion matrix or one that is not square."""
    if said.confusion is None:
        return []
    ids, pixels = said.confusion.class_ids, said.confusion.pixels
    if len(pixels) != len(ids) or any(len(row) != len(ids) for row in pixels):
        return []
    names = {c.class_id: key for key, c in [*said.classes.items(), *said.others.items()]} | {BACKGROUND: "background"}
    found = nlargest(
        most,
        ((n, -t, -p) for t, row in enumerate(pixels) for p, n in enumerate(row) if n and t != p),
    )
    return [
        Confusion(
            names.get(ids[-t], f"class {ids[-t]}"), names.get(ids[-p], f"class {ids[-p]}"), n, n / sum(pixels[-t])
        )
        for n, t, p in found
    ]
