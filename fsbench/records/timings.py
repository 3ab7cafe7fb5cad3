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


def joined_timings(folds: Sequence[Timings], answered: int) -> Timings:
    """Timings of a record whose folds were run one by one."""
    return timings(
        sum(fold.seconds for fold in folds),
        sum(fold.model_seconds for fold in folds),
        answered,
        max(fold.workers for fold in folds),
        max(fold.peak_memory_mib for fold in folds),
    )
