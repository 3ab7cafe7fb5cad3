"""Timings of a record, and of one whose folds ran one by one."""

from __future__ import annotations

from collections.abc import Sequence

from fsbench.records.record import Timings


def timings(seconds: float, model_seconds: float, answered: int, workers: int, memory: float) -> Timings:
    """Timings of ``answered`` query images."""
    return Timings(
        seconds=round(seconds, 3),
        model_seconds=round(model_seconds, 3),
        images_per_second=round(answered / seconds, 2) if seconds else 0.0,
        peak_memory_mib=memory,
        workers=workers,
    )


def joined_timings(parts: Sequence[Timings], answered: int) -> Timings:
    """Timings of a record whose folds were run one by one."""
    return timings(
        sum(part.seconds for part in parts),
        sum(part.model_seconds for part in parts),
        answered,
        max(part.workers for part in parts),
        max(part.peak_memory_mib for part in parts),
    )
