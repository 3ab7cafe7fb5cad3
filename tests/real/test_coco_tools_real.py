"""Real COCO annotations as an annotation tool would write them, and a truncated real photograph."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from pycocotools import mask as api
from pycocotools.coco import COCO

from fsbench.benchmarks.coco import coco20i
from fsbench.benchmarks.coco.annotations import CLASS_OF, read_annotations
from fsbench.benchmarks.coco.masks import ImageMasks, Job, make_masks
from fsbench.episodes.protocols import FILLPOLY, UNION
from fsbench.index.benchmark import Benchmark

SHORT: tuple[Any, ...] = ([], [[]], [[5.0, 5.0]], [[5, 5, 90, 90]], [5, 5, 90, 90])


def as_tools_write(annotation: dict[str, Any], size: list[int]) -> dict[str, Any]:
    """The same object: polygons not nested, or with a short one beside; RLE compressed; floats; another key."""
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, dict):
        compressed = api.frPyObjects(segmentation, *size)
        segmentation = {"size": [float(n) for n in size], "counts": compressed["counts"].decode(), "tool": 1}
    elif len(segmentation) == 1:
        segmentation = segmentation[0]
    else:
        segmentation = [[1, 1, 9, 9], *segmentation]
    whole = ("id", "image_id", "category_id", "iscrowd")
    return {
        **{key: float(value) if key in whole else value for key, value in annotation.items()},
        "segmentation": segmentation,
        "attributes": {"occluded": False},
    }


@pytest.fixture(scope="module")
def rewritten(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tools")
    (root / "annotations").mkdir()
    for split in ("val", "train"):
        (root / f"{split}2017").symlink_to((shared_data / "coco" / f"{split}2017").resolve())
        name = f"annotations/instances_{split}2017.json"
        file = json.loads((shared_data / "coco" / name).read_text())
        size = {image["id"]: [image["height"], image["width"]] for image in file["images"]}
        annotations = [as_tools_write(a, size[a["image_id"]]) for a in file["annotations"]]
        for number, segmentation in enumerate(SHORT):
            annotations.insert(0, {**annotations[-1], "id": 10**9 + number, "segmentation": segmentation, "iscrowd": 0})
        (root / name).write_text(json.dumps({**file, "annotations": annotations}))
    return root


def masks_of(root: Path, rule: str) -> dict[int, ImageMasks]:
    images, _ = read_annotations(root)
    return dict(zip([i.id for i in images], make_masks([Job(str(i.id), i, rule) for i in images]), strict=True))


def by_pycocotools(coco: COCO, image: dict[str, Any]) -> dict[int, npt.NDArray[np.bool_]]:
    """Class id -> the union of what ``COCO.annToMask`` makes of its instances."""
    masks: dict[int, npt.NDArray[np.bool_]] = {}
    for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]], iscrowd=False)):
        class_id = CLASS_OF[annotation["category_id"]]
        mask = coco.annToMask(annotation) == 1
        masks[class_id] = masks[class_id] | mask if class_id in masks else mask
    return masks


def by_fillpoly(coco: COCO, image: dict[str, Any]) -> dict[int, npt.NDArray[np.bool_]]:
    """Class id -> its part of a map on which OpenCV draws polygons in the file's order, on points cut to integers."""
    canvas = np.zeros((image["height"], image["width"]), np.uint8)
    for annotation in coco.imgToAnns[image["id"]]:
        if not annotation["iscrowd"]:
            for polygon in annotation["segmentation"]:
                points = np.array(polygon).reshape(-1, 2).astype(int)
                cv2.fillPoly(canvas, [points.astype(np.int32)], CLASS_OF[annotation["category_id"]] + 1)
    return {int(label) - 1: canvas == label for label in np.unique(canvas) if label}


@pytest.mark.parametrize(("rule", "oracle"), [(UNION, by_pycocotools), (FILLPOLY, by_fillpoly)])
def test_masks_are_those_of_the_plain_annotations_and_of_a_second_implementation(
    shared_data: Path, rewritten: Path, rule: str, oracle: Callable[..., dict[int, npt.NDArray[np.bool_]]]
) -> None:
    plain, written = masks_of(shared_data / "coco", rule), masks_of(rewritten, rule)
    assert len(plain) == 275
    assert {i: (m.rows, m.listed) for i, m in plain.items()} == {i: (m.rows, m.listed) for i, m in written.items()}
    skipped = sorted(annotation for masks in written.values() for annotation in masks.skipped)
    assert skipped[-10:] == sorted(2 * [10**9 + number for number in range(len(SHORT))])
    assert len(skipped) > 20
    assert not any(masks.skipped for masks in plain.values())
    compared = 0
    for split in ("val", "train"):
        coco = COCO(str(shared_data / "coco" / "annotations" / f"instances_{split}2017.json"))
        for image in coco.dataset["images"]:
            expected = oracle(coco, image)
            for row in written[image["id"]].rows:
                mask = api.decode({"size": [row.height, row.width], "counts": row.rle}) == 1
                true = expected.pop(row.class_id, np.zeros_like(mask))
                assert np.array_equal(mask, true), (image["id"], row.class_id)
                compared += 1
            assert not expected
    assert compared > 700


def test_a_truncated_photograph_is_left_out_with_partial(
    coco: Benchmark, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_2017 = {s: str(coco.samples[s].image).removeprefix("root:") for s in sorted(coco.present)}
    in_val = {s: image for s, image in of_2017.items() if image.startswith("val2017/")}
    cut = next(s for s in in_val if s.startswith("val2014/"))
    root = tmp_path / "coco"
    (root / "val2017").mkdir(parents=True)
    (root / "annotations").symlink_to((shared_data / "coco" / "annotations").resolve())
    for path in (shared_data / "coco" / "val2017").iterdir():
        (root / "val2017" / path.name).symlink_to(path.resolve())
    path = root / in_val[cut]
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])
    built = coco20i.build(root, tmp_path / "b", partial=True, workers=2)
    assert capsys.readouterr().err == (
        f"fsbench: 1 photograph cannot be read and is left out: {path}: fetch it again and rebuild\n"
    )
    assert built.present == in_val.keys() - {cut}
