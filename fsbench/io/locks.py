"""One writer at a time: lock files that keep two runs from writing the same thing.

The system releases a lock when its process ends, however it ends, so a killed run never blocks the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from fsbench.errors import FsbenchError
from fsbench.io.files import check_writable, make_folder, remove_temporary_files

LOCK = ".lock"
"""Name of the lock file in a folder that has one; it is empty."""


def lock_file(path: Path) -> Path:
    """The lock file of a folder or file, next to it, so that published folders hold none."""
    path = path.resolve()
    return path.parent / f".{path.name}.lock"


@contextmanager
def locked(file: Path, what: Path, *, wait: float = 0.0, remove: bool = False, option: str = "--out") -> Iterator[None]:
    """Hold the lock ``file``, which protects ``what``; a thread that holds it may take it again.

    ``wait``: seconds to wait for another holder. ``remove``: leave no lock file behind; not where others wait, as some
    shared disks let a removed file be locked. ``option``: names another place in messages. Raises FsbenchError if
    another run holds the lock, the file cannot be created, or the disk has no locks.
    """
    make_folder(file.parent)
    lock = FileLock(file, is_singleton=True)
    try:
        lock.acquire(timeout=wait)
    except Timeout as error:
        raise FsbenchError(f"{what}: another run is at work here: wait for it, or choose another {option}") from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FsbenchError(f"{file}: cannot be locked ({reason}): choose another {option}") from error
    try:
        yield
    finally:
        if remove and lock.lock_counter == 1:
            with suppress(OSError):  # Windows removes no open file
                file.unlink()
        lock.release()


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Create and lock ``folder``, and remove temporary files of killed builds; raises FsbenchError as ``locked``."""
    with locked(check_writable(folder) / LOCK, folder, remove=True):
        remove_temporary_files(folder)
        yield folder


@contextmanager
def one_writer(file: Path | None) -> Iterator[None]:
    """Lock ``file`` for writing (None: standard output, no lock); raises FsbenchError if another run holds it."""
    if file is None:
        yield
        return
    with locked(lock_file(file), file, remove=True):
        remove_temporary_files(file.parent, file.name)
        yield
