"""Atomic writing of files, and SHA-256 digests.

A file is written under a temporary name in its own folder, flushed to the disk, and renamed, so a killed run leaves at
most a ``.tmp`` file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from fsbench.errors import FsbenchError
from fsbench.io.untrusted import check_size, open_regular


def make_folder(folder: Path) -> Path:
    """``folder``, created with its parents; raises FsbenchError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FsbenchError(f"{folder}: cannot make this folder ({error.strerror}): choose another --out") from error
    return folder


def check_writable(folder: Path) -> Path:
    """``folder``, created if needed; raises FsbenchError now rather than after an hour of work."""
    try:
        with TemporaryFile(dir=make_folder(folder)):
            return folder
    except OSError as error:
        raise FsbenchError(f"{folder}: cannot be written to ({error.strerror}): choose another --out") from error


def remove_temporary_files(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files of killed runs from ``folder``; no run may be writing there.

    ``name``: only those of this file. Raises FsbenchError if that fails.
    """
    try:
        for file in folder.glob(f".{'*' if name is None else escape(name)}.[0-9]*.tmp"):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise FsbenchError(f"{folder}: cannot be written to ({error.strerror}): choose another --out") from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path that is fsynced and renamed to ``path`` on success, else removed; raises FsbenchError."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be written ({error.strerror or error}): choose another --out") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def sha256_file(path: Path, most: int | None = None) -> str:
    """SHA-256 (hex) of a regular file of at most ``most`` bytes; raises OSError and FsbenchError as ``read_bytes``."""
    with open_regular(path) as file:
        if most is not None:
            check_size(path, file, most)
        return hashlib.file_digest(file, "sha256").hexdigest()


def alteration(path: Path, sha256: str | None) -> str | None:
    """That a file was altered or cannot be read, in words; None for a file with this SHA-256 (hex)."""
    try:
        return None if sha256_file(path) == sha256 else f"{path} was altered"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    except FsbenchError as error:
        return str(error)


def sha256_text(text: str) -> str:
    """SHA-256 (hex) of the UTF-8 bytes of ``text``."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_json(values: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of JSON values, independent of layout: keys sorted, no white space, ASCII.

    >>> sha256_json({"b": [1], "a": "é"}) == sha256_json({"a": "é", "b": [1]})
    True
    """
    return sha256_text(json.dumps(values, sort_keys=True, separators=(",", ":")))
