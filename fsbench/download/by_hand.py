"""Archives that a person fetched: which official file each one is, and that it really is that file.

They are used where they lie, under any name. The checksums of the official files are certain, so another file is always
refused: whoever has one unpacks it by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fsbench.download.digests import mismatch
from fsbench.download.sources import Archive
from fsbench.errors import FsbenchError
from fsbench.io.untrusted import open_regular


def recognized(files: Sequence[Path], archives: Sequence[Archive]) -> dict[Archive, Path]:
    """The official file that each of ``files`` must be, by its number of bytes; the checksums are not read yet.

    Raises FsbenchError where a file is no regular file, has the size of no archive, or is there twice.
    """
    found: dict[Archive, Path] = {}
    for file in files:
        size = regular_size(file)
        archive = next((archive for archive in archives if archive.size == size), None)
        if archive is None:
            known = " or ".join(f"{archive.name} ({archive.size} bytes)" for archive in archives)
            raise FsbenchError(
                f"{file}: has {size} bytes, expected {known}: it is cut short or another file; fetch it again"
            )
        if archive in found:
            raise FsbenchError(f"{file}: is {archive.name}, and so is {found[archive]}: give one of them")
        found[archive] = file
    return found


def check_official(file: Path, archive: Archive) -> None:
    """Raise FsbenchError unless ``file`` has the checksums of ``archive``."""
    with reading(file):
        fault = mismatch(file, archive)
    if fault:
        raise FsbenchError(f"{file}: is not the official {archive.name}: {fault}: fetch it again")


def regular_size(file: Path) -> int:
    """Bytes of a regular file; raises FsbenchError at once for a pipe, a folder, or nothing."""
    with reading(file), open_regular(file) as opened:
        return os.fstat(opened.fileno()).st_size


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn an OSError into one line that names ``file``."""
    try:
        yield
    except OSError as error:
        raise FsbenchError(f"{file}: cannot be read ({error.strerror or error}): give the archive itself") from error
