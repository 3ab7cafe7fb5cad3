"""A badge for a README, as flat as shields.io's: one model's mIoU on one board, with all that qualifies it.

The picture needs nothing else: no script, no font to be fetched. Widths are advance widths of DejaVu Sans at 11 px, as
Pillow measures them (Verdana has the same within a tenth); ``textLength`` makes any other font keep to them.
"""

from __future__ import annotations

from html import escape

from fsbench.errors import FsbenchError
from leaderboard.boards import OTHER_EPISODES, OTHER_LISTS, Board, Row
from leaderboard.render.cells import percent
from leaderboard.text import visible

_WIDTHS = (
    *(35, 44, 51, 92, 70, 105, 86, 30, 43, 43, 55, 92, 35, 40, 35, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 37, 37),
    *(92, 92, 92, 58, 110, 75, 75, 77, 85, 70, 63, 85, 83, 32, 32, 72, 61, 95, 82, 87, 66, 87, 76, 70, 67, 81, 75, 109),
    *(75, 67, 75, 43, 37, 43, 92, 55, 55, 67, 70, 60, 70, 68, 39, 70, 70, 31, 31, 64, 31, 107, 70, 67, 70, 70, 45, 57),
    *(43, 70, 65, 90, 65, 65, 58, 70, 37, 70, 92),
)
"""Tenths of a pixel, of the characters from space to ~."""

_OTHERS, _WIDEST = {"·": 35, "–": 55}, 110
_PAD, _HEIGHT, _MOST = 6, 20, 120
OURS = "fsbench-v1"
MAIN, MARKED = "#2563a8", "#8a5a00"
"""Colours of the right half: a ranked row of a main board, and any other; white on both passes WCAG AA."""

_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" aria-label="{label}">
<title>{title}</title>
<clipPath id="r"><rect width="{width}" height="{height}" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="{left}" height="{height}" fill="#444"/>\
<rect x="{left}" width="{right}" height="{height}" fill="{colour}"/></g>
<g fill="#fff" font-family="Verdana,Geneva,'DejaVu Sans',sans-serif" font-size="11">
<text x="{pad}" y="14" textLength="{left_text}">{name}</text>
<text x="{right_at}" y="14" textLength="{right_text}">{score}</text>
</g>
</svg>
"""


def badge(board: Board, row: Row) -> str:
    """The badge as SVG; its title holds the model, the questions and the interval.

    Raises FsbenchError for a row with no mean over folds.
    """
    if row.miou.score is None:
        raise FsbenchError(
            f"{row.record.model.name} on {board.title}: has no mIoU ({'; '.join(row.marks)}): run all folds"
        )
    protocol = [board.protocol_title] if board.protocol_title != OURS else []
    reasons = [f"({reason})" for reason in (OTHER_LISTS, OTHER_EPISODES) if reason in board.off]
    name = _short(" ".join([board.benchmark.title, *protocol, f"{board.shots}-shot", *reasons]))
    score = _short(" · ".join([f"{percent(row.miou.score)} mIoU", *row.marks]))
    left, right = (text_width(text) + 2 * _PAD for text in (name, score))
    return _SVG.format(
        width=left + right,
        height=_HEIGHT,
        left=left,
        right=right,
        pad=_PAD,
        right_at=left + _PAD,
        left_text=left - 2 * _PAD,
        right_text=right - 2 * _PAD,
        colour=MARKED if board.off or row.marks else MAIN,
        label=escape(f"{name}: {score}"),
        title=escape(visible(_title(board, row))),
        name=escape(name),
        score=escape(score),
    )


def text_width(text: str) -> int:
    """Pixels, rounded up, at 11 px.

    >>> text_width("64.0 mIoU")
    57
    """
    tenths = sum(_WIDTHS[ord(c) - 32] if " " <= c <= "~" else _OTHERS.get(c, _WIDEST) for c in text)
    return -(-tenths // 10)


def _title(board: Board, row: Row) -> str:
    model = row.record.model
    text = f"{model.name} {model.revision}-{model.config8} on {board.title}: mIoU {percent(row.miou.score)} %"
    if row.miou.ci95 is not None:
        low, high = map(percent, row.miou.ci95)
        text += f", 95 % interval {low} to {high} over query images, given supports, weights and classes"
    if row.miou.deviation is not None:
        text += f", standard deviation {percent(row.miou.deviation)} over {len(row.entries)} runs"
    if row.rank is not None:
        text += f"; rank {row.rank}" + ("" if row.rank_range is None else f" ({row.rank_range[0]}–{row.rank_range[1]})")
    return "; ".join([text, *row.marks, *board.off])


def _short(text: str) -> str:
    """Text that fits a badge; the rest of a long untrusted title is cut."""
    text = visible(text)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
