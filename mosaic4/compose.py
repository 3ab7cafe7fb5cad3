"""The pixels of a mosaic: tiles are copied, never blended."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np

from fsbench.errors import FsbenchError
from mosaic4.recipe import Recipe
from mosaic4.resample import SIDE, Pixels
from mosaic4.tiles import Tile, TileReader


def join_images(images: Sequence[Pixels]) -> Pixels:
    """g x g tiles (uint8 224 x 224 x 3), row by row from the top left, joined to uint8 224g x 224g x 3.

    Raises FsbenchError for a number of tiles that is no square, and for a tile of another shape.
    """
    grid = _grid(images, (SIDE, SIDE, 3))
    whole = np.empty((grid * SIDE, grid * SIDE, 3), np.uint8)
    for p, image in enumerate(images):
        whole[_place(p, grid)] = image
    return whole


def join_masks(masks: Sequence[Pixels]) -> Pixels:
    """g x g masks (uint8 224 x 224 of 0 and 1) joined to uint8 224g x 224g: p + 1 for 1 at position p, else 0.

    Raises FsbenchError as ``join_images`` does.
    """
    grid = _grid(masks, (SIDE, SIDE))
    labels = np.empty((grid * SIDE, grid * SIDE), np.uint8)
    for p, mask in enumerate(masks):
        np.multiply(mask, np.uint8(p + 1), out=labels[_place(p, grid)])
    return labels


class Mosaics:
    """The mosaics of a recipe, composed on access: ``mosaics[i]`` is an image and a mask, as joined above.

    Raises FsbenchError where ``tiles`` cannot read a tile. Thread-safe.
    """

    def __init__(self, recipe: Recipe, tiles: TileReader) -> None:
        self.recipe, self.tiles = recipe, tiles

    def __len__(self) -> int:
        return len(self.recipe.mosaics)

    def __getitem__(self, mosaic: int) -> Tile:
        tiles = [self.tiles(sample) for sample in self.recipe.mosaics[mosaic]]
        return join_images([image for image, _ in tiles]), join_masks([mask for _, mask in tiles])

    def image(self, mosaic: int) -> Pixels:
        """The image alone; no mask is read."""
        return join_images([self.tiles.image(sample) for sample in self.recipe.mosaics[mosaic]])

    def mask(self, mosaic: int) -> Pixels:
        """The mask alone; no photograph is decoded."""
        return join_masks([self.tiles.mask(sample) for sample in self.recipe.mosaics[mosaic]])


def _grid(tiles: Sequence[Pixels], shape: tuple[int, ...]) -> int:
    grid = isqrt(len(tiles))
    if not tiles or grid * grid != len(tiles):
        raise FsbenchError(f"{len(tiles)} tiles: expected a square number")
    for p, tile in enumerate(tiles):
        if tile.shape != shape:
            raise FsbenchError(f"tile {p}: has the shape {tile.shape}, expected {shape}")
    return grid


def _place(position: int, grid: int) -> tuple[slice, slice]:
    top, left = position // grid * SIDE, position % grid * SIDE
    return slice(top, top + SIDE), slice(left, left + SIDE)
