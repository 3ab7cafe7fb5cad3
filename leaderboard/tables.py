"""Rows of boards as cells: scores, and everything a person chooses a model by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fsbench.models.contract import TrainingCard
from fsbench.records.record import Record
from leaderboard.boards import Board, Row

SEEN = {
    "test_images_seen": "test images",
    "novel_masks_seen": "novel-class masks",
    "novel_boxes_seen": "novel-class boxes",
    "novel_image_labels_seen": "novel-class image labels",
    "novel_image_text_seen": "novel-class image-text pairs",
}
"""Field of the card -> what a table calls what a model has seen."""

EVIDENCE = {
    "counts": "counts: every score follows from per-episode counts",
    "predictions": "predictions: counted again from the masks by the checker",
    "rerun": "rerun: run again by a maintainer",
}
"""From the least to the most."""


def row_cells(board: Board, row: Row) -> dict[str, Any]:
    """A row of a board's table: column -> value, None where there is none; scores are fractions from 0 to 1.

    Columns: ``rank``, ``rank_low``, ``rank_high``, ``separable_from_best``, the model's name, revision, config8 and
    ``marks``; ``fold<F>``, ``miou``, ``fb_iou`` and the protocol's other scores, each with ``_low`` and ``_high`` of
    its 95 % interval (``_std`` over several runs); then prompts, size, speed, training data, licence and evidence.
    """
    record = row.record
    model = record.model
    low, high = row.rank_range or (None, None)
    cells: dict[str, Any] = {
        "rank": row.rank,
        "rank_low": low,
        "rank_high": high,
        "separable_from_best": row.from_best,
        "model": model.name,
        "revision": model.revision,
        "config8": model.config8,
        "marks": "; ".join(row.marks),
    }
    scores = {f"fold{fold}": score for fold, score in row.folds.items()}
    scores |= {"miou": row.miou, "fb_iou": row.fb_iou, **row.other}
    for name, score in scores.items():
        cells[name] = score.score
        if board.protocol.runs > 1:
            cells[f"{name}_std"] = score.deviation
        else:
            cells[f"{name}_low"], cells[f"{name}_high"] = score.ci95 or (None, None)
    return cells | {
        "prompts": model.prompts,
        "shots": record.shots,
        "trained_parameters": model.trained_parameters,
        "total_parameters": model.total_parameters,
        "ms_per_episode": ms_per_episode(row),
        "hardware": hardware(record),
        "training_data": training_data(record),
        **{name: seen(record, name) for name in SEEN},
        "licence": model.licence,
        "url": model.url,
        "evidence": evidence(row),
        "place": row.entries[0].place,
    }


def ms_per_episode(row: Row) -> float | None:
    """Milliseconds that the model alone took for an episode, None where nothing was timed."""
    seconds = sum(entry.record.timings.model_seconds for entry in row.entries)
    episodes = sum(fold.asked for entry in row.entries for fold in entry.record.folds.values())
    return 1000 * seconds / episodes if episodes and seconds > 0 else None


def hardware(record: Record) -> str:
    """Where it was timed."""
    where = record.environment
    if where.device == "cpu":
        return f"{where.processor}, {where.threads} {'thread' if where.threads == 1 else 'threads'}"
    return where.device


def training_data(record: Record) -> str:
    """The training data of the model: one text, or one for each fold."""
    texts = {fold: card.training_data for fold, card in _trained(record).items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"fold {fold}: {text}" for fold, text in texts.items()) or "unknown"


def seen(record: Record, name: str) -> str:
    """Whether any of the record's checkpoints has seen it: yes, no or unknown."""
    return any_seen(_trained(record).values(), name)


def any_seen(cards: Iterable[TrainingCard], name: str) -> str:
    """Whether any of the cards says yes to a field of ``SEEN``; unknown is never taken for no."""
    answers = {getattr(card, name) for card in cards}
    return "yes" if "yes" in answers else "unknown" if "unknown" in answers or not answers else "no"


def evidence(row: Row) -> str:
    """The weakest evidence of the row's records."""
    return min((entry.record.evidence for entry in row.entries), key=list(EVIDENCE).index)


def _trained(record: Record) -> Mapping[str, TrainingCard]:
    """Training cards by fold, or under ``*``; empty for a fold that was run and has none."""
    cards = record.model.training
    if not record.folds.keys() <= cards.keys() and "*" not in cards:
        return {**cards, **{fold: TrainingCard() for fold in record.folds if fold not in cards}}
    return cards


def boards_of(boards: Iterable[Board], benchmark: str, shots: int | None, protocol: str | None) -> list[Board]:
    """The boards of a benchmark by name, of one number of shots and one protocol where these are given."""
    return [
        board
        for board in boards
        if board.benchmark.name == benchmark and shots in (None, board.shots) and protocol in (None, board.protocol.id)
    ]
