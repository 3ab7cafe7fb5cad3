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
_MODEL = (
    *("name", "revision", "config8", "description", "prompts", "trained_parameters", "total_parameters", "licence"),
    "url",
)


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
            "refused": refused,
            "remarks": remarks,
        }
    )


def dumped(value: Mapping[str, Any]) -> str:
    """Strict JSON, indented, with a newline at the end."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _board(board: Board) -> dict[str, Any]:
    benchmark = board.benchmark
    digests = ("partition", "mask_rule", "lists_sha256", "masks_sha256", "class_names_sha256")
    return {
        "key": board.key,
        "title": board.title,
        "main": not board.off,
        "off": board.off,
        "benchmark": {
            "name": benchmark.name,
            "title": benchmark.title,
            "partial": benchmark.partial or benchmark.present != benchmark.total,
            "present": benchmark.present,
            "total": benchmark.total,
            **{name: getattr(benchmark, name) for name in digests},
            "folds": benchmark.folds,
        },
        "protocol": board.protocol.id,
        "rule_only": board.protocol.rule_only,
        "modified": board.modified,
        "shots": board.shots,
        "seed": board.seed,
        "runs": board.protocol.runs,
        "rows": [_row(row) for row in board.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    record = row.record
    return {
        "rank": row.rank,
        "rank_range": row.rank_range,
        "separable_from_best": row.from_best,
        "marks": row.marks,
        "remarks": row.remarks,
        "model": {name: getattr(row.record.model, name) for name in _MODEL},
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
    deviation = {} if score.deviation is None else {"deviation": score.deviation}
    return {"score": score.score, "ci95": score.ci95, **deviation}


def _published(row: PublishedRow) -> dict[str, Any]:
    scores = {name: fraction(value) for name, value in (("miou", row.mean), ("fb_iou", row.fb_iou))}
    return {
        **{name: getattr(row, name) for name in ("benchmark", "protocol", "model", "encoders", "shots")},
        "folds": {fold: fraction(value) for fold, value in row.folds.items()},
        **scores,
        "source": row.source,
        "note": row.note,
    }
