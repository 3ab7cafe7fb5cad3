"""Threads: how many this process may use, and a function over many items in them, results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fsbench.progress import progress

Item = TypeVar("Item")
Result = TypeVar("Result")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int | None, title: str
) -> Iterator[Result]:
    """``function`` of each item, in order, computed by ``workers`` threads (all processors for None).

    Only a few results wait at a time, so a consumer may be slower than the workers. The first exception ends it.
    """
    threads = workers or processors()
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fsbench")
    try:
        with progress(title, len(items)) as advance:
            for item in _ahead(pool, function, items, waiting, 8 * threads):
                yield item
                advance(1)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    waiting: deque[Future[Result]],
    most: int,
) -> Iterator[Result]:
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
