"""Integer arithmetic under the drawing of ``toy``: chance, angles, noise and filled polygons without one float.

Floating-point sines, square roots and blends may differ in the last bit between processors and library versions, and
then so do pixels. Here everything is an integer, and chance is SHA-256 of a spelled-out string, so that a sample is
the same on every machine, in any order and for any number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from math import prod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]  # rasters
Points = NDArray[np.int64]  # corners of polygons: products of them do not fit in 32 bits
Bools = NDArray[np.bool_]
Colour = tuple[int, int, int]
T = TypeVar("T")

SIDE = 224
"""Width and height of an image in pixels."""

TURN = 256
"""Steps of a full turn: every angle is a whole number of them."""

ONE = 16384
"""What the sine table calls 1."""

SUB = 16
"""Steps of a coordinate in ``fill`` from one cell to the next."""

# fmt: off
_QUARTER = (
    0, 402, 804, 1205, 1606, 2006, 2404, 2801, 3196, 3590, 3981, 4370, 4756, 5139, 5520, 5897, 6270, 6639, 7005, 7366,
    7723, 8076, 8423, 8765, 9102, 9434, 9760, 10080, 10394, 10702, 11003, 11297, 11585, 11866, 12140, 12406, 12665,
    12916, 13160, 13395, 13623, 13842, 14053, 14256, 14449, 14635, 14811, 14978, 15137, 15286, 15426, 15557, 15679,
    15791, 15893, 15986, 16069, 16143, 16207, 16261, 16305, 16340, 16364, 16379, 16384,
)
# fmt: on
_HALF = _QUARTER + _QUARTER[-2:0:-1]
SINE: Ints = np.array(_HALF + tuple(-s for s in _HALF), np.int32)
"""Sine of every step of a turn, times ONE."""


def sine(angle: int) -> int:
    """Sine of ``angle`` times ONE."""
    return int(SINE[angle % TURN])


def cosine(angle: int) -> int:
    """Cosine of ``angle`` times ONE."""
    return int(SINE[(angle + TURN // 4) % TURN])


def pick(key: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included, that depends on ``key`` only."""
    return low + int.from_bytes(sha256(key.encode()).digest()[:8], "big") % (high - low + 1)


def shuffled(key: str, items: Sequence[T]) -> list[T]:
    """``items`` in an order that depends on ``key`` only."""
    return [items[i] for i in sorted(range(len(items)), key=lambda i: sha256(f"{key}|{i}".encode()).digest())]


def hashed(key: str, *shape: int) -> Ints:
    """Array of ``shape`` with values from 0 to 255 that depend on ``key`` only."""
    count = prod(shape)
    blocks = (sha256(f"{key}|{block}".encode()).digest() for block in range((count + 31) // 32))
    return np.frombuffer(b"".join(blocks), np.uint8)[:count].reshape(shape).astype(np.int32)


@lru_cache(maxsize=32)
def _lattice(cells: int) -> tuple[Ints, Ints]:
    """(SIDE,) the lattice point before each pixel, and the share in 256ths of the next one, eased at the points."""
    place = np.arange(SIDE, dtype=np.int32) * (cells * 256) // SIDE
    rest = place % 256
    return place // 256, rest * rest * (768 - 2 * rest) // 65536


def noise(key: str, rows: int, columns: int) -> Ints:
    """(SIDE, SIDE) smooth noise from 0 to 255 with ``rows`` by ``columns`` cells."""
    point, share = _lattice(columns)
    values = hashed(key, rows + 1, columns + 1) * 64
    values = values[:, point] + ((values[:, point + 1] - values[:, point]) * share >> 8)
    point, share = _lattice(rows)
    return (values[point] + ((values[point + 1] - values[point]) * share[:, None] >> 8)) >> 6


def clouds(key: str, cells: int) -> Ints:
    """(SIDE, SIDE) noise of three sizes from 0 to 255, the largest with ``cells`` cells a side."""
    large, middle, small = (noise(f"{key}|{cells << level}", cells << level, cells << level) for level in range(3))
    return (4 * large + 2 * middle + small) // 7


def mix(low: Ints, high: Ints, share: Ints) -> Ints:
    """Blend of colours (3,) or (..., 3): ``low`` where ``share`` is 0, ``high`` where it is 256."""
    return low + (((high - low) * share[..., None]) >> 8)


def wound_right(contour: Points) -> Points:
    """``contour`` (k, 2) turned, if need be, so that all contours run in the same direction and unite when filled."""
    x, y = contour[:, 0], contour[:, 1]
    doubled_area = int((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() + x[-1] * y[0] - x[0] * y[-1])
    return contour if doubled_area >= 0 else contour[::-1]


def fill(contours: Sequence[Points], height: int, width: int) -> Bools:
    """(height, width): cells whose centre lies inside the closed ``contours``, each (k, 2) of x, y in 1/SUB cells.

    Contours that run in the same direction unite; one that runs the other way cuts a hole.
    """
    start = np.concatenate(contours)
    stop = np.concatenate([part for contour in contours for part in (contour[1:], contour[:1])])
    falling = start[:, 1] < stop[:, 1]
    top = np.where(falling[:, None], start, stop)
    bottom = np.where(falling[:, None], stop, start)
    centre = np.arange(height) * SUB + SUB // 2
    edge, row = np.nonzero((centre >= top[:, 1, None]) & (centre < bottom[:, 1, None]))
    step = bottom[edge] - top[edge]
    x = top[edge, 0] + (centre[row] - top[edge, 1]) * step[:, 0] // step[:, 1]
    column = np.clip((x + SUB // 2 - 1) // SUB, 0, width)
    winding = np.zeros((height, width + 1), np.int8)
    np.add.at(winding, (row, column), np.where(falling[edge], 1, -1).astype(np.int8))
    inside: Bools = np.cumsum(winding, axis=1, dtype=np.int8)[:, :width] != 0
    return inside


def eroded(mask: Bools, steps: int) -> Bools:
    """``mask`` less a border of ``steps`` cells; what lies outside of the array counts as empty."""
    for step in range(steps):
        inner = np.zeros_like(mask)
        if step % 2:  # a square on every other step makes the border round, not diamond-shaped
            across = mask[:, :-2] & mask[:, 1:-1] & mask[:, 2:]
            inner[1:-1, 1:-1] = across[:-2] & across[1:-1] & across[2:]
        else:
            inner[1:-1, 1:-1] = mask[1:-1, :-2] & mask[1:-1, 2:] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, 1:-1]
        mask = inner
    return mask


def blurred(values: Ints, radius: int) -> Ints:
    """``values`` (h, w) averaged twice over squares of ``2 * radius + 1``, with zero outside."""
    size = 2 * radius + 1
    for _ in range(2):
        for _ in range(2):
            padded = np.zeros((values.shape[0], values.shape[1] + size), np.int32)
            padded[:, radius + 1 : values.shape[1] + radius + 1] = values
            total = np.cumsum(padded, axis=1, dtype=np.int32)
            values = ((total[:, size:] - total[:, :-size]) // size).T
    return values
