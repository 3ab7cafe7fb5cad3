"""The work folder of a root, ``ROOT/.downloads``: one download at a time, folders moved into place atomically.

It holds the archives and the folders they are unpacked to, which one rename moves to their final names. The same
command resumes a killed run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsbench.download.disk import writing
from fsbench.io.files import remove_temporary_files
from fsbench.io.locks import locked

WORK = ".downloads"
STAGING = ".unpacking"
"""The end of the name of a folder that an archive is unpacked to."""


@contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """``root / WORK``, created and locked; raises FsbenchError if another process holds it or the disk refuses."""
    work = root / WORK
    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
    with locked(work / "lock", root, option="--root"):
        remove_temporary_files(work)
        for staging in list(work.glob(f"*{STAGING}")):  # of killed runs: the lock is ours
            empty_staging(staging.name.removesuffix(STAGING), work)
        yield work


def empty_staging(name: str, work: Path) -> Path:
    """The folder to unpack the archive ``name`` to, which does not exist yet: that of a killed run is removed."""
    staging = work / f"{name}{STAGING}"
    with writing(staging):
        if staging.is_symlink() or staging.is_file():
            staging.unlink()
        elif staging.exists():
            shutil.rmtree(staging)
    return staging


def move_into_place(unpacked: Path, final: Path) -> None:
    """Rename the folder ``unpacked`` to ``final`` after its content is on the disk."""
    with writing(final):
        if hasattr(os, "sync"):
            os.sync()  # so that a power cut cannot leave empty files behind a finished rename
        final.parent.mkdir(parents=True, exist_ok=True)
        unpacked.replace(final)
