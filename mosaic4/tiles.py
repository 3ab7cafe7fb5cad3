"""Tiles: samples of a tree in FSS-1000's layout, ``class/n.jpg`` with its mask ``class/n.png``.

A file is read once; its bytes are hashed and decoded from memory, by Pillow, as everywhere in fsbench.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fsbench.benchmarks.fss.class_folders import FOREGROUND
from fsbench.errors import FsbenchError
from fsbench.io.images import LARGEST_IMAGE, read_grey, read_image
from fsbench.io.untrusted import read_bytes, reading
from mosaic4.resample import Pixels, tile_mask_of, tile_of

Tile = tuple[Pixels, Pixels]
"""Photograph, uint8 224 x 224 x 3 RGB, and mask, uint8 224 x 224, 1 where the object is."""
Hashes = Mapping[str, tuple[str, str]]
"""Sample id -> SHA-256 (hex) of its photograph's and its mask's file."""

KEPT = 2400
"""The most tiles that ``KeptTiles`` keeps: all of the official dataset, 0.5 GB."""


def tile_paths(root: Path, sample: str) -> tuple[Path, Path]:
    """The files of a sample's photograph and mask."""
    return root / f"{sample}.jpg", root / f"{sample}.png"


def as_tile(image: Pixels, mask: Pixels) -> Tile:
    """The tile of a photograph, uint8 h x w x 3, and its mask, 8-bit grey h x w."""
    return tile_of(image), _tile_mask(mask)


def _tile_mask(mask: Pixels) -> Pixels:
    return tile_mask_of(mask >= FOREGROUND).astype(np.uint8)


class TileReader:
    """Reads the tiles of a tree: ``reader(sample)`` is its photograph and mask.

    ``hashes``: of the files, None for any. Raises FsbenchError for a missing, altered or broken one. Thread-safe.
    """

    def __init__(self, root: Path, hashes: Hashes | None = None) -> None:
        self.root, self.hashes = root, hashes

    def __call__(self, sample: str) -> Tile:
        return self.image(sample), self.mask(sample)

    def image(self, sample: str) -> Pixels:
        """The photograph alone."""
        return tile_of(read_image(*self._read(sample, 0)))

    def mask(self, sample: str) -> Pixels:
        """The mask alone."""
        return _tile_mask(read_grey(*self._read(sample, 1)))

    def _read(self, sample: str, which: int) -> tuple[Path, bytes]:
        path = tile_paths(self.root, sample)[which]
        with reading(path, "put it back, or give --root"):
            data = read_bytes(path, LARGEST_IMAGE)
        if self.hashes is not None and hashlib.sha256(data).hexdigest() != self.hashes[sample][which]:
            raise FsbenchError(f"{path}: was altered since the mosaics were built: put it back, or build again")
        return path, data


class KeptTiles(TileReader):
    """A reader that keeps tiles: composing all mosaics needs each tile g * g times."""

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
        """Keep a tile that was read elsewhere, from files with the known hashes, if there is room."""
        if len(self._kept) < KEPT:
            self._kept[sample] = tile
