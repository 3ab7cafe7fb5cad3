"""From COCO's annotations to masks per class, by each of the mask rules, and the rule of the published lists.

``instances-crowd-void-v1``: a class is the union of its instances (pycocotools), crowd regions beyond it are void.
``fillpoly-v1``: the label maps of the papers, recovered: instances painted in the file's order with OpenCV's
``fillPoly`` on points truncated to integers, crowds left out, later over earlier. ``png``: label maps from a folder.
The published lists keep a class with at least 2 * 32 * 32 pixels of the painted map (PFENet, Tian et al., TPAMI 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
from pycocotools import _mask as coco

from fsbench.benchmarks.coco_annotations import CocoImage, Instance, parsed
from fsbench.errors import FsbenchError
from fsbench.images import read_indices
from fsbench.mask_table import MaskRow
from fsbench.protocols import FILLPOLY, PNG, UNION

LISTED_PIXELS = 2 * 32 * 32
LAST_LABEL = 80
MOST_SHIFTS = 5
"""A run in a compressed RLE is up to six groups of five bits: 2^29 pixels, more than any image here has."""
LabelMap = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ImageMasks:
    """The masks of one image, classes ascending, and the classes that the list rule keeps (None: not looked at)."""

    rows: tuple[MaskRow, ...]
    listed: tuple[int, ...] | None


@dataclass(frozen=True)
class Job:
    """What one image's masks are made of. ``png``: its label map, for the mask rule ``png``."""

    name: str
    image: CocoImage
    rule: str
    png: Path | None = None
    list_rule: bool = False


def make_masks(jobs: Sequence[Job]) -> list[ImageMasks]:
    """The masks of several images, in their order; raises FsbenchError naming file and annotation."""
    return [_of_image(job) for job in jobs]


def _of_image(job: Job) -> ImageMasks:
    painted = paint(job.image) if job.rule == FILLPOLY or job.list_rule else None
    if job.rule == UNION:
        rows = _union(job)
    elif job.rule == PNG:
        assert job.png is not None
        rows = _of_map(job, _read_png(job.png, job.image))
    else:
        assert painted is not None
        rows = _of_map(job, painted)
    listed = None
    if painted is not None:
        of_label = {row.class_id: row.area for row in (rows if job.rule == FILLPOLY else _of_map(job, painted))}
        listed = tuple(class_id for class_id, area in of_label.items() if area >= LISTED_PIXELS)
    return ImageMasks(tuple(rows), listed)


def paint(image: CocoImage) -> LabelMap:
    """The papers' label map, uint8 H x W: class id + 1, 0 background. Raises FsbenchError as ``make_masks``."""
    painted = np.zeros((image.height, image.width), np.uint8)
    for instance in image.instances:
        if instance.iscrowd:
            continue
        shape = _checked(image, instance)
        if isinstance(shape, dict):
            painted[_decoded(image, instance, shape) == 1] = instance.class_id + 1
            continue
        for polygon in shape:
            points = np.asarray(polygon, np.float64).reshape(-1, 2).astype(np.int32)
            cv2.fillPoly(painted, [points], instance.class_id + 1)
    return painted


def _of_map(job: Job, label_map: LabelMap) -> list[MaskRow]:
    height, width = label_map.shape
    turned = np.ascontiguousarray(label_map.T)  # RLE runs down the columns: turned once, not once a class
    rows = []
    for label in _labels(turned):
        if label:
            mask = (turned == label).view(np.uint8)
            rle = coco.encode(mask.T[:, :, None])[0]["counts"]
            rows.append(MaskRow(job.name, label - 1, height, width, int(np.count_nonzero(mask)), rle, None))
    return rows


def _labels(label_map: LabelMap) -> list[int]:
    """The labels that occur, ascending."""
    found: list[int] = np.flatnonzero(cv2.calcHist([label_map], [0], None, [256], [0, 256]).ravel()).tolist()
    return found


def _union(job: Job) -> list[MaskRow]:
    image = job.image
    height, width = image.height, image.width
    rows = []
    for class_id in sorted({instance.class_id for instance in image.instances}):
        inside: list[dict[str, Any]] = []
        crowds: list[dict[str, Any]] = []
        for instance in image.instances:
            if instance.class_id == class_id:
                (crowds if instance.iscrowd else inside).extend(_rles(image, instance))
        union = coco.merge(inside, 0) if inside else _encoded(np.zeros((height, width), np.uint8))
        void = None
        if crowds:
            true = coco.decode([union])[:, :, 0]
            beyond = (coco.decode([coco.merge(crowds, 0)])[:, :, 0] == 1) & (true == 0)
            void = _encoded(beyond.astype(np.uint8))["counts"] if beyond.any() else None
        rows.append(MaskRow(job.name, class_id, height, width, int(coco.area([union])[0]), union["counts"], void))
    return rows


