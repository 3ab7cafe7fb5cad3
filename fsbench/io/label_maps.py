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


def label_areas(label_map: LabelMap) -> dict[int, int]:
    """Label -> pixels, for every label that occurs (0 and 255 too), ascending.

    >>> label_areas(np.array([[0, 7, 7], [0, 255, 7]], dtype=np.uint8))
    {0: 2, 7: 3, 255: 1}
    """
    flat = label_map.reshape(-1)
    ends = np.concatenate(([-1], np.flatnonzero(flat[1:] != flat[:-1]), [flat.size - 1]))  # of runs of one label
    areas = np.bincount(flat[ends[1:]], weights=np.diff(ends)).astype(np.int64)
    return {label: area for label, area in enumerate(areas.tolist()) if area}


def read_label_map(path: Path, data: bytes | None = None) -> LabelMap:
    """The label map in a ``.png`` (mode P or L) or a ``.mat`` of SBD: uint8 H x W of 0..20 and 255 = void.

    Raises FsbenchError if the file is missing, broken, of another kind, or holds another value.
    """
    label_map = _read(path, data)
    signed = label_map.view(np.int8)  # void is -1, so one interval holds all allowed values
    if signed.max() > CLASSES or signed.min() < -1:
        _check_labels(path, label_areas(label_map))
    return label_map


def read_label_areas(path: Path) -> tuple[LabelMap, dict[int, int]]:
    """The label map and its ``label_areas``; raises FsbenchError as ``read_label_map``."""
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
