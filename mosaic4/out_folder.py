"""The folder that a build writes into: the same build resumes a killed one, and files of others are never touched.

While a build runs, the first line of ``.mosaic4-building`` identifies the build and its libraries; the others list
finished files with their SHA-256. The same build, started again, keeps those that still match. A finished build has no
such file: building again writes everything again, which repairs an altered folder.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fsbench.errors import FsbenchError
from fsbench.io.files import alteration, write_text
from fsbench.io.untrusted import read_bytes
from mosaic4.dataset import JSON, PARQUET

MARKER = ".mosaic4-building"
FOLDERS = {"images": r"\d{6,}\.png", "masks": r"\d{6,}\.png", "data": r"test-\d{5}-of-\d{5}\.parquet"}
"""Folder -> names of the files that a build writes into it."""
FILES = ("croissant.json", "metadata.jsonl", PARQUET)
LARGEST_MARKER = 64 * 2**20
GUESTS = ("benchmark.json", "README.md")
"""Files that others write into a finished folder."""


class BuildLog:
    """The log of a build's files: which are done, with their SHA-256 (hex). Thread-safe."""

    def __init__(self, out: Path, log: BinaryIO, done: dict[str, str]) -> None:
        self._out, self._log, self._done = out, log, done
        self._lock = threading.Lock()

    def kept(self, path: Path) -> str | None:
        """The SHA-256 of a file that an earlier build finished and that is unchanged, else None."""
        digest = self._done.get(path.relative_to(self._out).as_posix())
        return None if digest is None or alteration(path, digest) else digest

    def add(self, path: Path, digest: str) -> None:
        """Log a file that is about to get its final name."""
        with self._lock:
            self._log.write(f"{digest} {path.relative_to(self._out).as_posix()}\n".encode())
            self._log.flush()


@contextmanager
def begin(out: Path, identity: str) -> Iterator[BuildLog]:
    """Prepare ``out`` for writing: of our files, only those of a build with the same ``identity`` (one line) remain.

    Raises FsbenchError for a folder that cannot be written to, or that holds files of others; hidden ones are ignored.
    """
    marker = out / MARKER
    try:
        try:
            text = read_bytes(marker, LARGEST_MARKER).decode("utf-8", "replace")
        except FileNotFoundError:
            text = ""
        built, *done = text.splitlines() or [""]  # the last line may be cut off by a kill
        _check_free(out, ours=bool(built) or (out / JSON).exists())
        for path in _ours(out, r"\.(?:(?:{})\.)?\d+\.tmp", (*FILES, *GUESTS, JSON, MARKER)):
            path.unlink()
        if built != identity:
            done = []
            write_text(marker, "clearing\n")
            for path in _ours(out, "(?:{})", (JSON, *FILES)):
                path.unlink()
        matches = [re.fullmatch(r"([0-9a-f]{64}) (\S+)", line) for line in done]
        known = {match[2]: match[1] for match in matches if match}
        write_text(marker, "".join(f"{line}\n" for line in (identity, *(f"{d} {n}" for n, d in known.items()))))
        with marker.open("ab") as log:
            yield BuildLog(out, log, known)
    except OSError as error:
        raise FsbenchError(f"{error.filename}: cannot be removed ({error.strerror}): choose another --out") from error


def extra_files(out: Path, expected: set[Path]) -> list[Path]:
    """Files in the folders of a build that are not ``expected``, in byte order; hidden ones are ignored."""
    found = [path for name in FOLDERS if (out / name).is_dir() for path in _visible(out / name)]
    return sorted(set(found) - expected, key=lambda path: str(path).encode())


def _check_free(out: Path, *, ours: bool) -> None:
    """Raise for anything in ``out`` except guests and, if it is ``ours``, the files of a build."""
    known = set(_ours(out, "(?:{})", (JSON, *FILES))) if ours else set()
    allowed = {out / name for name in GUESTS} | {out / name for name in FOLDERS if (out / name).is_dir()}
    found = [*(path for path in _visible(out) if path not in known | allowed), *extra_files(out, known)]
    if found:
        raise FsbenchError(
            f"{min(found)}: already exists and was not written by a build of Mosaic-4: choose another --out, or move it"
        )


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _ours(out: Path, form: str, names: tuple[str, ...]) -> list[Path]:
    """Files of a build in ``out``: ``names`` in it, and those of ``FOLDERS``; ``form`` is put around each name."""
    patterns = {out: "|".join(map(re.escape, names))}
    patterns |= {out / name: pattern for name, pattern in FOLDERS.items() if (out / name).is_dir()}
    return [
        path
        for folder, pattern in patterns.items()
        for path in folder.iterdir()
        if re.fullmatch(form.format(pattern), path.name)
    ]
