"""Bounded reading of untrusted files: regular files only, a size limit, no duplicate JSON keys.

A file may be a pipe that never ends, a link to a device, gigabytes of zeros, or JSON with a duplicate key, in which two
readers see two records.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NoReturn

from fsbench.errors import FsbenchError

MOST_VALUES = 1_000_000
"""Values in the JSON of a record: 255 x 255 confusion counts in 4 folds are 260,100."""
_PUNCTUATION = (b",", b"[", b"{")


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading, without waiting for a pipe; raises OSError, or FsbenchError for another kind."""
    return open(path, "rb", opener=_opener(path))


def append_regular(path: Path) -> BinaryIO:
    """Open or create a regular file for reading and appending; raises as ``open_regular``."""
    return open(path, "ab+", opener=_opener(path))


def _opener(path: Path) -> Callable[[str, int], int]:
    """An opener that does not wait for a pipe and refuses special files."""

    def opened(name: str, flags: int) -> int:
        descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind in (stat.S_IFREG, stat.S_IFDIR):  # Python itself says IsADirectoryError
            return descriptor
        os.close(descriptor)
        raise FsbenchError(f"{path}: is no regular file: give the file itself")

    return opened


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of a regular file; raises OSError, and FsbenchError if it has more than ``most`` bytes."""
    with open_regular(path) as file:
        check_size(path, file, most)
        data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(path, most)
    return data


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn an OSError into an FsbenchError that names ``path`` and ends with ``remedy``."""
    try:
        yield
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be read ({error.strerror or error}): {remedy}") from error


def check_size(path: Path, file: BinaryIO, most: int) -> None:
    """Raise FsbenchError if the open file ``path`` has more than ``most`` bytes."""
    if os.fstat(file.fileno()).st_size > most:
        raise _too_large(path, most)


def _too_large(path: Path, most: int) -> FsbenchError:
    size = f"{most >> 20} MiB" if most >= 2**20 else f"{most} bytes"
    return FsbenchError(f"{path}: is larger than {size}, expected a smaller file of this kind: check what it is")


def check_json(data: bytes) -> None:
    """Raise ValueError, in one line, for JSON that is invalid, not UTF-8, too large, or has a duplicate key.

    >>> check_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: key 'a' is duplicated
    """
    if sum(data.count(sign) for sign in _PUNCTUATION) > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES} values")
    try:
        json.loads(data.decode("utf-8"), object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"key {plain(key)[:80]!r} is duplicated")
        seen.add(key)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def plain(text: object) -> str:
    """``text`` in one printable line: other characters, such as those that turn the line around, as their numbers."""
    return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in str(text))


def joined(names: Iterable[object], most: int = 200) -> str:
    """Untrusted names joined by dots, printable and not too long."""
    return ".".join(plain(name)[:80] for name in names)[:most]
