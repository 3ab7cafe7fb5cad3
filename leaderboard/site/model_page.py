"""A model's page: its card, how it stands on every board, its classes, what was measured, and how to run it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leaderboard.boards import CONTAMINATED
from leaderboard.site.breakdown_table import BrokenDown, broken_down
from leaderboard.site.card_view import card_view
from leaderboard.site.gallery_view import Galleries, GalleryView
from leaderboard.site.links import comparable, compare_link, row_path
from leaderboard.site.model_on_board import Standing
from leaderboard.site.pages import Page, Site, benchmark_path, model_path
from leaderboard.site.seed_spread import over_seeds, over_trainings, trainings

OPEN_CLASSES = 100
"""With at most so many classes, the bars of the first board are open from the start."""


@dataclass(frozen=True)
class Section:
    """A board on a model's page.

    ``anchor``: its id there; ``benchmark`` and ``compare``: where to go on, no ``compare`` where there is no other row.
    """

    anchor: str
    standing: Standing
    breakdowns: BrokenDown
    gallery: GalleryView | None
    benchmark: str
    compare: str | None


def pages(site: Site, galleries: Galleries | None = None) -> Iterator[Page]:
    """One page a model, by name, revision and configuration.

    ``galleries``: makes the pictures where benchmarks are at hand; its ``assets`` are to be written afterwards.
    """
    galleries = galleries or Galleries()
    again = trainings(site.boards)
    for key, found in site.models.items():
        path = model_path(key)
        sections = [
            Section(
                anchor=f"b-{board.key}" + (f"-{place}" if any(other is board for other, _ in found[:place]) else ""),
                standing=Standing(board, row),
                breakdowns=broken_down(row, galleries.at_hand),
                gallery=galleries.of(row),
                benchmark=f"{benchmark_path(board.benchmark.name)}#b-{board.key}",
                compare=compare_link(board, row) if comparable(board) else None,
            )
            for place, (board, row) in enumerate(found)
        ]
        model = found[0][1].record.model
        yield Page(
            path,
            "model.html",
            {
                "page": path,
                "heading": model.name,
                "crumbs": [("Overview", "index.html"), (model.name, None)],
                "description": model.description,
                "example": model.example,
                "contaminated": sum(CONTAMINATED in row.marks for _, row in found),
                "card": card_view([row for _, row in found]),
                "sections": sections,
                "open_classes": OPEN_CLASSES,
                "seeds": over_seeds(found),
                "again": over_trainings(found, again),
                "path_of": row_path,
            },
        )
