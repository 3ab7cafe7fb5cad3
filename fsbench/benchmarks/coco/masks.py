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
import numpy as np
import numpy.typing as npt
from pycocotools import _mask as coco

from fsbench.benchmarks.coco.annotations import CocoImage
from fsbench.benchmarks.coco.shapes import Shape, read_shape
from fsbench.episodes.protocols import FILLPOLY, PNG, UNION
from fsbench.errors import FsbenchError
from fsbench.index.rle_masks import MaskRow
from fsbench.io.images import read_indices

LISTED_PIXELS = 2 * 32 * 32
LAST_LABEL = 80
LabelMap = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ImageMasks:
    """The masks of one image, classes ascending, and the classes that the list rule keeps (None: not looked at).

    ``skipped``: ids of the annotations of which a polygon of fewer than three points, or everything, was skipped.
    """

    rows: tuple[MaskRow, ...]
    listed: tuple[int, ...] | None
    skipped: tuple[int, ...] = ()


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
    paints = job.rule == FILLPOLY or job.list_rule
    crowds = job.rule == UNION
    wanted = [i for i in job.image.instances if crowds or not i.iscrowd] if crowds or paints else []
    read = [read_shape(job.image, instance) for instance in wanted]
    shapes = [shape for shape in read if not shape.empty]
    painted = paint(job.image, shapes) if paints else None
    if job.rule == UNION:
        rows = _union(job, shapes)
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
    return ImageMasks(tuple(rows), listed, tuple(shape.instance.id for shape in read if shape.short))


def paint(image: CocoImage, shapes: Sequence[Shape]) -> LabelMap:
    """The papers' label map, uint8 H x W: class id + 1, 0 background; of ``shapes``, in order, crowds left out."""
    painted = np.zeros((image.height, image.width), np.uint8)
    for shape in shapes:
        if shape.instance.iscrowd:
            continue
        label = shape.instance.class_id + 1
        if shape.mask is not None:
            painted[shape.mask == 1] = label
        for polygon in shape.polygons:
            points = np.asarray(polygon, np.float64).reshape(-1, 2).astype(np.int32)
            cv2.fillPoly(painted, [points], label)
    return painted


def _of_map(job: Job, label_map: LabelMap) -> list[MaskRow]:
    height, width = label_map.shape
    turned = np.ascontiguousarray(label_map.T)  # RLE runs down the columns: turned once, not once a class
    rows = []
    counts = cv2.calcHist([turned], [0], None, [256], [0, 256]).ravel()
    for label in np.flatnonzero(counts).tolist():
        if label:
            mask = (turned == label).view(np.uint8)
            rle = coco.encode(mask.T[:, :, None])[0]["counts"]
            rows.append(MaskRow(job.name, label - 1, height, width, int(np.count_nonzero(mask)), rle, None))
    return rows


def _union(job: Job, shapes: Sequence[Shape]) -> list[MaskRow]:
    height, width = job.image.height, job.image.width
    rows = []
    for class_id in sorted({shape.instance.class_id for shape in shapes}):
        inside: list[dict[str, Any]] = []
        crowds: list[dict[str, Any]] = []
        for shape in shapes:
            if shape.instance.class_id == class_id:
                rles = (
                    coco.frPoly(list(shape.polygons), height, width) if shape.mask is None else [_encoded(shape.mask)]
                )
                (crowds if shape.instance.iscrowd else inside).extend(rles)
        union = coco.merge(inside, 0) if inside else _encoded(np.zeros((height, width), np.uint8))
        void = None
        if crowds:
            true = coco.decode([union])[:, :, 0]
            beyond = (coco.decode([coco.merge(crowds, 0)])[:, :, 0] == 1) & (true == 0)
            void = _encoded(beyond.astype(np.uint8))["counts"] if beyond.any() else None
        rows.append(MaskRow(job.name, class_id, height, width, int(coco.area([union])[0]), union["counts"], void))
    return rows


def _encoded(mask: npt.NDArray[np.uint8]) -> dict[str, Any]:
    rle: dict[str, Any] = coco.encode(np.asfortranarray(mask[:, :, None]))[0]
    return rle


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
