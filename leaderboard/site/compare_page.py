"""Two models of one board side by side: their paired difference with its interval, per fold and per class.

Any two rows can be selected, so pairs are not computed beforehand. Each row has a script with its replicates of the
mIoU, loaded when the row is selected (unlike other files, scripts can be loaded from the disk), and the browser
subtracts. Replicates are 16-bit codes between the smallest and the largest: off by at most 1/131068 of that span, far
below what is printed. Without JavaScript there is a matrix of the best rows of each board.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import numpy as np

from fsbench.scoring.intervals import FloatArray, paired_interval
from leaderboard.boards import Board, Row
from leaderboard.render.cells import percent
from leaderboard.site.model_on_board import folds, rank_sentence, score_lines
from leaderboard.site.pages import COMPARE, Page, Site, comparable, model_path, row_id
from leaderboard.site.rerun import command_of, record_at
from leaderboard.text import visible

IN_MATRIX = 8
"""The most rows of a matrix."""

LEVELS = 65534
"""The largest code of a replicate; the next one, 65535, is no number."""


def pages(site: Site) -> Iterator[Page]:
    """The one page."""
    boards = [_matrix(board) for board in sorted(site.boards, key=lambda board: bool(board.off)) if comparable(board)]
    yield Page(COMPARE, "compare.html", {"page": COMPARE, "heading": "Compare two models", "boards": boards})


def assets(site: Site) -> Iterator[tuple[str, bytes]]:
    """A script a board, with its rows, and a script a row, with its scores, classes and replicates."""
    for board in site.boards:
        if comparable(board):
            rows = [{"id": row_id(r), "label": row_label(r), "miou": percent(r.miou.score)} for r in board.rows]
            yield f"data/{board.key}.js", _script("fsbenchBoard", {"board": board.key, "rows": rows})
            for row in board.rows:
                yield f"data/{board.key}/{row_id(row)}.js", _script("fsbenchRow", _row_data(board, row))


def row_label(row: Row) -> str:
    """A row in a list: its model, and its marks."""
    model = row.record.model
    marks = f" ({'; '.join(row.marks)})" if row.marks else ""
    return visible(f"{model.name} · {model.revision} · {model.config8}{marks}")


def packed(draws: FloatArray) -> dict[str, Any]:
    """Replicates (R,) as ``low + code * step``, codes 16 bits little-endian in base64, 65535 where there is none."""
    known = draws[~np.isnan(draws)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    step = (high - low) / LEVELS
    codes = np.full(draws.shape, LEVELS + 1, "<u2")
    codes[~np.isnan(draws)] = np.rint((known - low) / step) if step else 0
    return {"low": low, "step": step, "codes": b64encode(codes.tobytes()).decode("ascii")}


def _matrix(board: Board) -> dict[str, Any]:
    """A board's best rows; ``cells``: for each row, its comparisons with the rows before it."""
    rows = board.rows[:IN_MATRIX]
    return {
        "board": board,
        "rows": rows,
        "cells": [[_cell(row, other) for other in rows[:place]] for place, row in enumerate(rows)],
        "command": command_of("fsbench", "compare", *(record_at(row.entries[0].place) for row in rows[:2])),
    }


def _cell(a: Row, b: Row) -> tuple[str, str, bool]:
    """Row ``a`` minus row ``b``: difference and interval as printed, and whether the interval excludes 0."""
    if a.miou.score is None or b.miou.score is None:
        return "–", "", False
    found = None if a.replicates is None or b.replicates is None else paired_interval(a.replicates, b.replicates)
    difference = points(a.miou.score - b.miou.score)
    if found is None:
        return difference, "", False
    return difference, " to ".join(map(points, found)), not found[0] <= 0 <= found[1]


def points(difference: float) -> str:
    """A difference of fractions in points, as the page's script writes it too.

    >>> points(0.0123), points(-0.5), points(-0.00001)
    ('+1.23', '−50.00', '0.00')
    """
    text = f"{100 * difference:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def _row_data(board: Board, row: Row) -> dict[str, Any]:
    """Scores in the page's order, classes fold by fold; fractions, rounded far below what is printed."""
    several = len(board.folds) > 1
    place = row.entries[0].place
    return {
        "board": board.key,
        "id": row_id(row),
        "model": visible(row.record.model.name),
        "about": visible(f"revision {row.record.model.revision}, configuration {row.record.model.config8}"),
        "page": model_path(row),
        "standing": visible(rank_sentence(board, row)),
        "marks": [visible(mark) for mark in row.marks],
        "record": None if command_of(place) is None else command_of(record_at(place)),
        "miou": _rounded(row.miou.score),
        "scores": [[line.name, line.score, line.ci95, _rounded(score)] for line, score in score_lines(board, row)],
        "classes": [
            [visible(f"{bar.key} (fold {fold.name})" if several else bar.key), _rounded(bar.iou), bar.episodes]
            for fold in folds(board, row)
            for bar in fold.classes
        ],
        "draws": None if row.replicates is None else packed(row.replicates),
    }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 7)


def _script(function: str, value: Any) -> bytes:
    """A call with JSON that is a script wherever it is put: ASCII, and with no angle bracket that could end it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"{function}({text.replace('<', chr(92) + 'u003c').replace('>', chr(92) + 'u003e')});\n".encode("ascii")