def _rles(image: CocoImage, instance: Instance) -> list[dict[str, Any]]:
    shape = _checked(image, instance)
    if isinstance(shape, dict):
        return [_encoded(_decoded(image, instance, shape))]
    rles: list[dict[str, Any]] = coco.frPoly(shape, image.height, image.width)
    return rles


def _encoded(mask: npt.NDArray[np.uint8]) -> dict[str, Any]:
    rle: dict[str, Any] = coco.encode(np.asfortranarray(mask[:, :, None]))[0]
    return rle


def _checked(image: CocoImage, instance: Instance) -> Any:
    """Polygons or an RLE as pycocotools takes them; raises FsbenchError for a shape that is none.

    pycocotools walks along every edge, so that a point far outside would take all memory.
    """
    try:
        shape = parsed(instance.segmentation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _fault(image, instance, f"its segmentation cannot be read ({error})") from error
    if isinstance(shape, dict):
        return shape
    if not isinstance(shape, list) or not shape:
        raise _fault(image, instance, "its segmentation is neither polygons nor an RLE")
    for polygon in shape:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise _fault(image, instance, "a polygon needs at least 3 points of x and y")
        if not all(isinstance(number, int | float) for number in polygon):
            raise _fault(image, instance, "a polygon holds a value that is no number")
        x, y, side = polygon[::2], polygon[1::2], max(image.height, image.width)
        beside = max(x) < 0 or max(y) < 0 or min(x) > image.width or min(y) > image.height
        if beside or min(polygon) < -side or max(polygon) > 2 * side:
            raise _fault(image, instance, f"a polygon lies outside the image of {image.height} x {image.width}")
    return shape


def _decoded(image: CocoImage, instance: Instance, rle: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """The mask of an RLE, whose runs must fill the image."""
    counts, size, pixels = rle.get("counts"), rle.get("size"), image.height * image.width
    if size != [image.height, image.width]:
        said = f"its RLE is of size {str(size)[:40]}, the image is {image.height} x {image.width}"
        raise _fault(image, instance, said)
    runs = counts if isinstance(counts, list) else compressed_runs(counts) if isinstance(counts, str) else None
    if runs is None or not all(isinstance(n, int) and 0 <= n <= pixels for n in runs):
        raise _fault(image, instance, f"its RLE holds something else than runs of 0 to {pixels} pixels")
    if sum(runs) != pixels:
        raise _fault(image, instance, f"its RLE has {sum(runs)} pixels, the image {pixels}")
    flat = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
    return flat.reshape(image.width, image.height).T


def compressed_runs(counts: str) -> list[int] | None:
    """The runs of COCO's compressed RLE (``rleFrString`` of its API); None where the text is none."""
    runs: list[int] = []
    place = 0
    while place < len(counts):
        value = shift = 0
        more = True
        while more:
            if place >= len(counts) or not 48 <= ord(counts[place]) < 112 or shift > MOST_SHIFTS:
                return None
            bits = ord(counts[place]) - 48
            value |= (bits & 31) << (5 * shift)
            more, place, shift = bool(bits & 32), place + 1, shift + 1
            if not more and bits & 16:
                value |= -1 << (5 * shift)
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def _read_png(path: Path, image: CocoImage) -> LabelMap:
    label_map = read_indices(path)
    if label_map.max() > LAST_LABEL:
        raise FsbenchError(f"{path}: holds the value {label_map.max()}, expected class id + 1 of 1..80, 0 background")
    if label_map.shape != (image.height, image.width):
        was = f"{label_map.shape[0]} x {label_map.shape[1]}"
        raise FsbenchError(
            f"{path}: is {was}, its photograph {image.height} x {image.width}: use the masks of COCO 2014"
        )
    return label_map


def _fault(image: CocoImage, instance: Instance, said: str) -> FsbenchError:
    return FsbenchError(f"{image.file}: annotation {instance.id} of image {image.id}: {said}: fetch the file again")
