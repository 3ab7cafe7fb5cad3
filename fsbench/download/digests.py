"""Whether a file is the official archive: its size, SHA-256 and MD5, read once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fsbench.download.disk import bytes_progress
from fsbench.download.sources import Archive
from fsbench.io.untrusted import open_regular


def mismatch(path: Path, archive: Archive) -> str | None:
    """What tells the file at ``path`` from the official archive: its size or a checksum; None if nothing does.

    Raises OSError where it cannot be read and FsbenchError where it is no regular file.
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
