"""The folder that a build writes into: what a killed build left is gone on with, what is not ours is left alone.

While a build runs, ``.mosaic4-building`` says in one text what is built and with which libraries. Files under a final
name are whole, so a second build of the same thing keeps those that are there; a build of anything else removes them
first.
"""

from __future__ import annotations

import re
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.files import check_writable, write_text
from mosaic4.dataset import JSON, PARQUET

MARKER = ".mosaic4-building"
FOLDERS = {"images": r"\d{6,}\.png", "masks": r"\d{6,}\.png", "data": r"test-\d{5}-of-\d{5}\.parquet"}
"""Folder -> names of the files that we write into it."""
FILES = ("croissant.json", "metadata.jsonl", PARQUET)


def begin(out: Path, identity: str) -> None:
    """Make ``out`` ready to be written: only whole files of a build of the same ``identity`` are left of ours.

    Raises FsbenchError for a folder that cannot be written to, or that holds files which no build of ours left.
    """
    check_writable(out)
    marker = out / MARKER
    try:
        built = marker.read_text(encoding="utf-8", errors="replace") if marker.exists() else None
        if built is None and not (out / JSON).exists():
            _check_free(out)
        for path in _ours(out, temporary=True):
            path.unlink()
        if built != identity:
            write_text(marker, "clearing\n")
            (out / JSON).unlink(missing_ok=True)
            for path in _ours(out, temporary=False):
                path.unlink()
            write_text(marker, identity)
    except OSError as error:
        raise FsbenchError(f"{error.filename}: cannot be removed ({error.strerror}): choose another --out") from error


def finish(out: Path) -> None:
    """The build is done."""
    (out / MARKER).unlink(missing_ok=True)


def strangers(out: Path, wanted: set[Path]) -> list[Path]:
    """Files in the folders of a build that are not ``wanted``, in byte order."""
    found = [path for name in FOLDERS if (out / name).is_dir() for path in (out / name).iterdir()]
    return sorted(set(found) - wanted, key=lambda path: str(path).encode())


def _check_free(out: Path) -> None:
    there = [*(out / name for name in FILES if (out / name).exists()), *strangers(out, set())]
    if there:
        raise FsbenchError(f"{there[0]}: is there already, and no build of Mosaic-4 left it: choose another --out")


def _ours(out: Path, *, temporary: bool) -> list[Path]:
    """Files that a build of ours left in ``out``: the whole ones, or the temporary ones of a killed build."""
    names = {out: "|".join(map(re.escape, (*FILES, *((JSON, MARKER) if temporary else ()))))}
    names |= {out / name: pattern for name, pattern in FOLDERS.items() if (out / name).is_dir()}
    found = []
    for folder, pattern in names.items():
        ours = re.compile(rf"\.(?:{pattern})\.\d+\.tmp" if temporary else pattern)
        found += [path for path in folder.iterdir() if ours.fullmatch(path.name)]
    return found
