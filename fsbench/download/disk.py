"""The local disk during a download: sizes as text, free space, errors and progress."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.progress import progress


def format_bytes(size: int) -> str:
    """A number of bytes as text, in decimal units.

    >>> format_bytes(999), format_bytes(1_999_639_040)
    ('999 bytes', '2.0 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError into an FsbenchError: only the local disk may be used inside."""
    try:
        yield
    except OSError as error:
        raise FsbenchError(
            f"{error.filename or path}: cannot be written or read ({error.strerror or error}): mend the disk or its "
            "permissions, then run the same command again to resume, or choose another --root"
        ) from error


def check_room(root: Path, needed: int) -> None:
    """Raise FsbenchError if the disk that holds ``root`` has less than ``needed`` bytes free."""
    with writing(root):
        free = shutil.disk_usage(root).free
    if free < needed:
        raise FsbenchError(
            f"{root}: {format_bytes(free)} are free, up to {format_bytes(needed)} are needed: free some space, "
            "or choose another --root"
        )


@contextmanager
def bytes_progress(description: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """A progress bar in MiB; gives a function that sets how many bytes of ``total`` are done."""
    at_mib = 0
    with progress(f"{description} (MiB)", -(-total >> 20)) as advance:

        def at(bytes_done: int) -> None:
            nonlocal at_mib
            advance((bytes_done >> 20) - at_mib)
            at_mib = bytes_done >> 20

        at(done)
        yield at
