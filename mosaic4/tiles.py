"""A tile: one sample of a tree in FSS-1000's layout, ``class/n.jpg`` with its mask ``class/n.png``.

A file is read once; its bytes are hashed and decoded from memory. Decoding is Pillow's, as everywhere in fsbench.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from fsbench.errors import FsbenchError

Pixels = npt.NDArray[np.uint8]
Tile = tuple[Pixels, Pixels]
"""Photograph, uint8 H x W x 3 RGB, and mask, 8-bit grey H x W."""
Hashes = Mapping[str, tuple[str, str]]
"""Sample id -> SHA-256 (hex) of its photograph's and its mask's file."""

SIDE = 224
"""Height and width of FSS-1000's photographs, and of every tile."""
FOREGROUND = 128
"""A mask's grey from which on it is the object."""
KEPT = 2400
"""Tiles that ``KeptTiles`` keeps at most: those of the official data set, 0.5 GB."""

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)  # what Pillow raises
_PNG = b"\x89PNG"
_COLOUR_MODES = ("RGB", "L", "P", "CMYK", "YCbCr", "RGBA", "LA", "1")


class BrokenImageError(ValueError):
    """Bytes that are no image which can be decoded; the message says why, without a file."""


def tile_paths(root: Path, sample: str) -> tuple[Path, Path]:
    """The files of a sample's photograph and mask."""
    return root / f"{sample}.jpg", root / f"{sample}.png"


def decode(data: bytes, mode: str) -> Pixels:
    """The pixels of an image file: mode ``RGB`` H x W x 3, mode ``L`` H x W. Raises BrokenImageError."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode not in _COLOUR_MODES:
                raise BrokenImageError(f"pixels are of mode {image.mode}, expected 8-bit colour or grey")
            return np.asarray(image if image.mode == mode else image.convert(mode))
    except UnidentifiedImageError:
        raise BrokenImageError("no image that can be read") from None
    except _DAMAGE as error:
        raise BrokenImageError(" ".join(str(error).split()) or type(error).__name__) from error


def decode_whole(data: bytes, mode: str) -> Pixels:
    """As ``decode``, and every checksum of a PNG is compared, which plain decoding leaves out."""
    pixels = decode(data, mode)
    if not data.startswith(_PNG):
        return pixels
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.verify()
    except _DAMAGE as error:
        raise BrokenImageError(" ".join(str(error).split()) or type(error).__name__) from error
    return pixels


class TileReader:
    """Reads the tiles of a tree: ``reader(sample)`` is its photograph and mask.

    ``hashes``: what the files must be; one that was altered is refused. Without, nothing is known of them. Raises
    FsbenchError for a file that is missing, altered, broken, or of another size than a tile. Safe in many threads.
    """

    def __init__(self, root: Path, hashes: Hashes | None = None) -> None:
        self.root, self.hashes = root, hashes

    def __call__(self, sample: str) -> Tile:
        return self.image(sample), self.mask(sample)

    def image(self, sample: str) -> Pixels:
        """The photograph alone."""
        return self._read(sample, 0, "RGB")

    def mask(self, sample: str) -> Pixels:
        """The mask alone."""
        return self._read(sample, 1, "L")

    def _read(self, sample: str, which: int, mode: str) -> Pixels:
        path = tile_paths(self.root, sample)[which]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FsbenchError(f"{path}: cannot be read ({error.strerror}): put it back, or say --root") from error
        if self.hashes is not None and hashlib.sha256(data).hexdigest() != self.hashes[sample][which]:
            raise FsbenchError(f"{path}: was altered since the mosaics were built: put it back, or build again")
        try:
            pixels = decode(data, mode)
        except BrokenImageError as error:
            raise FsbenchError(f"{path}: cannot be read ({error}): fetch the file again") from error
        if pixels.shape[:2] != (SIDE, SIDE):
            raise FsbenchError(
                f"{path}: is {pixels.shape[0]} x {pixels.shape[1]} (height x width), expected {SIDE} x {SIDE}: fetch "
                "the file again"
            )
        return pixels


class KeptTiles(TileReader):
    """Keeps tiles that were read, for going through all mosaics: there each tile is needed g * g times."""

    hashes: Hashes

    def __init__(self, root: Path, hashes: Hashes) -> None:
        super().__init__(root, hashes)
        self._kept: dict[str, Tile] = {}

    def __call__(self, sample: str) -> Tile:
        tile = self._kept.get(sample)
        if tile is None:
            tile = super().__call__(sample)
            self.keep(sample, tile)
        return tile

    def keep(self, sample: str, tile: Tile) -> None:
        """Keep a tile that was read otherwise, from files with the hashes that are known, if there is room."""
        if len(self._kept) < KEPT:
            self._kept[sample] = tile
