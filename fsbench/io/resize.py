"""Nearest-neighbour resizing of masks, index by index as torch does it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Size = tuple[int, int]
"""(height, width)."""


@lru_cache(maxsize=4096)
def _nearest(size: int, target: int) -> npt.NDArray[np.intp]:
    # torch's interpolate(mode="nearest") multiplies in float32; where that rounds below floor(i * size / target),
    # the reference implementations compared another pixel, and so do we.
    scale = np.float32(size) / np.float32(target)
    rows = np.floor(np.arange(target, dtype=np.float32) * scale)
    index: npt.NDArray[np.intp] = np.minimum(rows.astype(np.intp), size - 1)
    index.setflags(write=False)
    return index


def resize_nearest(array: npt.NDArray[Any], target: Size) -> npt.NDArray[Any]:
    """The last two axes of ``array`` resized to ``target`` by nearest neighbour, exactly as torch does it."""
    rows, columns = _nearest(array.shape[-2], target[0]), _nearest(array.shape[-1], target[1])
    return array.take(rows, axis=-2, mode="clip").take(columns, axis=-1, mode="clip")  # all are inside; clip is fastest
