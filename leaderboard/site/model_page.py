"""A model's page: its card, its result on every board, its classes, what was measured, and how to run it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fsbench.errors import FsbenchError
from fsbench.scoring.scenes import FALSE_ALARMS
from fsbench.tables.scene_table import must_find
from leaderboard.boards import CONTAMINATED, Board, Row
from leaderboard.breakdowns import Breakdown, read_breakdowns
from leaderboard.known_issues import issues_of
from leaderboard.site.card_view import card_view
from leaderboard.site.galleries import Galleries
from leaderboard.site.local_benchmarks import LocalBenchmarks
from leaderboard.site.model_on_board import folds, line, measured, rank_range, rank_sentence, score_lines
from leaderboard.site.other_seeds import over_seeds, over_trainings, trainings
from leaderboard.site.pages import Page, Site, benchmark_path, comparable, compare_link, model_path
from leaderboard.site.rerun import rerun
from leaderboard.text import visible

OPEN_CLASSES = 100
"""With at most so many classes, the bars of the first board are open from the start."""

BREAKDOWNS = {
    "object_size": "Object size, as a share of the picture",
    "classes_per_image": "Classes in the picture",
    "against_support": "Size of the query's object against its supports'",
}


def pages(site: Site, galleries: Galleries | None = None) -> Iterator[Page]:
    """One page a model, by name, revision and configuration.

    ``galleries`` makes the pictures; write its ``assets`` afterwards.
    """
    galleries = galleries or Galleries()
    again = trainings(site.boards)
    for rows in site.models.values():
        sections = []
        for place, (board, row) in enumerate(rows):
            twice = any(other is board for other, _ in rows[:place])
            anchor = f"b-{board.key}" + (f"-{place}" if twice else "")
            sections.append(_section(board, row, galleries) | {"anchor": anchor})
        model = rows[0][1].record.model
        path = model_path(rows[0][1])
        yield Page(
            path,
            "model.html",
            {
                "page": path,
                "heading": model.name,
                "crumbs": [("Overview", "index.html"), (model.name, None)],
                "description": model.description,
                "example": model.example,
                "contaminated": sum(CONTAMINATED in row.marks for _, row in rows),
                "card": card_view([row for _, row in rows]),
                "sections": sections,
                "open_classes": OPEN_CLASSES,
                "breakdown_titles": BREAKDOWNS,
                "seeds": over_seeds(rows),
                "again": over_trainings(rows, again),
            },
        )


def _section(board: Board, row: Row, galleries: Galleries) -> dict[str, Any]:
    breakdowns, remark = _breakdowns(row, galleries.benchmarks)
    of_folds = folds(board, row)
    return {
        "board": board,
        "row": row,
        "rank_range": rank_range(board, row),
        "rank_sentence": rank_sentence(board, row),
        "mean": line("mIoU", row.miou),
        "scores": [printed for printed, _ in score_lines(board, row)],
        "issues": issues_of(row.record),
        "brackets": must_find(row.record) and any(name in FALSE_ALARMS for name in row.other),
        "folds": of_folds,
        "classes": sum(len(fold.classes) for fold in of_folds),
        "breakdowns": breakdowns,
        "no_breakdowns": remark,
        "gallery": galleries.of(row),
        "measured": measured(board, row),
        "rerun": rerun(row),
        "benchmark": f"{benchmark_path(board.benchmark.name)}#b-{board.key}",
        "compare": compare_link(board, row) if comparable(board) else None,
    }


def _breakdowns(row: Row, benchmarks: LocalBenchmarks) -> tuple[tuple[Breakdown, ...], str | None]:
    """The breakdowns of a row's first record, or why its counts cannot be read."""
    entry = row.entries[0]
    try:
        return read_breakdowns(entry.folder, entry.record, benchmarks.supports(entry.record)), None
    except FsbenchError as error:
        return (), visible(error).replace(str(entry.folder), entry.place)
