"""How far a score moves with other support seeds and with other training seeds: what its interval does not cover.

Support seeds: a model's rows on boards that differ in the seed alone. Training seeds: rows of one board whose models
share name, revision, options, parameters and, fold by fold, training classes, and differ in their weights. A record
does not say what a training was seeded with, so that the second is what can be told from outside, and is worded so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from leaderboard.boards import Board, Row

Standing = tuple[Board, Row]


@dataclass(frozen=True)
class Spread:
    """mIoUs, fractions, of rows that differ in one thing. ``members``: what each is called, beside its row."""

    title: str
    members: tuple[tuple[str, Row], ...]

    @property
    def scores(self) -> list[float]:
        """The mIoU of each that has one."""
        return [row.miou.score for _, row in self.members if row.miou.score is not None]

    @property
    def mean(self) -> float:
        """Mean over the members."""
        return fmean(self.scores)

    @property
    def deviation(self) -> float:
        """Sample standard deviation over the members."""
        return stdev(self.scores)


def over_seeds(standings: Sequence[Standing]) -> list[Spread]:
    """Of a model's rows: those on boards that differ in the seed alone, two or more with a score."""
    groups: dict[str, list[Standing]] = {}
    for board, row in standings:
        if row.miou.score is not None:
            groups.setdefault(_but_seed(board), []).append((board, row))
    return [
        Spread(
            f"{of_group[0][0].benchmark.title} · {of_group[0][0].protocol_title} · {of_group[0][0].shots}-shot",
            tuple((f"seed {board.seed}", row) for board, row in of_group),
        )
        for of_group in groups.values()
        if len({board.seed for board, _ in of_group}) > 1
    ]


def trainings(boards: Sequence[Board]) -> dict[str, dict[str, list[Row]]]:
    """Board key -> what rows share that were trained again -> those rows, in the board's order."""
    found: dict[str, dict[str, list[Row]]] = {}
    for board in boards:
        groups = found.setdefault(board.key, {})
        for row in board.rows:
            if row.record.model.training and row.miou.score is not None:
                groups.setdefault(_but_weights(row), []).append(row)
    return found


def over_trainings(standings: Sequence[Standing], found: Mapping[str, Mapping[str, list[Row]]]) -> list[Spread]:
    """Of a model's rows: those of a board that are the same model trained again, two or more; ``found``: trainings."""
    spreads = []
    for board, row in standings:
        again = found[board.key].get(_but_weights(row), [])
        if len({of_other.record.model.config8 for of_other in again}) > 1 and row.miou.score is not None:
            members = tuple((of_other.record.model.config8, of_other) for of_other in again)
            spreads.append(Spread(board.title, members))
    return spreads


def _but_seed(board: Board) -> str:
    said = board.benchmark
    questions = [said.name, said.title, said.lists_sha256, said.masks_sha256, said.class_names_sha256, said.mask_rule]
    return json.dumps([questions, board.protocol.id, board.modified, board.shots])


def _but_weights(row: Row) -> str:
    model = row.record.model
    classes = {fold: card.training_classes for fold, card in sorted(model.training.items())}
    said = [model.name, model.revision, model.options, model.trained_parameters, model.total_parameters, classes]
    return json.dumps(said, sort_keys=True)
