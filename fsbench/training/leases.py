"""Which features a running process needs, so that no other process removes them.

A lease is a list of keys next to a lock file. The system releases the lock when the process ends, however it ends; the
next process that looks removes the files.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from fsbench.io.files import write_text
from fsbench.io.untrusted import read_bytes

LARGEST_LIST = 64 * 2**20
"""Bytes of a list of keys: a million of them."""


class Lease:
    """This run's list of keys in ``folder``; holds until ``close`` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{os.getpid()}-{uuid.uuid4().hex}.keys"
        self.keys: frozenset[str] = frozenset()
        self._lock = FileLock(self.path.with_suffix(".lock"))
        self._lock.acquire()

    def add(self, keys: Iterable[str]) -> None:
        """Lease more keys."""
        self.keys |= frozenset(keys)
        write_text(self.path, "".join(f"{key}\n" for key in sorted(self.keys)))

    def close(self) -> None:
        """Release the keys."""
        self.path.unlink(missing_ok=True)
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def leased_by_others(folder: Path, own: Lease | None) -> frozenset[str]:
    """The keys that other running processes hold; leases of ended ones are removed."""
    keys: set[str] = set()
    for path in folder.glob("*.lock"):
        listed = path.with_suffix(".keys")
        if own is not None and listed == own.path:
            continue
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            with suppress(FileNotFoundError):  # not written yet, or its run has just ended
                keys |= set(read_bytes(listed, LARGEST_LIST).decode("ascii", "replace").split())
            continue
        listed.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        lock.release()
    return frozenset(keys)
