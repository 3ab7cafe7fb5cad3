"""Schedules of a learning rate or a weight decay: pure functions of the step, so that a resumed run is the same run."""

from __future__ import annotations

import math


def cosine(step: int, steps: int, start: float, end: float) -> float:
    """Half a cosine from ``start`` at step 0 to ``end`` at the last of ``steps`` and beyond.

    >>> [round(cosine(step, 5, 1.0, 0.0), 3) for step in (0, 2, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    share = min(step / max(steps - 1, 1), 1.0)
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def warm_up_cosine(step: int, steps: int, warm_up: int, peak: float, end: float, start: float = 0.0) -> float:
    """A straight line from ``start`` to ``peak`` in ``warm_up`` steps, then half a cosine to ``end`` at the last step.

    >>> [round(warm_up_cosine(step, 9, 4, 1.0, 0.0), 3) for step in (0, 2, 4, 6, 8)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if step < warm_up:
        return start + (peak - start) * step / warm_up
    return cosine(step - warm_up, steps - warm_up, peak, end)
