"""Size and hash of a photograph that is known to be whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from fsbench.io.images import image_size, jpeg_is_whole, read_file, read_image


class Photograph(NamedTuple):
    """Size in pixels and SHA-256 (hex) of the file's bytes."""

    height: int
    width: int
    sha256: str


def read_photograph(path: Path) -> Photograph:
    """Size and hash of a photograph, which is decoded only if a JPEG's end marker is not found.

    Raises FsbenchError if it is missing, broken, cut off, or not 8-bit.
    """
    data = read_file(path)
    if not jpeg_is_whole(data):
        read_image(path, data)
    return Photograph(*image_size(path, data), hashlib.sha256(data).hexdigest())
