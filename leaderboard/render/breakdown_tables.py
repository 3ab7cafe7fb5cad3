"""Breakdowns as tables: the mIoU of each model on parts of the questions, bin by bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from leaderboard.boards import Board, Row
from leaderboard.breakdowns import Breakdown
from leaderboard.render import csv_text, json_text, latex, markdown
from leaderboard.render.cells import Cell, Column, Table, board_notes, model_cells, percent, table_of

KEYS = {
    "object-size": "object_size",
    "classes-per-image": "classes_per_image",
    "support-size": "against_support",
}
"""What ``--by`` calls it -> the key of the breakdown."""

TITLES = {
    "object-size": "by size of the object, in % of the image",
    "classes-per-image": "by classes asked of the query image",
    "support-size": "by size of the object in the query against the mean of its supports",
}
NOTE = (
    "mIoU in % over the classes with a sample in the bin, of all folds pooled; no interval. Compare models in a bin, "
    "not one bin with another: bins hold different classes."
)


@dataclass(frozen=True)
class BoardBreakdowns:
    """A board, and of each of its rows the breakdown of each of its records (one, or one a run)."""

    board: Board
    rows: tuple[tuple[Row, tuple[Breakdown, ...]], ...]


def breakdowns_text(parts: Sequence[BoardBreakdowns], by: str, as_format: str) -> str:
    """The breakdowns as ``markdown``, ``latex``, ``csv`` or ``json``."""
    if as_format == "csv":
        return csv_text.rows_text(_flat(parts))
    if as_format == "json":
        return json_text.dumped({"schema": f"{json_text.SCHEMA}-by", "by": by, "rows": _flat(parts)})
    tables = [_shown(of_board, by) for of_board in parts]
    return latex.tables_text(tables) if as_format == "latex" else markdown.tables_text(tables)


def _shown(parts: BoardBreakdowns, by: str) -> Table:
    names = model_cells([row for row, _ in parts.rows])
    columns: list[Column] = [("model", True, names)]
    bins = parts.rows[0][1][0].bins
    for place, of_bin in enumerate(bins):
        cells = [Cell(percent(_mean([found.bins[place].total.miou for found in of_row]))) for _, of_row in parts.rows]
        columns.append((of_bin.name, False, cells))
    if any(row.marks for row, _ in parts.rows):
        columns.append(("marks", True, [Cell("; ".join(row.marks)) for row, _ in parts.rows]))
    held = "; ".join(f"{b.name}: {b.total.episodes}, {b.total.images}, {b.total.classes}" for b in bins)
    notes = [
        NOTE,
        f"Episodes, images and classes in a bin, of {names[0].text}: {held}.",
        *board_notes(parts.board),
    ]
    return table_of(f"{parts.board.title} · {TITLES[by]}", columns, notes)


def _mean(runs: Sequence[float | None]) -> float | None:
    scores = [miou for miou in runs if miou is not None]
    return fmean(scores) if len(scores) == len(runs) else None


def _flat(parts: Sequence[BoardBreakdowns]) -> list[dict[str, Any]]:
    """One row a record, bin and fold; fold null: all folds."""
    return [
        csv_text.of_board(of_board.board)
        | {
            "model": row.record.model.name,
            "revision": row.record.model.revision,
            "config8": row.record.model.config8,
            "run": entry.record.run,
            "marks": "; ".join(row.marks),
            "breakdown": found.key,
            "bin": of_bin.name,
            "fold": fold,
            **asdict(part),
        }
        for of_board in parts
        for row, of_row in of_board.rows
        for entry, found in zip(row.entries, of_row, strict=True)
        for of_bin in found.bins
        for fold, part in [(None, of_bin.total), *of_bin.folds.items()]
    ]
