"""The galleries of a site, for records that keep their masks and whose benchmark is available locally."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsbench.errors import FsbenchError
from leaderboard.boards import Row
from leaderboard.results import has_masks
from leaderboard.site.local_benchmarks import LocalBenchmarks
from leaderboard.text import visible

if TYPE_CHECKING:
    from leaderboard.gallery import Gallery

MOST_GALLERIES = 200
"""Their pictures are held in memory until they are written: about 0.3 MiB each."""


class Galleries:
    """Makes the galleries of a site and keeps their images until ``assets`` writes them."""

    def __init__(self, benchmarks: LocalBenchmarks | None = None) -> None:
        self.benchmarks = benchmarks or LocalBenchmarks()
        self._images: dict[str, bytes] = {}
        self._made = 0

    def of(self, row: Row) -> Gallery | str | None:
        """The gallery of a row's first record that kept masks, or why there is none; None where no record did."""
        entry = next(filter(has_masks, row.entries), None)
        if entry is None:
            return None
        benchmark = self.benchmarks.benchmark(entry.record)
        if benchmark is None:
            return f"No gallery: {self.benchmarks.why_missing(entry.record)}."
        if self._made >= MOST_GALLERIES:
            return f"No gallery: a site shows {MOST_GALLERIES} of them."
        from leaderboard.gallery import make_gallery

        try:
            gallery = make_gallery(entry.folder, benchmark)
        except FsbenchError as error:
            text = visible(error).replace(str(entry.folder), entry.place).replace(str(benchmark.folder), "benchmark")
            return f"No gallery: {text}"
        self._made += 1
        self._images |= {picture.path: picture.image for picture in gallery.pictures}
        return gallery

    def assets(self) -> Iterator[tuple[str, bytes]]:
        """The images of all galleries made so far: path in the site, JPEG."""
        yield from sorted(self._images.items())
