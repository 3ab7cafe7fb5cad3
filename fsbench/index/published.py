"""Published lists of registered benchmarks, known with no data on disk."""

from __future__ import annotations

from fsbench.index.fold_lists import FoldLists
from fsbench.plugins import load, registered


def published_lists(benchmark: str) -> FoldLists | None:
    """The lists of a registered benchmark, known without its data; None for an unknown name."""
    point = registered("benchmarks").get(benchmark)
    if point is None:
        return None
    lists = getattr(load(point), "published_lists", None)
    return lists() if callable(lists) else None
