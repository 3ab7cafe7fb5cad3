"""Numbers as pages print them, and intervals as they are drawn: point and whisker on the axis of their table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

from leaderboard.boards import Score
from leaderboard.render.cells import percent

WIDTH, MARGIN = 168, 6
"""Width of a drawing and the free space at each side, in pixels."""


def amount(number: int | None) -> str:
    """A number of parameters.

    >>> amount(0), amount(4321), amount(6_100_000), amount(None)
    ('0', '4,321', '6.1 M', 'unknown')
    """
    if number is None:
        return "unknown"
    for unit, size in (("G", 10**9), ("M", 10**6)):
        if number >= size / 10:
            return f"{number / size:,.1f} {unit}"
    return f"{number:,}"


class Drawn(NamedTuple):
    """A point and its whisker, in pixels from the left; ``label``: the same in words."""

    point: str
    low: str | None
    high: str | None
    label: str


@dataclass(frozen=True)
class Axis:
    """An axis in %, from the first to the last of its ``ticks``, which are round numbers."""

    ticks: tuple[str, ...]

    @property
    def lines(self) -> str:
        """An SVG path through all ticks."""
        return "".join(f"M{self.place(float(tick))} 0V20" for tick in self.ticks)

    def place(self, value: float) -> str:
        """Where a score, in %, is drawn."""
        low, high = float(self.ticks[0]), float(self.ticks[-1])
        return f"{MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / (high - low):.1f}"

    def draw(self, score: Score) -> Drawn | None:
        """A drawn score, None where there is none."""
        if score.score is None:
            return None
        point = self.place(100 * score.score)
        if score.ci95 is None:
            return Drawn(point, None, None, f"{percent(score.score)}, no interval")
        low, high = score.ci95
        label = f"{percent(score.score)}, 95 % interval {percent(low)} to {percent(high)}"
        return Drawn(point, self.place(100 * low), self.place(100 * high), label)


def axis_of(scores: Iterable[Score]) -> Axis | None:
    """The axis that holds all scores with their intervals, None where there are none.

    >>> axis_of([Score(0.412, (0.39, 0.43)), Score(0.2)]).ticks
    ('20', '30', '40', '50')
    """
    found = [score for score in scores if score.score is not None]
    ends = [100 * end for score in found for end in (score.score, *(score.ci95 or ())) if end is not None]
    if not ends:
        return None
    least, most = min(ends), max(ends)
    for step in (0.5, 1, 2, 5, 10, 20, 25, 50):
        first, last = floor(least / step + 1e-9), ceil(most / step - 1e-9)
        if last - first <= 4:
            break
    if last - first < 2:
        first, last = (first, first + 2) if (first + 2) * step <= 100 else (last - 2, last)
    digits = 0 if step == int(step) else 1
    return Axis(tuple(f"{number * step:.{digits}f}" for number in range(first, last + 1)))
