"""The work folder of a root: one download at a time, and folders that get their final name whole or not at all.

Archives lie in ``ROOT/.downloads``. Each is unpacked to a folder beside it and moved into place by one rename, so what
stands under a final name is whole; a run that was killed anywhere is resumed by the same command.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fsbench.download.disk import writing
from fsbench.errors import FsbenchError
from fsbench.io.files import remove_temporary_files

WORK = ".downloads"
STAGING = ".unpacking"
"""What the name of a folder ends in that an archive is unpacked to."""


@contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """``root / WORK``, made and locked: two downloads would write into the same files.

    Raises FsbenchError where another process holds it, or the disk does not allow it.
    """
    work = root / WORK
    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(work / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise FsbenchError(
                f"{root}: another download works here: wait for its end, or choose another --root"
            ) from error
    try:
        remove_temporary_files(work)
        for left in list(work.glob(f"*{STAGING}")):  # of killed runs: the lock is ours
            empty_staging(left.name.removesuffix(STAGING), work)
        yield work
    finally:
        lock.release()


def empty_staging(name: str, work: Path) -> Path:
    """Where the archive ``name`` is unpacked; what a killed run left there is removed."""
    staging = work / f"{name}{STAGING}"
    with writing(staging):
        if staging.is_symlink() or staging.is_file():
            staging.unlink()
        elif staging.exists():
            shutil.rmtree(staging)
    return staging


def move_into_place(made: Path, final: Path) -> None:
    """Rename the folder ``made`` to ``final``, with all that is in it on the disk."""
    with writing(final):
        if hasattr(os, "sync"):
            os.sync()  # so that a power cut cannot leave empty files behind a finished rename
        final.parent.mkdir(parents=True, exist_ok=True)
        made.replace(final)
