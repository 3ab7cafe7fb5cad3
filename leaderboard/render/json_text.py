"""JSON: everything that the other formats show, unrounded; schema ``fsbench-leaderboard/1``, see docs/leaderboard.md.

Strict JSON in ASCII: no NaN, and a character that is not ASCII is escaped, so that nothing turns a terminal around.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.boards import Board, Row, Score
from leaderboard.published import PublishedRow
from leaderboard.render.published import fraction
from leaderboard.tables import SEEN, evidence, hardware, ms_per_episode, seen, training_data

SCHEMA = "fsbench-leaderboard/1"


def json_text(
    boards: Sequence[Board],
    published: Sequence[PublishedRow] = (),
    refused: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> str:
    """The boards, and apart from them the published rows, what was refused, and what was left out."""
    return dumped(
        {
            "schema": SCHEMA,
            "boards": [_board(board) for board in boards],
            "published": [_published(row) for row in published],
            "refused": list(refused),
            "remarks": list(remarks),
        }
    )


def dumped(value: Mapping[str, Any]) -> str:
    """Strict JSON, indented, with a newline at the end."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _board(board: Board) -> dict[str, Any]:
    said = board.benchmark
    return {
        "key": board.key,
        "title": board.title,
        "main": not board.off,
        "off": list(board.off),
        "benchmark": {
            "name": said.name,
            "title": said.title,
            "partial": said.partial or said.present != said.total,
            "present": said.present,
            "total": said.total,
            "partition": said.partition,
            "mask_rule": said.mask_rule,
            "lists_sha256": said.lists_sha256,
            "masks_sha256": said.masks_sha256,
            "class_names_sha256": said.class_names_sha256,
            "folds": list(said.folds),
        },
        "protocol": board.protocol.id,
        "rule_only": board.protocol.rule_only,
        "modified": list(board.modified),
        "shots": board.shots,
        "seed": board.seed,
        "runs": board.protocol.runs,
        "rows": [_row(row) for row in board.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    record = row.record
    model = record.model
    return {
        "rank": row.rank,
        "rank_range": None if row.rank_range is None else list(row.rank_range),
        "separable_from_best": row.from_best,
        "marks": list(row.marks),
        "remarks": list(row.remarks),
        "model": {
            "name": model.name,
            "revision": model.revision,
            "config8": model.config8,
            "description": model.description,
            "prompts": model.prompts,
            "trained_parameters": model.trained_parameters,
            "total_parameters": model.total_parameters,
            "licence": model.licence,
            "url": model.url,
        },
        "training_data": training_data(record),
        "seen": {name: seen(record, name) for name in SEEN},
        "folds": {fold: _score(score) for fold, score in row.folds.items()},
        "miou": _score(row.miou),
        "fb_iou": _score(row.fb_iou),
        "other": {name: _score(score) for name, score in row.other.items()},
        "ms_per_episode": ms_per_episode(row),
        "hardware": hardware(record),
        "evidence": evidence(row),
        "records": [entry.place for entry in row.entries],
    }


def _score(score: Score) -> dict[str, Any]:
    said: dict[str, Any] = {"score": score.score, "ci95": None if score.ci95 is None else list(score.ci95)}
    return said if score.deviation is None else said | {"deviation": score.deviation}


def _published(row: PublishedRow) -> dict[str, Any]:
    return {
        "benchmark": row.benchmark,
        "protocol": row.protocol,
        "model": row.model,
        "encoders": row.encoders,
        "shots": row.shots,
        "folds": {fold: fraction(value) for fold, value in row.folds.items()},
        "miou": fraction(row.mean),
        "fb_iou": fraction(row.fb_iou),
        "source": row.source,
        "note": row.note,
    }
