"""The columns of a board's table after rank and model: the text of each cell and the number it is sorted by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fsbench.scoring.scenes import FALSE_ALARMS
from fsbench.tables.scene_table import HEADS, must_find
from leaderboard.boards import Board, Row, Score
from leaderboard.render.cells import NONE, below, percent, seen_text
from leaderboard.site.cells import amount
from leaderboard.tables import evidence, hardware, ms_per_episode, training_data

GROUPS = {
    "folds": "Folds",
    "fb": "FB-IoU",
    "other": "Other scores",
    "needs": "Prompts and shots",
    "cost": "Size and speed",
    "training": "Training data, what it has seen",
    "licence": "Licence and evidence",
}
"""Groups of columns that a reader shows or hides."""

Cell = tuple[str, str, str | None]
"""The text, small text below it, and the key it is sorted by (None: the text; empty: missing, always last)."""


@dataclass(frozen=True)
class Column:
    """``down``: whether sorting puts the largest first; ``about``: small text below the head."""

    head: str
    group: str
    cell: Callable[[Row], Cell]
    number: bool = False
    down: bool = False
    wide: bool = False
    about: str = ""

    @property
    def css(self) -> str:
        """The classes of its cells: group, numbers, width in long tables."""
        return f"g-{self.group}" + (" n" if self.number else "") + (" w" if self.wide else "")


def columns_of(board: Board) -> tuple[Column, ...]:
    """The columns of a board: mIoU, folds, FB-IoU, other scores, then ``CHOSEN_BY``."""
    columns = [_score("mIoU", "miou", lambda row: row.miou)]
    if len(board.folds) > 1:
        columns += [_score(f"Fold {fold}", "folds", _fold(fold)) for fold in board.folds]
    if any(row.fb_iou.score is not None for row in board.rows):
        columns.append(_score("FB-IoU", "fb", lambda row: row.fb_iou))
    names = dict.fromkeys(name for row in board.rows for name in row.other)
    for name in [*(name for name in HEADS if name in names), *(name for name in names if name not in HEADS)]:
        columns.append(_score(score_head(name), "other", _other(name), bracketed=name in FALSE_ALARMS))
    return (*columns, *CHOSEN_BY)


OTHER_HEADS: Mapping[str, str] = {
    "with_background": "With background",
    "imagewise": "Imagewise",
    "seen": "Seen classes",
    "unseen": "Unseen classes",
    "harmonic": "Harmonic mean",
}


def score_head(name: str) -> str:
    """The head of a score's column."""
    head = " ".join((HEADS.get(name) or OTHER_HEADS.get(name) or name.replace("_", " ")).split())
    return head[:1].upper() + head[1:]


def _fold(fold: str) -> Callable[[Row], Score]:
    return lambda row: row.folds[fold]


def _other(name: str) -> Callable[[Row], Score]:
    return lambda row: row.other.get(name, Score(None))


def _score(head: str, group: str, score: Callable[[Row], Score], *, bracketed: bool = False) -> Column:
    def cell(row: Row) -> Cell:
        found = score(row)
        text = percent(found.score)
        text = f"({text})" if bracketed and must_find(row.record) else text
        return text, below(found), _sort_key(found.score)

    return Column(head, group, cell, number=True, down=True)


def _sort_key(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _number(
    head: str, group: str, text: Callable[[Any], str], value: Callable[[Row], float | None], about: str = ""
) -> Column:
    return Column(head, group, lambda row: (text(value(row)), "", _sort_key(value(row))), number=True, about=about)


def _text(head: str, group: str, text: Callable[[Row], str], *, wide: bool = False, about: str = "") -> Column:
    return Column(head, group, lambda row: (text(row), "", None), wide=wide, about=about)


def _milliseconds(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


CHOSEN_BY = (
    _text("Prompts", "needs", lambda row: row.record.model.prompts),
    _number("Shots", "needs", str, lambda row: row.record.shots),
    _number("Trained", "cost", amount, lambda row: row.record.model.trained_parameters, "parameters"),
    _number("Total", "cost", amount, lambda row: row.record.model.total_parameters, "parameters"),
    _number("ms", "cost", _milliseconds, ms_per_episode, "an episode"),
    _text("Hardware", "cost", lambda row: hardware(row.record), wide=True),
    _text("Training data", "training", lambda row: training_data(row.record), wide=True),
    _text("Seen", "training", seen_text, wide=True, about="of the test"),
    _text("Licence", "licence", lambda row: row.record.model.licence or "unknown", wide=True),
    _text("Evidence", "licence", evidence),
)
"""The columns that a person chooses a model by."""
