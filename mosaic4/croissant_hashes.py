"""The hashes in ``croissant.json`` of the other files of a built Mosaic-4."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from fsbench.errors import CheckFailedError, FsbenchError
from fsbench.io.files import sha256_file
from fsbench.io.untrusted import check_json, plain, read_bytes, reading

FILE = "croissant.json"
LARGEST = 64 * 2**20


def described_files(out: Path) -> dict[str, str]:
    """File -> SHA-256 (hex) in ``croissant.json`` of ``out``; raises FsbenchError where it cannot be read."""
    path = out / FILE
    try:
        with reading(path, "build it again"):
            data = read_bytes(path, LARGEST)
        check_json(data)
        return {
            str(entry["@id"]): str(entry["sha256"]) for entry in json.loads(data)["distribution"] if "sha256" in entry
        }
    except (ValueError, LookupError, TypeError) as error:
        raise FsbenchError(f"{path}: cannot be read ({plain(error)[:200]}): build it again") from error


def check_described(out: Path, names: Iterable[str]) -> None:
    """Raise CheckFailedError for a file of ``names`` without its hash in ``croissant.json`` of ``out``.

    Raises FsbenchError for one that cannot be read.
    """
    hashes = described_files(out)
    for name in names:
        path = out / name
        with reading(path, "build it again"):
            same = sha256_file(path) == hashes.get(name)
        if not same:
            raise CheckFailedError(f"{path}: was altered, or its hash in {out / FILE} was: build it again")
