"""The folder that a build writes into: the same build resumes a killed one, and what is not ours is left alone.

While a build runs, ``.mosaic4-building`` says in its first line what is built and with which libraries, and then lists
the files that are done with their SHA-256. The same build started again keeps those that still have it. A finished
build has no such file: building again writes everything again, so that it mends a folder that was altered.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_file, write_text
from fsbench.io.untrusted import read_bytes
from mosaic4.dataset import JSON, PARQUET

MARKER = ".mosaic4-building"
FOLDERS = {"images": r"\d{6,}\.png", "masks": r"\d{6,}\.png", "data": r"test-\d{5}-of-\d{5}\.parquet"}
"""Folder -> names of the files that we write into it."""
FILES = ("croissant.json", "metadata.jsonl", PARQUET)
LARGEST_MARKER = 64 * 2**20
GUESTS = ("benchmark.json", "README.md")
"""Written by others into a finished folder; left as they are."""


class WrittenFiles:
    """The log of a build's files: which are done, with the SHA-256 (hex) they must have. Safe in many threads."""

    def __init__(self, out: Path, log: BinaryIO, done: dict[str, str]) -> None:
        self._out, self._log, self._done = out, log, done
        self._writing = threading.Lock()

    def kept(self, path: Path) -> str | None:
        """The SHA-256 of a file that an earlier build finished and that still has those bytes, else None."""
        digest = self._done.get(path.relative_to(self._out).as_posix())
        try:
            return digest if digest is not None and sha256_file(path) == digest else None
        except (OSError, FsbenchError):
            return None

    def add(self, path: Path, digest: str) -> None:
        """Note a file that is about to be given its final name."""
        with self._writing:
            self._log.write(f"{digest} {path.relative_to(self._out).as_posix()}\n".encode())
            self._log.flush()


@contextmanager
def begin(out: Path, identity: str) -> Iterator[WrittenFiles]:
    """Make ``out`` ready to be written: only files of a build of the same ``identity``, one line, are left of ours.

    Raises FsbenchError for a folder that cannot be written to, or that holds files which no build of ours left; hidden
    files are passed over.
    """
    marker = out / MARKER
    try:
        built, *done = _lines(marker)
        _check_free(out, ours=bool(built) or (out / JSON).exists())
        for path in _left(out, r"\.(?:(?:{})\.)?\d+\.tmp", (*FILES, *GUESTS, JSON, MARKER)):
            path.unlink()
        if built != identity:
            done = []
            write_text(marker, "clearing\n")
            for path in _left(out, "(?:{})", (JSON, *FILES)):
                path.unlink()
        matches = [re.fullmatch(r"([0-9a-f]{64}) (\S+)", line) for line in done]
        known = {match[2]: match[1] for match in matches if match}
        write_text(marker, "".join(f"{line}\n" for line in (identity, *(f"{d} {n}" for n, d in known.items()))))
        with marker.open("ab") as log:
            yield WrittenFiles(out, log, known)
    except OSError as error:
        raise FsbenchError(f"{error.filename}: cannot be removed ({error.strerror}): choose another --out") from error


def _lines(marker: Path) -> list[str]:
    """The lines of a marker, the last one perhaps cut off by a kill; one empty line where there is none."""
    try:
        return read_bytes(marker, LARGEST_MARKER).decode("utf-8", "replace").splitlines() or [""]
    except FileNotFoundError:
        return [""]


def finish(out: Path) -> None:
    """The build is done."""
    (out / MARKER).unlink(missing_ok=True)


def strangers(out: Path, wanted: set[Path]) -> list[Path]:
    """Files in the folders of a build that are not ``wanted``, in byte order; hidden ones are passed over."""
    found = [path for name in FOLDERS if (out / name).is_dir() for path in _seen(out / name)]
    return sorted(set(found) - wanted, key=lambda path: str(path).encode())


def _check_free(out: Path, *, ours: bool) -> None:
    """Raise for what is in ``out`` beside guests and, if it is ``ours``, the files of a build."""
    known = set(_left(out, "(?:{})", (JSON, *FILES))) if ours else set()
    allowed = {out / name for name in GUESTS} | {out / name for name in FOLDERS if (out / name).is_dir()}
    there = [*(path for path in _seen(out) if path not in known | allowed), *strangers(out, known)]
    if there:
        raise FsbenchError(
            f"{min(there)}: is there already, and no build of Mosaic-4 left it: choose another --out, or move it away"
        )


def _seen(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _left(out: Path, form: str, names: tuple[str, ...]) -> list[Path]:
    """What a build of ours left in ``out``: in it ``names``, and what ``FOLDERS`` says, each in ``form``."""
    patterns = {out: "|".join(map(re.escape, names))}
    patterns |= {out / name: pattern for name, pattern in FOLDERS.items() if (out / name).is_dir()}
    return [
        path
        for folder, pattern in patterns.items()
        for path in folder.iterdir()
        if re.fullmatch(form.format(pattern), path.name)
    ]
