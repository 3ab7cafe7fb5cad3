"""The overview, with the best row of each board, and the list of all models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from leaderboard.boards import Board
from leaderboard.site.board_page import LONG, benchmark_name, heading_of, not_separable, short_keys
from leaderboard.site.cells import axis_of
from leaderboard.site.pages import Page, Site, benchmark_path

OVERVIEW, MODELS = "index.html", "models.html"


def pages(site: Site) -> Iterator[Page]:
    """The overview and the list of models."""
    values = {
        "page": OVERVIEW,
        "heading": "Few-shot and zero-shot segmentation, measured",
        "shelves": [_shelf(name, boards, len(site.published(name))) for name, boards in site.benchmarks.items()],
        "models": len(site.models),
        "records": sum(len(row.entries) for board in site.boards for row in board.rows),
        "boards": len(site.boards),
        "refused": len(site.results.refused),
        "published": site.with_published,
        "models_page": MODELS,
    }
    yield Page(OVERVIEW, "overview.html", values)
    models = list(site.models.values())
    yield Page(
        MODELS, "models.html", {"page": MODELS, "heading": "Models", "models": models, "long": len(models) > LONG}
    )


def _shelf(name: str, boards: list[Board], published: int) -> dict[str, Any]:
    title, keys = benchmark_name(name, boards), short_keys(boards)
    lines = [heading_of(board, title, keys[board.key]) | {"close": len(not_separable(board))} for board in boards]
    return {
        "title": title,
        "path": benchmark_path(name),
        "published": published,
        "main": [line for line in lines if not line["board"].off],
        "off": [line for line in lines if line["board"].off],
        "axis": axis_of(board.ranked[0].miou for board in boards if board.ranked),
    }
