"""A record's breakdowns as small tables: what it scores on parts of its episodes, from the counts beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fsbench.errors import FsbenchError
from leaderboard.boards import Row
from leaderboard.breakdowns import Breakdown, read_breakdowns
from leaderboard.site.cells import percent
from leaderboard.site.local_benchmarks import AtHand
from leaderboard.text import visible

TITLES = {
    "object_size": "Object size, as a share of the picture",
    "classes_per_image": "Classes in the picture",
    "against_support": "Size of the query's object against its supports'",
}


class Bin(NamedTuple):
    """A bin: mIoU in %, as drawn (none where there is nothing to draw) and as printed, and what it holds."""

    name: str
    width: str | None
    score: str
    episodes: int
    images: int
    classes: str


class Table(NamedTuple):
    """One breakdown."""

    title: str
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class BrokenDown:
    """The tables of a row, of its first run where it has several; ``remark``: why there are none."""

    tables: tuple[Table, ...]
    remark: str | None


def broken_down(row: Row, at_hand: AtHand) -> BrokenDown:
    """The breakdowns of a row; a remark where its counts are not there or are not its own."""
    entry = row.entries[0]
    try:
        found = read_breakdowns(entry.folder, entry.record, at_hand.supports(entry.record))
    except FsbenchError as error:
        return BrokenDown((), visible(error).replace(str(entry.folder), entry.place))
    return BrokenDown(tuple(_table(breakdown) for breakdown in found), None)


def _table(found: Breakdown) -> Table:
    bins = []
    for of_bin in found.bins:
        part = of_bin.total
        width = None if part.miou is None else f"{100 * part.miou:.2f}"
        of_all = f"{part.classes} of {part.classes + part.left_out}"
        bins.append(Bin(of_bin.name, width, percent(part.miou), part.episodes, part.images, of_all))
    return Table(TITLES[found.key], tuple(bins))
