"""Tells probabilities from scores: foreground is where a score is above 0, and a probability is that everywhere.

One answer proves nothing, so a whole fold is judged, from integers that add up: the verdict depends on the answers
alone, not on how they were cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class ScoreStats(NamedTuple):
    """What is known of a set of float scores.

    ``scores``: how many there are; ``between``: how many of them lie strictly between 0 and 1, not counted in an answer
    that leaves [0, 1]; ``beyond``: whether any lies below 0 or above 1. Bool and integer masks have no scores.
    """

    scores: int = 0
    between: int = 0
    beyond: bool = False

    @property
    def probabilities(self) -> bool:
        """Whether the scores look like probabilities: all in [0, 1], and more than half strictly inside.

        So 0/1 masks as floats, also ones blurred at their edges, and rectified scores with an empty background do not:
        all of these are 0 where the model means background.
        """
        return not self.beyond and 2 * self.between > self.scores


NO_SCORES = ScoreStats()
"""Of bool and integer masks."""


def total(parts: Iterable[ScoreStats]) -> ScoreStats:
    """The statistics of several sets of scores taken together.

    >>> total([ScoreStats(4, 3), ScoreStats(), ScoreStats(4, 2)])
    ScoreStats(scores=8, between=5, beyond=False)
    """
    scores, between, beyond = 0, 0, False
    for part in parts:
        scores, between, beyond = scores + part.scores, between + part.between, beyond or part.beyond
    return ScoreStats(scores, between, beyond)
