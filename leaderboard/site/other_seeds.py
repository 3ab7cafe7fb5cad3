"""How much a score varies with other support seeds and other training seeds, which its interval does not cover.

Support seeds: a model's rows on boards that differ in the seed alone. Training seeds: rows of one board whose models
share name, revision, options, parameters and, fold by fold, training classes, but not weights; a record does not hold
the seed of a training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from leaderboard.boards import Board, Row

BoardRow = tuple[Board, Row]


@dataclass(frozen=True)
class SeedGroup:
    """Rows that differ in one seed, each with its name and its mIoU; ``mean`` and sample ``deviation`` of the mIoUs."""

    title: str
    members: tuple[tuple[str, Row, float], ...]

    @property
    def mean(self) -> float:
        return fmean(score for _, _, score in self.members)

    @property
    def deviation(self) -> float:
        return stdev(score for _, _, score in self.members)


def over_seeds(rows: Sequence[BoardRow]) -> list[SeedGroup]:
    """A model's rows on boards that differ in the support seed alone, two or more with a score."""
    groups: dict[str, list[tuple[Board, Row, float]]] = {}
    for board, row in rows:
        if row.miou.score is not None:
            groups.setdefault(_without_seed(board), []).append((board, row, row.miou.score))
    return [
        SeedGroup(
            f"{group[0][0].benchmark.title} · {group[0][0].protocol_title} · {group[0][0].shots}-shot",
            tuple((f"seed {board.seed}", row, score) for board, row, score in group),
        )
        for group in groups.values()
        if len({board.seed for board, _, _ in group}) > 1
    ]


def trainings(boards: Sequence[Board]) -> dict[tuple[str, str], list[Row]]:
    """(Board key, all but the weights) -> the rows with a score that are one model trained again, in order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for board in boards:
        for row in board.rows:
            if row.record.model.training and row.miou.score is not None:
                found.setdefault((board.key, _without_weights(row)), []).append(row)
    return found


def over_trainings(rows: Sequence[BoardRow], again: Mapping[tuple[str, str], list[Row]]) -> list[SeedGroup]:
    """A model's rows with the others of their board that are the same model trained again; ``again``: ``trainings``."""
    groups = []
    for board, row in rows:
        same = again.get((board.key, _without_weights(row)), [])
        if len({other.record.model.config8 for other in same}) > 1 and row.miou.score is not None:
            members = tuple((other.record.model.config8, other, other.miou.score or 0.0) for other in same)
            groups.append(SeedGroup(board.title, members))
    return groups


def _without_seed(board: Board) -> str:
    b = board.benchmark
    questions = [b.name, b.title, b.lists_sha256, b.masks_sha256, b.class_names_sha256, b.mask_rule]
    return json.dumps([questions, board.protocol.id, board.modified, board.shots])


def _without_weights(row: Row) -> str:
    model = row.record.model
    classes = {fold: card.training_classes for fold, card in sorted(model.training.items())}
    shared = [model.name, model.revision, model.options, model.trained_parameters, model.total_parameters, classes]
    return json.dumps(shared, sort_keys=True)
