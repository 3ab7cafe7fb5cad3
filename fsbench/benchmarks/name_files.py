"""Reads the small text files in which users name their own classes and folds."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import LONGEST_ID, check_sample_id
from fsbench.io.untrusted import read_bytes, reading

LONGEST = 100
"""Characters that a name may have."""
LARGEST = 1_000_000
"""Bytes that such a file may have: more than 100000 names."""


def read_lines(path: Path, what: str) -> list[tuple[str, str]]:
    """(place, line) of every line that is not blank, without the white space around it; place: ``file line n``.

    ``what`` is for messages: "class file". Raises FsbenchError for a missing, too large, empty or non-UTF-8 file.
    """
    with reading(path, f"give a text file, a {what}"):
        data = read_bytes(path, LARGEST)
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is 0x{data[error.start]:02x}"
        raise FsbenchError(f"{path}: is not UTF-8 ({where}): save the {what} as UTF-8") from error
    numbered = enumerate(text.replace("\r\n", "\n").split("\n"), start=1)
    lines = [(f"{path} line {number}", line.strip(" \t\r")) for number, line in numbered]
    named = [(place, line) for place, line in lines if line]
    if not named:
        raise FsbenchError(f"{path}: names nothing, expected a {what} with a name a line")
    return named


def check_name(place: str, name: str) -> str:
    """``name`` itself; raises FsbenchError for one that does not fit in a table: unprintable, with ``|``, too long."""
    if not name.isprintable() or "|" in name or not name.replace("_", " ").strip():
        raise FsbenchError(f"{place}: {name!r} is not a name: use printable words without '|'")
    if len(name) > LONGEST:
        raise FsbenchError(f"{place}: {name[:20]!r}… has {len(name)} characters, expected at most {LONGEST}")
    return name


def check_folder_name(place: str, name: str) -> str:
    """``name`` itself; raises FsbenchError for one that cannot be a class folder of the layout of FSS-1000."""
    check_name(place, name)
    if "/" in name or "\\" in name or name.startswith("."):
        raise FsbenchError(f"{place}: {name!r} is not a class folder's name: give the bare name, without a path")
    if len(name.encode("utf-8", "replace")) > LONGEST_ID - len("/10"):
        raise FsbenchError(f"{place}: {name[:20]!r}… is too long for a folder: use at most {LONGEST_ID - 3} bytes")
    try:
        check_sample_id(f"{name}/1")
    except FsbenchError as error:
        raise FsbenchError(
            f"{place}: {name!r} must not hold ',', white space or '..', since it is part of sample ids: rename the "
            "folder, with _ for spaces"
        ) from error
    return name


def read_names(path: Path, what: str, check: Callable[[str, str], str]) -> list[str]:
    """The lines of a file, each checked by ``check(place, name)``; raises FsbenchError for one that is there twice."""
    found: dict[str, str] = {}
    for place, line in read_lines(path, what):
        name = check(place, line)
        if name in found:
            raise FsbenchError(f"{place}: {name!r} is on {found[name]} already: name it once")
        found[name] = place.removeprefix(f"{path} ")
    return list(found)
