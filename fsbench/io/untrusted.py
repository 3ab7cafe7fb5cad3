"""Bounded reading of files that we did not just write: regular files only, a size limit, no duplicate JSON keys.

Every file that a user or a stranger names is opened here. It may be a pipe that never ends, a link to a device,
gigabytes of nothing, or JSON in which a key stands twice, so that two readers see two records. Whatever is wrong
raises ``FsbenchError`` in one line.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NoReturn

from fsbench.errors import FsbenchError

MOST_VALUES = 1_000_000
"""Values that the JSON of a record may hold: 255 classes confused with one another in 4 folds are 260,100."""

_PUNCTUATION = (b",", b"[", b"{")


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file, or a link to one, for reading; a pipe is not waited for.

    Raises OSError where it cannot be opened and FsbenchError where it is no regular file.
    """
    return open(path, "rb", opener=_opener(path))


def append_regular(path: Path) -> BinaryIO:
    """Open a regular file, or a new one, for reading and appending; raises as ``open_regular``."""
    return open(path, "ab+", opener=_opener(path))


def _opener(path: Path) -> Callable[[str, int], int]:
    """An opener that does not wait for a pipe's other end, and refuses what is no regular file."""

    def opened(name: str, flags: int) -> int:
        descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind in (stat.S_IFREG, stat.S_IFDIR):  # Python itself says IsADirectoryError
            return descriptor
        os.close(descriptor)
        raise FsbenchError(f"{path}: is no regular file: give the file itself")

    return opened


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of a regular file; raises OSError, and FsbenchError where it has more than ``most`` bytes."""
    with open_regular(path) as file:
        check_size(path, file, most)
        data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(path, most)
    return data


def check_size(path: Path, file: BinaryIO, most: int) -> None:
    """Raise FsbenchError where the open file ``path`` has more than ``most`` bytes."""
    if os.fstat(file.fileno()).st_size > most:
        raise _too_large(path, most)


def _too_large(path: Path, most: int) -> FsbenchError:
    size = f"{most >> 20} MiB" if most >= 2**20 else f"{most} bytes"
    return FsbenchError(f"{path}: is larger than {size}, expected a smaller file of this kind: check what it is")


def check_json(data: bytes) -> None:
    """Raise ValueError, which says why in one line, for JSON that is not UTF-8, is too much, or says two things.

    >>> check_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: key 'a' stands twice
    """
    if sum(data.count(sign) for sign in _PUNCTUATION) > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES} values")
    try:
        json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _once(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"key {plain(key)[:80]!r} stands twice")
        seen.add(key)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def plain(text: object) -> str:
    """``text`` in one line: every character that cannot be printed, or that turns the line around, as its number."""
    return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in str(text))


def joined(parts: Iterable[object], most: int = 200) -> str:
    """Parts of a stranger's text, joined by dots, harmless to print and not too long."""
    return ".".join(plain(part)[:80] for part in parts)[:most]
