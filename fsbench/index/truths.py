"""From a mask file to a class's truth, uint8 H x W in {0, 1, 255 = void}: one entry per mask format.

A benchmark's format is in its ``benchmark.json``; masks that are not image files (``rle``) are in ``rle_masks.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fsbench.errors import FsbenchError
from fsbench.io.images import read_grey, read_indices
from fsbench.io.label_maps import read_label_map

Truth = npt.NDArray[np.uint8]
VOID = 255
MOST_PROMPTS = 254
"""Classes of a multi-class episode: a label map holds their places + 1, 0 and 255 in uint8."""


class MaskFormat(NamedTuple):
    """``truth`` of (file, its bytes, class id); ``labels`` of (file, its bytes, class ids asked, the sample's own)."""

    truth: Callable[[Path, bytes, int], Truth]
    labels: Callable[[Path, bytes, Sequence[int], Sequence[int]], Truth]


def join_truths(truths: Mapping[int, Truth], size: tuple[int, int]) -> Truth:
    """Which class of a multi-class episode each pixel is: uint8 H x W.

    ``truths``: place among the classes asked -> its truth, for those in the image. A pixel is place + 1 of the one
    class that is true; 0 if none is; 255 (void) if any truth is void or more than one class is true.
    """
    labels = np.zeros(size, np.uint8)
    void = np.zeros(size, bool)
    for place, truth in truths.items():
        true = truth == 1
        void |= (true & (labels > 0)) | (truth == VOID)
        labels[true] = place + 1
    labels[void] = VOID
    return labels


def _of_label_map(read: Callable[[Path, bytes], Truth]) -> MaskFormat:
    """A label map: value class id + 1 is the class, 255 is void."""

    def truth(path: Path, data: bytes, class_id: int) -> Truth:
        label_map = read(path, data)
        found: Truth = (label_map == class_id + 1).view(np.uint8)
        found[label_map == VOID] = VOID
        return found

    def labels(path: Path, data: bytes, class_ids: Sequence[int], own: Sequence[int]) -> Truth:
        place = np.zeros(256, np.uint8)
        place[VOID] = VOID
        place[np.asarray(class_ids) + 1] = np.arange(1, len(class_ids) + 1)
        found: Truth = place[read(path, data)]
        return found

    return MaskFormat(truth, labels)


def _grey_truth(path: Path, data: bytes, class_id: int) -> Truth:
    """FSS-1000's mask: 8-bit grey of 128 or more is the class of its folder; there is no void."""
    truth: Truth = (read_grey(path, data) >= 128).view(np.uint8)
    return truth


def _grey_labels(path: Path, data: bytes, class_ids: Sequence[int], own: Sequence[int]) -> Truth:
    truth = _grey_truth(path, data, -1)
    return join_truths({place: truth for place, c in enumerate(class_ids) if c in own}, truth.shape)


RLE = "rle"
"""The format of masks in the benchmark folder itself: see ``rle_masks.py``."""

MASK_FORMATS: dict[str, MaskFormat] = {
    "voc-label-map": _of_label_map(read_label_map),
    "label-map": _of_label_map(read_indices),
    "grey-128": MaskFormat(_grey_truth, _grey_labels),
}
"""Mask format -> how its files are read."""


def check_prompt_count(class_ids: Sequence[int]) -> None:
    """Raise FsbenchError for more classes than a label map can tell apart."""
    if len(class_ids) > MOST_PROMPTS:
        raise FsbenchError(
            f"{len(class_ids)} classes asked together: at most {MOST_PROMPTS} can be: use a protocol that asks one "
            "class at a time, fsbench-v1"
        )
