"""One writer at a time: a lock file for what two runs must not write at once.

The system releases a lock when its process ends, however it ends, so a killed run never blocks the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fsbench.errors import FsbenchError
from fsbench.files import make_folder

LOCK = ".lock"
"""Name of the lock file in a folder that has one; it stays there, empty."""


@contextmanager
def locked(file: Path, what: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock ``file``; ``what`` is what it protects, named in messages.

    ``wait``: seconds to wait for another holder. Raises FsbenchError where another process holds the lock, and where
    the file cannot be made.
    """
    make_folder(file.parent)
    lock = FileLock(file, timeout=wait)
    try:
        lock.acquire()
    except Timeout as error:
        raise FsbenchError(f"{what}: another run is at work here: wait for it, or choose another --out") from error
    except OSError as error:
        raise FsbenchError(f"{what}: cannot be written ({error.strerror or error}): choose another --out") from error
    try:
        yield
    finally:
        lock.release()
