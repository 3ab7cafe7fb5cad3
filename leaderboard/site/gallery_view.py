"""Overlays of a record's answers for its model's page, where masks were kept and the benchmark is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from fsbench.errors import FsbenchError
from leaderboard.boards import Row
from leaderboard.site.cells import percent
from leaderboard.site.local_benchmarks import AtHand
from leaderboard.text import visible

if TYPE_CHECKING:
    from leaderboard.gallery import Shown

PREDICTIONS = "predictions"
MOST_GALLERIES = 200
"""Their pictures are held in memory until they are written: about 0.3 MiB each."""


class Picture(NamedTuple):
    """``path`` of the image in the site; ``classes``: key and colour; ``alt``: the same in words."""

    path: str
    width: int
    height: int
    classes: tuple[tuple[str, str], ...]
    iou: str
    episode: str
    query: str
    alt: str


@dataclass(frozen=True)
class GalleryView:
    """``caption``: what is shown and how it was chosen; ``remark``: why there is nothing to show."""

    pictures: tuple[Picture, ...] = ()
    caption: str = ""
    remark: str | None = None


class Galleries:
    """Makes the galleries of a site and keeps their images until ``assets`` writes them."""

    def __init__(self, at_hand: AtHand | None = None) -> None:
        self.at_hand = at_hand or AtHand()
        self._images: dict[str, bytes] = {}
        self._made = 0

    def of(self, row: Row) -> GalleryView | None:
        """The gallery of a row's first record that kept masks, None where none did."""
        entry = next((entry for entry in row.entries if (entry.folder / PREDICTIONS).is_dir()), None)
        if entry is None:
            return None
        benchmark = self.at_hand.benchmark(entry.record)
        if benchmark is None:
            return GalleryView(remark=f"No gallery: {self.at_hand.missing(entry.record)}.")
        if self._made >= MOST_GALLERIES:
            return GalleryView(remark=f"No gallery: a site shows {MOST_GALLERIES} of them.")
        from leaderboard.gallery import pictures

        try:
            found = pictures(entry.folder, benchmark)
        except FsbenchError as error:
            said = visible(error).replace(str(entry.folder), entry.place).replace(str(benchmark.folder), "benchmark")
            return GalleryView(remark=f"No gallery: {said}")
        self._made += 1
        return GalleryView(tuple(self._picture(shown) for shown in found.shown), found.caption)

    def assets(self) -> Iterator[tuple[str, bytes]]:
        """The images of all galleries made so far: path in the site, JPEG."""
        yield from sorted(self._images.items())

    def _picture(self, shown: Shown) -> Picture:
        path = f"pictures/{sha256(shown.image).hexdigest()[:20]}.jpg"
        self._images[path] = shown.image
        episode = f"fold {shown.fold}, episode {shown.number}"
        names = ", ".join(key for key, _ in shown.classes)
        alt = f"{episode}: {names}, IoU {percent(shown.iou)} %"
        return Picture(
            path, shown.width, shown.height, shown.classes, percent(shown.iou), episode, shown.query, visible(alt)
        )
