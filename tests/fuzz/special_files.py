"""Puts what is no plain file in place of each target, and prints how its reader ended: a line of JSON per target.

    python -m tests.fuzz.special_files KIND FOLDER

It runs in a process of its own, so that a reader that waits for ever, or reads gigabytes, ends with the process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from fsbench.errors import FsbenchError
from tests.fuzz.targets import make_targets

MOST_MEMORY = 6 * 2**30
SPARSE = 8 * 2**30


def _pipe(path: Path, whole: bytes) -> None:
    os.mkfifo(path)


def _device(path: Path, whole: bytes) -> None:
    path.symlink_to("/dev/zero")


def _sparse(path: Path, whole: bytes) -> None:
    path.write_bytes(whole)
    os.truncate(path, SPARSE)


def _folder(path: Path, whole: bytes) -> None:
    path.mkdir()


KINDS: dict[str, Callable[[Path, bytes], None]] = {
    "pipe": _pipe,
    "device": _device,
    "sparse": _sparse,
    "folder": _folder,
}


def main(kind: str, folder: Path) -> None:
    """Try every target with one kind of file."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for target in make_targets(folder):
        whole = target.file.read_bytes()
        expected = target.read()
        target.file.unlink()
        KINDS[kind](target.file, whole)
        try:
            end = "right" if target.read() == expected else "something else"
        except FsbenchError as error:
            end = str(error)
        print(json.dumps([target.name, str(target.file), end]), flush=True)
        if target.file.is_dir():
            target.file.rmdir()
        else:
            target.file.unlink()
        target.file.write_bytes(whole)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
