"""Tells probabilities from scores: foreground is where a score is above 0, and a probability is that everywhere.

One answer proves nothing, so a whole fold is judged, from integers that add up: the verdict depends on the answers
alone, not on how they were cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class ScoreStats(NamedTuple):
    """Statistics of a set of float scores; bool and integer masks have none.

    ``scores``: their number; ``between``: the number strictly between 0 and 1, of answers within [0, 1]; ``beyond``:
    whether any is below 0 or above 1.
    """

    scores: int = 0
    between: int = 0
    beyond: bool = False

    @property
    def probabilities(self) -> bool:
        """Whether the scores look like probabilities: all in [0, 1], and more than half strictly inside.

        0/1 masks as floats, also blurred at their edges, and rectified scores do not: they are 0 on the background.
        """
        return not self.beyond and 2 * self.between > self.scores


NO_SCORES = ScoreStats()
"""Of bool and integer masks."""


def total(stats: Iterable[ScoreStats]) -> ScoreStats:
    """The statistics of the union of several sets of scores.

    >>> total([ScoreStats(4, 3), ScoreStats(), ScoreStats(4, 2)])
    ScoreStats(scores=8, between=5, beyond=False)
    """
    scores, between, beyond = 0, 0, False
    for one in stats:
        scores, between, beyond = scores + one.scores, between + one.between, beyond or one.beyond
    return ScoreStats(scores, between, beyond)
