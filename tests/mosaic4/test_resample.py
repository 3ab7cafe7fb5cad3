"""Photographs of other sizes as tiles, against a second implementation in fractions, from the specification alone."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic4.resample import SIDE, tile_mask_of, tile_of

sides = st.integers(112, 1100)
places = st.lists(st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1)), min_size=3, max_size=8)


def naive_pixel(image: np.ndarray, r: int, c: int) -> list[int]:
    """The mean over the area of output pixel (r, c), rounded half up, channel by channel."""
    height, width = image.shape[:2]
    total = [Fraction(0)] * 3
    for y in range(r * height // SIDE, -(-(r + 1) * height // SIDE)):
        rows = min(Fraction(r + 1) * height / SIDE, y + 1) - max(Fraction(r) * height / SIDE, y)
        for x in range(c * width // SIDE, -(-(c + 1) * width // SIDE)):
            columns = min(Fraction(c + 1) * width / SIDE, x + 1) - max(Fraction(c) * width / SIDE, x)
            total = [t + rows * columns * int(v) for t, v in zip(total, image[y, x], strict=True)]
    area = Fraction(height, SIDE) * Fraction(width, SIDE)
    return [floor(t / area + Fraction(1, 2)) for t in total]


@settings(max_examples=20, deadline=None)
@given(sides, sides, places, st.integers(0, 2**32 - 1))
def test_tiles_are_exact_averages(height: int, width: int, at: list[tuple[int, int]], seed: int) -> None:
    image = np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)
    tile = tile_of(image)
    assert (tile.dtype, tile.shape) == (np.uint8, (SIDE, SIDE, 3))
    for r, c in [*at, (0, 0), (SIDE - 1, SIDE - 1)]:
        assert tile[r, c].tolist() == naive_pixel(image, r, c)


@pytest.mark.parametrize(("height", "width"), [(700, 1024), (622, 629), (112, 4096), (4096, 113)])
def test_a_whole_tile_of_each_odd_size(height: int, width: int) -> None:
    """Every row and column, with the overlaps of the specification as two matrices: whole numbers, exact in float64."""
    image = np.random.RandomState(height).randint(0, 256, (height, width, 3)).astype(np.uint8)
    a, b, tile = overlaps(height), overlaps(width), tile_of(image)
    for channel in range(3):
        sums = (a @ image[..., channel] @ b.T).astype(np.int64)
        assert np.array_equal(tile[..., channel], (2 * sums + height * width) // (2 * height * width))


def overlaps(side: int) -> np.ndarray:
    """float64 (224, side): how much of [r side, (r + 1) side) is in [224 y, 224 (y + 1))."""
    found = np.zeros((SIDE, side))
    for r in range(SIDE):
        for y in range(r * side // SIDE, min(side, -(-(r + 1) * side // SIDE))):
            found[r, y] = min((r + 1) * side, SIDE * (y + 1)) - max(r * side, SIDE * y)
    return found


def test_a_photograph_of_a_tiles_size_or_a_multiple_is_unchanged() -> None:
    image = np.random.RandomState(0).randint(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    assert np.array_equal(tile_of(image), image)
    assert np.array_equal(tile_of(image.repeat(2, axis=0)), image)
    assert np.array_equal(tile_of(image.repeat(3, axis=1)), image)


@settings(max_examples=20, deadline=None)
@given(sides, sides, st.integers(0, 2**32 - 1))
def test_masks_are_sampled_at_pixel_centres(height: int, width: int, seed: int) -> None:
    mask = np.random.RandomState(seed).randint(0, 2, (height, width)).astype(bool)
    rows = [floor(Fraction(2 * r + 1, 2) * height / SIDE) for r in range(SIDE)]
    columns = [floor(Fraction(2 * c + 1, 2) * width / SIDE) for c in range(SIDE)]
    assert np.array_equal(tile_mask_of(mask), [[mask[y, x] for x in columns] for y in rows])
