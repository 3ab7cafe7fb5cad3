"""The pixels of a mosaic: tiles are copied, never resampled or blended.

``compose`` joins arrays of any equal size. ``Mosaics`` reads the tiles of a recipe from a tree in FSS-1000's layout
(``class/n.jpg``, ``class/n.png``) as they are asked for; nothing is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from math import isqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fsbench.errors import FsbenchError
from fsbench.images import read_grey, read_image
from mosaic4.recipe import Recipe

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""Height and width in pixels."""
Hashes = Mapping[str, tuple[str, str]]
"""Sample id -> SHA-256 (hex) of its photograph's and its mask's file."""

TILE: Size = (224, 224)
"""What FSS-1000's photographs are."""
FOREGROUND = 128
"""A mask's grey from which on it is the object."""


def compose(images: Sequence[Pixels], masks: Sequence[Pixels]) -> tuple[Pixels, Pixels]:
    """One mosaic of g x g tiles, row by row from the top left: image gH x gW x 3 and mask gH x gW, both uint8.

    ``images``: uint8 H x W x 3. ``masks``: 8-bit grey H x W; 128 or more becomes p + 1 at position p, the rest 0.
    Raises FsbenchError for a number of tiles that is no square, and for tiles of different sizes.
    """
    grid = isqrt(len(images))
    if not images or grid * grid != len(images) or len(masks) != len(images):
        raise FsbenchError(f"{len(images)} images and {len(masks)} masks: expected as many of each, a square number")
    height, width = images[0].shape[:2]
    for p, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if image.shape != (height, width, 3) or mask.shape != (height, width):
            raise FsbenchError(
                f"tile {p}: image {image.shape} and mask {mask.shape}, expected {height, width, 3} and "
                f"{height, width} as the first tile has: give tiles of one size"
            )
    whole = np.empty((grid * height, grid * width, 3), np.uint8)
    labels = np.empty((grid * height, grid * width), np.uint8)
    for p, (image, mask) in enumerate(zip(images, masks, strict=True)):
        top, left = p // grid * height, p % grid * width
        here = slice(top, top + height), slice(left, left + width)
        whole[here] = image
        np.multiply(mask >= FOREGROUND, np.uint8(p + 1), out=labels[here])
    return whole, labels


class Mosaics(Sequence[tuple[Pixels, Pixels]]):
    """The mosaics of a recipe, composed as they are read: ``mosaics[i]`` is (image, mask) as ``compose`` gives them.

    ``hashes``: what the files must be; a file that was altered is refused. ``tile``: the size that every tile must
    have, None for any one size. Reading raises FsbenchError for a file that is missing, broken, altered or of another
    size. Safe to read from many threads.
    """

    def __init__(self, root: Path, recipe: Recipe, hashes: Hashes | None = None, tile: Size | None = TILE) -> None:
        self.root, self.recipe, self.hashes, self.tile = root, recipe, hashes, tile

    def __len__(self) -> int:
        return len(self.recipe.mosaics)

    def __getitem__(self, index: int) -> tuple[Pixels, Pixels]:  # type: ignore[override]  # slices would hold gigabytes
        tiles = [self._tile(sample) for sample in self.recipe.mosaics[index]]
        return compose([image for image, _ in tiles], [mask for _, mask in tiles])

    def _tile(self, sample: str) -> tuple[Pixels, Pixels]:
        image_path, mask_path = self.root / f"{sample}.jpg", self.root / f"{sample}.png"
        if self.hashes is not None:
            for path, digest in zip((image_path, mask_path), self.hashes[sample], strict=True):
                _check_unaltered(path, digest)
        image, mask = read_image(image_path), read_grey(mask_path)
        for path, pixels in ((image_path, image), (mask_path, mask)):
            if self.tile and pixels.shape[:2] != self.tile:
                raise FsbenchError(
                    f"{path}: is {pixels.shape[0]} x {pixels.shape[1]} (height x width), expected {self.tile[0]} x "
                    f"{self.tile[1]}: fetch the file again"
                )
        return image, mask


def _check_unaltered(path: Path, digest: str) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be read ({error.strerror}): put it back, or say --root") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise FsbenchError(f"{path}: was altered since the mosaics were built: put it back, or build again")
