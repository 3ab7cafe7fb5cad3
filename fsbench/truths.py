"""From a mask file to a class's truth: one function per mask format, all with the same signature.

A truth is uint8 H x W in {0, 1, 255 = void}. Which format a benchmark uses stands in its ``benchmark.json``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fsbench.benchmarks.voc import read_label_map
from fsbench.images import read_grey

Truth = npt.NDArray[np.uint8]


def from_label_map(path: Path, class_id: int) -> Truth:
    """VOC's label map: value class_id + 1 is the class, 255 is void."""
    label_map = read_label_map(path)
    truth: Truth = (label_map == class_id + 1).view(np.uint8)
    truth[label_map == 255] = 255
    return truth


def from_grey(path: Path, class_id: int) -> Truth:
    """FSS-1000's mask: 8-bit grey of 128 or more is the class of its folder; there is no void."""
    truth: Truth = (read_grey(path) >= 128).view(np.uint8)
    return truth


MASK_FORMATS: dict[str, Callable[[Path, int], Truth]] = {"voc-label-map": from_label_map, "grey-128": from_grey}
"""Mask format -> function of (file, 0-based class id)."""
