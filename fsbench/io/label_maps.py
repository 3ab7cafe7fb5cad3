"""Label maps of PASCAL VOC and SBD: reading, checking, and the area of every label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from fsbench.errors import FsbenchError
from fsbench.io.images import read_indices
from fsbench.io.sbd import read_sbd

LabelMap = npt.NDArray[np.uint8]
"""uint8 H x W: 0 background, 1..20 classes, 255 void."""

VOID = 255
CLASSES = 20
COARSE = 197  # pixels from one look to the next; a prime, so that looks do not fall into columns


def label_areas(label_map: LabelMap) -> dict[int, int]:
    """Label -> pixels, for every label that occurs (0 and 255 too), ascending; the areas sum to the map's size.

    Comparing with the few labels that a coarse look finds takes a third of the time of a histogram; where the areas
    do not add up, a small object was overlooked and the histogram settles it.

    >>> label_areas(np.array([[0, 7, 7], [0, 255, 7]], dtype=np.uint8))
    {0: 2, 7: 3, 255: 1}
    """
    pixels = label_map.reshape(-1)
    left = int(np.count_nonzero(pixels))
    areas = {0: pixels.size - left} if left < pixels.size else {}
    for label in np.flatnonzero(np.bincount(pixels[::COARSE])).tolist():
        if label:
            areas[label] = int(np.count_nonzero(pixels == label))
            left -= areas[label]
    if left:
        return {label: area for label, area in enumerate(np.bincount(pixels).tolist()) if area}
    return areas


def read_label_map(path: Path, data: bytes | None = None) -> LabelMap:
    """The label map in a ``.png`` (mode P or L) or a ``.mat`` of SBD: uint8 H x W of 0..20 and 255 = void.

    Raises FsbenchError if the file is missing, broken, of another kind, or holds another value.
    """
    label_map = _read(path, data)
    signed = label_map.view(np.int8)  # void is -1, so that one interval holds all that is allowed
    if signed.max() > CLASSES or signed.min() < -1:
        _check_labels(path, label_areas(label_map))
    return label_map


def read_label_areas(path: Path) -> tuple[LabelMap, dict[int, int]]:
    """The label map and its ``label_areas``, for whoever needs both: the areas tell of unknown values at no cost.

    Raises FsbenchError as ``read_label_map``.
    """
    label_map = _read(path, None)
    areas = label_areas(label_map)
    _check_labels(path, areas)
    return label_map, areas


def _read(path: Path, data: bytes | None) -> LabelMap:
    return read_sbd(path, data) if path.suffix == ".mat" else read_indices(path, data)


def _check_labels(path: Path, areas: dict[int, int]) -> None:
    for label, area in areas.items():
        if CLASSES < label != VOID:
            raise FsbenchError(
                f"{path}: unknown class id {label} ({area} pixels): expected a VOC label map of 0..{CLASSES} and "
                f"{VOID}: take the mask from SegmentationClassAug again"
            )
