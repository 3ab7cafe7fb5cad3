"""Whether files are official archives: identified by their size, verified by SHA-256 and MD5.

Archives fetched by hand are used from where they are, under any name. The checksums of the official files are certain,
so another file is always refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from fsbench.download.disk import bytes_progress
from fsbench.download.sources import Archive
from fsbench.errors import FsbenchError
from fsbench.io.untrusted import open_regular, reading

REMEDY = "give the archive itself"


def identified(files: Sequence[Path], archives: Sequence[Archive]) -> dict[Archive, Path]:
    """The official archive that each of ``files`` must be, by its size; the checksums are not read yet.

    Raises FsbenchError if a file is not a regular file, has the size of no archive, or is given twice.
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
    with reading(file, REMEDY):
        fault = mismatch(file, archive)
    if fault:
        raise FsbenchError(f"{file}: is not the official {archive.name}: {fault}: fetch it again")


def mismatch(path: Path, archive: Archive) -> str | None:
    """The size or checksum in which the file differs from the official archive; None if it is that file.

    Raises OSError if it cannot be read and FsbenchError if it is not a regular file.
    """
    size = path.stat().st_size
    if size != archive.size:
        return f"it has {size} bytes, the official file {archive.size}"
    sha256, md5 = digests(path)
    if sha256 != archive.sha256:
        return f"its SHA-256 is {sha256}, that of the official file {archive.sha256}"
    if archive.md5 is not None and md5 != archive.md5:
        return f"its MD5 is {md5}, that of the official file {archive.md5}"
    return None


def digests(path: Path) -> tuple[str, str]:
    """SHA-256 and MD5 (hex) of a regular file, with a progress bar; raises as ``mismatch``."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open_regular(path) as file, bytes_progress(f"checking {path.name}", path.stat().st_size) as at:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
            at(file.tell())
    return sha256.hexdigest(), md5.hexdigest()


def regular_size(file: Path) -> int:
    """Bytes of a regular file; raises FsbenchError at once for a pipe, a folder, or a missing file."""
    with reading(file, REMEDY), open_regular(file) as opened:
        return os.fstat(opened.fileno()).st_size
