"""Threads: how many this process may use, and an ordered map over them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fsbench.progress import progress

Item = TypeVar("Item")
Result = TypeVar("Result")


def processors() -> int:
    """The number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int | None, title: str
) -> Iterator[Result]:
    """``function`` of each item, in order, computed by ``workers`` threads (None: one per processor).

    Few results wait at a time, so the consumer may be slow. The first exception ends it.
    """
    threads = workers or processors()
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fsbench")
    try:
        with progress(title, len(items)) as advance:
            for number, item in enumerate(items, 1):
                waiting.append(pool.submit(function, item))
                while waiting and (len(waiting) >= 8 * threads or number == len(items)):
                    yield waiting.popleft().result()
                    advance(1)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
