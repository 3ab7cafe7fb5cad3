"""Resizes photographs of any size to tiles of 224 x 224 in integers, so that every machine gets the same pixels.

The rule is in ``docs/mosaic4-v1.md``: photographs are averaged over areas, masks are read at the centres of a tile's
pixels. Six samples of FSS-1000's test classes need it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

SIDE = 224
"""Height and width of a tile, and of almost every photograph of FSS-1000."""
SMALLEST, LARGEST = 112, 4096
"""The sides that a photograph may have."""


def tile_of(image: Pixels) -> Pixels:
    """A photograph, uint8 h x w x 3, as a tile, uint8 224 x 224 x 3; one of that size is unchanged.

    Output pixel (r, c) of a channel is floor((2 S + h w) / (2 h w)): the mean over the area that it covers, rounded
    half up. S is the sum over input pixels (y, x) of a(r, y) b(c, x) value, where a(r, y) is how much of
    [r h, (r + 1) h) is in [224 y, 224 (y + 1)), and b likewise with w.
    """
    height, width = image.shape[:2]
    if (height, width) == (SIDE, SIDE):
        return image
    sums = _sums(_sums(image.astype(np.int64)).swapaxes(0, 1)).swapaxes(0, 1)
    tile: Pixels = ((2 * sums + height * width) // (2 * height * width)).astype(np.uint8)
    return tile


def tile_mask_of(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A mask, bool h x w, resized to a tile's, bool 224 x 224; one of that size is unchanged.

    Pixel (r, c) is that at row floor((2 r + 1) h / 448), column floor((2 c + 1) w / 448).
    """
    if mask.shape == (SIDE, SIDE):
        return mask
    rows, columns = ((2 * np.arange(SIDE) + 1) * side // (2 * SIDE) for side in mask.shape)
    tile: npt.NDArray[np.bool_] = mask[rows[:, None], columns]
    return tile


def _sums(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sums along the first axis, weighted by overlap: (n, …) -> (224, …).

    With the input's pixels 224 long and the output's n, output r is the integral up to (r + 1) n less that up to r n.
    Exact: a photograph of 4096 x 4096 gives sums below 2^42.
    """
    whole, part = np.divmod(np.arange(SIDE + 1) * len(values), SIDE)
    end = np.zeros((1, *values.shape[1:]), np.int64)
    before = np.concatenate([end, np.cumsum(values, axis=0)])
    part = part.reshape(-1, *(1,) * (values.ndim - 1))
    integral: npt.NDArray[np.int64] = SIDE * before[whole] + part * np.concatenate([values, end])[whole]
    return np.diff(integral, axis=0)
