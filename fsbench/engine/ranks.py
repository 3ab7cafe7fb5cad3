"""Evaluation by several processes that ``torchrun`` starts: each answers its share of the batches.

Ranks pass a few lines of text through the store of ``torch.distributed``; counts and masks go through the results
folder, which all of them must see. There is no process group: nothing is summed here, and a model may make its own.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

from fsbench.errors import FsbenchError
from fsbench.io.untrusted import plain

SHORTEST_PAUSE, LONGEST_PAUSE, LOOK = 0.005, 0.5, 5.0
"""Seconds: between two questions whether the others have come, and between two looks whether they are alive."""


PATIENCE = timedelta(minutes=30)
"""How long ranks wait for the last one to begin: it may be loading its model."""
_CALLS = itertools.count()  # of this process: the store keeps what earlier evaluations said


class Ranks:
    """This process's ``rank`` among ``size``. Every rank makes the same calls in the same order.

    Raises FsbenchError where the store is lost, which is in the process of rank 0 or of ``torchrun``.
    """

    def __init__(self) -> None:
        self.rank, self.size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        self.local = int(os.environ.get("LOCAL_RANK", str(self.rank)))
        if self.size > 1:
            _store()  # now: who is lost before the ranks have met is waited for

    @property
    def first(self) -> bool:
        """Whether this is the rank that plans, joins the counts, and prints."""
        return self.rank == 0

    def device(self, device: str) -> str:
        """``device``; several ranks that share ``cuda`` take the card of their local number."""
        return f"cuda:{self.local}" if self.size > 1 and device == "cuda" else device

    def share(self, text: str = "") -> str:
        """The text that rank 0 gives."""
        if self.size == 1:
            return text
        key = self._key()
        if self.first:
            with _reaching():
                _store().set(key, text)
        else:
            self._wait_for([key])
            with _reaching():
                text = str(_store().get(key), "utf-8")
        self._leave(key)
        return text

    def wait(self, alive: Callable[[int], bool] = lambda rank: True) -> None:
        """Wait for all ranks; raises FsbenchError, with its number, for one that has not come and is not ``alive``."""
        if self.size == 1:
            return
        key = self._key()
        with _reaching():
            _store().set(f"{key}-{self.rank}", "")
        self._wait_for([f"{key}-{rank}" for rank in range(self.size)], alive)
        self._leave(key)

    def _key(self) -> str:
        return f"call-{next(_CALLS)}"

    def _leave(self, key: str) -> None:
        """Rank 0 leaves last: the store may end with its process."""
        if self.first:
            self._wait_for([f"{key}-left-{rank}" for rank in range(1, self.size)])
        else:
            with _reaching():
                _store().set(f"{key}-left-{self.rank}", "")

    def _wait_for(self, keys: list[str], alive: Callable[[int], bool] = lambda rank: True) -> None:
        """Wait for ``keys``, one a rank where ``alive`` is asked; a rank that is dead at two looks is dead."""
        dead: set[int] = set()
        pause, look = SHORTEST_PAUSE, time.monotonic() + LOOK
        while True:
            with _reaching():
                missing = [place for place, key in enumerate(keys) if not _store().check([key])]
            if not missing:
                return
            if time.monotonic() > look:
                gone = {rank for rank in missing if not alive(rank)}
                if still := sorted(gone & dead):
                    raise FsbenchError(
                        f"rank {still[0]} of {self.size} has ended before its share was answered: see its message; the "
                        "same command resumes"
                    )
                dead, look = gone, time.monotonic() + LOOK
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = plain(" ".join(str(error).split()))[:120]
        raise FsbenchError(f"the other ranks cannot be reached ({reason}): the same command resumes") from error


@cache
def _store() -> Any:
    """The store of this run, one a process: its address can be used once."""
    import torch.distributed as dist

    try:
        store, _, _ = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
    except (RuntimeError, ValueError) as error:
        reason = plain(" ".join(str(error).split()))[:120]
        raise FsbenchError(f"WORLD_SIZE is set, but the ranks do not meet ({reason}): use torchrun") from error
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # a restart may find what the last one said
    return dist.PrefixStore(f"fsbench-{attempt}", store)  # type: ignore[attr-defined]
