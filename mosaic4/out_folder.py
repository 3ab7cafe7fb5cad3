"""The folder that a build writes into: what a killed build left is gone on with, what is not ours is left alone.

While a build runs, ``.mosaic4-building`` says in one text what is built and with which libraries. Files under a final
name are whole, so the same build started again keeps those that are there. A finished build has no such file: building
again writes everything again, so that it mends a folder that was altered.
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
GUESTS = ("benchmark.json", "README.md")
"""Written by others into a finished folder; left as they are."""


def begin(out: Path, identity: str) -> None:
    """Make ``out`` ready to be written: only whole files of a build of the same ``identity`` are left of ours.

    Raises FsbenchError for a folder that cannot be written to, or that holds files which no build of ours left; hidden
    files are passed over.
    """
    check_writable(out)
    marker = out / MARKER
    try:
        built = marker.read_text(encoding="utf-8", errors="replace") if marker.exists() else None
        _check_free(out, ours=built is not None or (out / JSON).exists())
        for path in _left(out, r"\.(?:(?:{})\.)?\d+\.tmp", (*FILES, JSON, MARKER)):
            path.unlink()
        if built != identity:
            write_text(marker, "clearing\n")
            for path in _left(out, "(?:{})", (JSON, *FILES)):
                path.unlink()
            write_text(marker, identity)
    except OSError as error:
        raise FsbenchError(f"{error.filename}: cannot be removed ({error.strerror}): choose another --out") from error


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
