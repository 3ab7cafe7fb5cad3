"""The columns of a board's table beside rank and model: what each prints, and the number that it is sorted by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fsbench.scoring.scenes import FALSE_ALARMS
from fsbench.tables.scene_table import HEADS, must_find
from leaderboard.boards import Board, Row, Score
from leaderboard.render.cells import NONE, percent, seen_text
from leaderboard.site.cells import amount, beneath
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
"""The text, small text beneath it, and what it is sorted by (None: by the text; empty: missing, always last)."""


@dataclass(frozen=True)
class Column:
    """``css``: classes of its cells; ``down``: whether the largest comes first when it is sorted."""

    head: str
    group: str
    cell: Callable[[Row], Cell]
    number: bool = False
    down: bool = False
    wide: bool = False
    about: str = ""

    @property
    def css(self) -> str:
        """Its group, whether numbers stand in it, and its width in long tables."""
        return f"g-{self.group}" + (" n" if self.number else "") + (" w" if self.wide else "")


def columns_of(board: Board) -> tuple[Column, ...]:
    """The columns of a board: mIoU, scores by fold, FB-IoU, other scores, then what a person chooses by."""
    folds = board.folds if len(board.folds) > 1 else ()
    columns = [_score("mIoU", "miou", lambda row: row.miou)]
    columns += [_score(f"Fold {fold}", "folds", _fold(fold)) for fold in folds]
    if any(row.fb_iou.score is not None for row in board.rows):
        columns.append(_score("FB-IoU", "fb", lambda row: row.fb_iou))
    names = dict.fromkeys(name for row in board.rows for name in row.other)
    ordered = [name for name in HEADS if name in names] + [name for name in names if name not in HEADS]
    columns += [_score(score_head(name), "other", _other(name), bracketed=name in FALSE_ALARMS) for name in ordered]
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
    said = HEADS.get(name) or OTHER_HEADS.get(name) or name.replace("_", " ")
    said = " ".join(said.split())
    return said[:1].upper() + said[1:]


def _fold(fold: str) -> Callable[[Row], Score]:
    return lambda row: row.folds[fold]


def _other(name: str) -> Callable[[Row], Score]:
    return lambda row: row.other.get(name, Score(None))


def _score(head: str, group: str, score: Callable[[Row], Score], *, bracketed: bool = False) -> Column:
    def cell(row: Row) -> Cell:
        found = score(row)
        said = percent(found.score)
        said = f"({said})" if bracketed and must_find(row.record) else said
        return said, beneath(found), _sorted_by(found.score)

    return Column(head, group, cell, number=True, down=True)


def _sorted_by(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _number(text: Callable[[Any], str], value: Callable[[Row], float | None]) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        found = value(row)
        return text(found), "", _sorted_by(found)

    return cell


def _text(value: Callable[[Row], str]) -> Callable[[Row], Cell]:
    return lambda row: (value(row), "", None)


def _milliseconds(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _licence(row: Row) -> str:
    return row.record.model.licence or "unknown"


CHOSEN_BY = (
    Column("Prompts", "needs", _text(lambda row: row.record.model.prompts)),
    Column("Shots", "needs", _number(str, lambda row: row.record.shots), number=True),
    Column(
        "Trained",
        "cost",
        _number(amount, lambda row: row.record.model.trained_parameters),
        number=True,
        about="parameters",
    ),
    Column(
        "Total",
        "cost",
        _number(amount, lambda row: row.record.model.total_parameters),
        number=True,
        about="parameters",
    ),
    Column("ms", "cost", _number(_milliseconds, ms_per_episode), number=True, about="an episode"),
    Column("Hardware", "cost", _text(lambda row: hardware(row.record)), wide=True),
    Column("Training data", "training", _text(lambda row: training_data(row.record)), wide=True),
    Column("Seen", "training", _text(seen_text), wide=True, about="of the test"),
    Column("Licence", "licence", _text(_licence), wide=True),
    Column("Evidence", "licence", lambda row: (evidence(row), "", None)),
)
