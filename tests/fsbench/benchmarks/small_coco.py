"""A small COCO made up here: a few val images of the published lists, large masks for their listed classes, a crowd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fsbench.benchmarks.coco import coco20i
from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.benchmarks.coco.annotations import read_annotations
from fsbench.benchmarks.coco.coco20i import MaskRule
from fsbench.benchmarks.coco.masks import ImageMasks, Job, make_masks
from fsbench.index.benchmark import Benchmark

SIZE = (96, 120)
PAIRS = [pair for fold in "0123" for pair in coco_lists.val(fold)]


def _classes(image_id: int) -> list[int]:
    sample = coco_lists.sample_of_image_id()[image_id]
    return [class_id for other, class_id in PAIRS if other == sample]


IDS = [
    image_id
    for image_id in [int(sample[-12:]) for sample, class_id in coco_lists.val("0") if class_id == 0][:4]
    if len(_classes(image_id)) < 5
]
SAMPLES = [coco_lists.sample_of_image_id()[image_id] for image_id in IDS]


def annotations_of(image_id: int) -> list[dict[str, Any]]:
    """A rectangle large enough for the lists' rule for every class that they give this image, side by side."""
    classes = _classes(image_id)
    step = max(1, SIZE[1] // len(classes))
    assert step * SIZE[0] >= 2048, "choose images with fewer classes"
    return [
        {
            "image_id": image_id,
            "category_id": coco_lists.CATEGORY_IDS[class_id],
            "iscrowd": 0,
            "segmentation": [[x, 0, x + step - 1, 0, x + step - 1, SIZE[0] - 1, x, SIZE[0] - 1]],
        }
        for class_id, x in zip(classes, range(0, SIZE[1], step), strict=False)
    ]


def small_coco(folder: Path) -> Path:
    """Write it into ``folder``: ``val2014`` and ``annotations``; annotation 900 is a crowd of persons, 60 columns."""
    (folder / "val2014").mkdir(parents=True)
    (folder / "annotations").mkdir()
    images, annotations = [], []
    for image_id in IDS:
        name = f"COCO_val2014_{image_id:012d}.jpg"
        images.append({"id": image_id, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
        annotations += annotations_of(image_id)
        Image.fromarray(np.full((*SIZE, 3), image_id % 200, np.uint8)).save(folder / "val2014" / name)
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    crowd = {"size": list(SIZE), "counts": [0, 60 * SIZE[0], 60 * SIZE[0]]}
    annotations.append({"id": 900, "image_id": IDS[0], "category_id": 1, "iscrowd": 1, "segmentation": crowd})
    categories = [{"id": i, "name": n} for i, n in zip(coco_lists.CATEGORY_IDS, coco_lists.CLASSES, strict=True)]
    save(folder, {"images": images, "annotations": annotations, "categories": categories})
    return folder


def file(root: Path) -> Path:
    return root / "annotations" / "instances_val2014.json"


def content(root: Path) -> dict[str, Any]:
    """What the annotation file holds."""
    found: dict[str, Any] = json.loads(file(root).read_text())
    return found


def save(root: Path, value: dict[str, Any]) -> None:
    file(root).write_text(json.dumps(value))


def build(root: Path, out: Path, rule: MaskRule = MaskRule.UNION, **keywords: Any) -> Benchmark:
    return coco20i.build(root, out, mask_rule=rule, workers=1, **{"partial": True, **keywords})


def masks(root: Path, rule: str) -> ImageMasks:
    """Those of the first image alone."""
    images, _ = read_annotations(root)
    (found,) = make_masks([Job("here", image, rule) for image in images if image.id == IDS[0]])
    return found
