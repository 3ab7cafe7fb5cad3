"""What annotation tools write into a COCO file: against pycocotools and plain ``cv2.fillPoly``, and every refusal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from pycocotools import mask as api
from pycocotools.coco import COCO

from fsbench.benchmarks.coco.masks import ImageMasks
from fsbench.benchmarks.coco.shapes import compressed_runs
from fsbench.episodes.protocols import FILLPOLY, UNION
from tests.fsbench.benchmarks.small_coco import IDS, SIZE, content, file, masks, save
from tests.refusals import refusal

RULES = (UNION, FILLPOLY)
HEIGHT, WIDTH = SIZE
PIXELS = HEIGHT * WIDTH
CAT, OFFSET = 17, 15
"""COCO's category id of the cat, and its 0-based class id; no photograph of the small COCO has one."""
TRIANGLE = [10, 12.5, 70.2, 12, 41, 80.9]
BAR = [5, 60, 110, 62, 110, 66, 5, 66]
NUMBER_918 = [16.65, 38.33, 16.65, 38.33, 17.68, 38.33, 17.68, 38.33]
"""Annotation 918 of instances_train2017.json (cocoapi issue 355), moved into a small image: four points, no area."""


def cats(root: Path, *segmentations: Any, iscrowd: Any = 0) -> None:
    """The file with cats alone, annotations 1, 2, …, all of the first image."""
    written = [
        {"id": number, "image_id": IDS[0], "category_id": CAT, "iscrowd": iscrowd, "segmentation": segmentation}
        for number, segmentation in enumerate(segmentations, 1)
    ]
    save(root, {**content(root), "annotations": written})


def decoded(found: ImageMasks) -> npt.NDArray[np.bool_]:
    (row,) = found.rows
    assert (row.class_id, row.void) == (OFFSET, None)
    mask = api.decode({"size": list(SIZE), "counts": row.rle}) == 1
    assert row.area == np.count_nonzero(mask)
    return np.asarray(mask)


def by_pycocotools(*segmentations: Any) -> npt.NDArray[np.bool_]:
    """The union of what ``COCO.annToMask`` makes of each."""
    coco = COCO()
    coco.imgs = {1: {"height": HEIGHT, "width": WIDTH}}
    union = np.zeros(SIZE, bool)
    for segmentation in segmentations:
        union |= coco.annToMask({"image_id": 1, "segmentation": segmentation}) == 1
    return union


def by_fillpoly(*segmentations: Any) -> npt.NDArray[np.bool_]:
    """Polygons drawn by OpenCV on points cut to integers; an RLE's own pixels."""
    canvas = np.zeros(SIZE, np.uint8)
    for segmentation in segmentations:
        if isinstance(segmentation, dict):
            canvas[by_pycocotools(segmentation)] = 1
            continue
        for polygon in segmentation:
            points = [[int(x), int(y)] for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
            cv2.fillPoly(canvas, [np.array(points, np.int32)], 1)
    return np.asarray(canvas == 1)


ORACLE = {UNION: by_pycocotools, FILLPOLY: by_fillpoly}


def uncompressed(mask: npt.NDArray[np.bool_]) -> list[int]:
    edges = np.flatnonzero(np.diff(mask.T.ravel())) + 1
    runs = np.diff([0, *edges.tolist(), mask.size]).tolist()
    return [0, *runs] if mask[0, 0] else list(runs)


DISC = (np.indices(SIZE) - np.array([[[40]], [[60]]])).astype(float).__pow__(2).sum(0) < 30**2
RUNS = {"size": list(SIZE), "counts": uncompressed(DISC)}
COMPRESSED = {"size": list(SIZE), "counts": api.encode(np.asfortranarray(DISC, np.uint8))["counts"].decode()}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ([TRIANGLE], [TRIANGLE]),
        ([TRIANGLE, BAR], [TRIANGLE, BAR]),
        (TRIANGLE, [TRIANGLE]),
        (BAR, [BAR]),
        ([float(number) for number in BAR], [BAR]),
        (RUNS, RUNS),
        (COMPRESSED, COMPRESSED),
        ({**COMPRESSED, "size": [96.0, 120.0]}, COMPRESSED),
        ({"size": [96.0, 120.0], "counts": [float(n) for n in RUNS["counts"]]}, RUNS),
        ({**RUNS, "counts": [*RUNS["counts"][:-1], RUNS["counts"][-1] - 7, 0, 7]}, RUNS),
        ({**RUNS, "tool": {"version": 2}, "area": 1.5}, RUNS),
    ],
)
def test_a_shape_as_tools_write_it(root: Path, rule: str, written: Any, plain: Any) -> None:
    cats(root, written)
    found = masks(root, rule)
    assert found.skipped == ()
    assert np.array_equal(decoded(found), ORACLE[rule](plain))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ([], []),
        ([[]], []),
        ([[5, 5]], []),
        ([5, 5], []),
        ([[5, 5, 90, 90]], []),  # pycocotools refuses it; read as a box it would have an area
        ([5, 5, 90, 90], []),
        ([[5, 5, 90, 90, 7]], []),
        ([[5, 5], [90, 5, 90, 90]], []),
        ([[5, 5], TRIANGLE, []], [TRIANGLE]),
        ([TRIANGLE, [5, 5, 90, 90]], [TRIANGLE]),
    ],
)
def test_polygons_of_fewer_than_three_points_are_skipped(root: Path, rule: str, written: Any, kept: Any) -> None:
    cats(root, [BAR], written)
    found = masks(root, rule)
    assert found.skipped == (2,)
    assert np.array_equal(decoded(found), ORACLE[rule]([BAR], kept) if kept else ORACLE[rule]([BAR]))


def test_a_class_of_nothing_but_skipped_shapes_has_no_mask(root: Path) -> None:
    cats(root, [], [[1, 2, 3, 4]])
    assert masks(root, UNION) == ImageMasks((), None, (1, 2))
    assert masks(root, FILLPOLY) == ImageMasks((), (), (1, 2))
    cats(root, [[5, 5, 90, 90]], iscrowd=1)
    assert masks(root, UNION) == ImageMasks((), None, (1,))
    assert masks(root, FILLPOLY) == ImageMasks((), (), ())  # it reads no crowd


def test_a_polygon_of_area_zero_is_kept(root: Path) -> None:
    """pycocotools gives it no pixel, and ``fillPoly`` the line along it: as the papers' maps have it."""
    cats(root, [NUMBER_918])
    union, painted = masks(root, UNION), masks(root, FILLPOLY)
    assert union.skipped == painted.skipped == ()
    assert not decoded(union).any()
    assert not by_pycocotools([NUMBER_918]).any()
    assert np.argwhere(decoded(painted)).tolist() == [[38, 16], [38, 17]]
    assert np.array_equal(decoded(painted), by_fillpoly([NUMBER_918]))
    cats(root, [NUMBER_918], [TRIANGLE])
    assert np.array_equal(decoded(masks(root, UNION)), by_pycocotools([TRIANGLE]))


@pytest.mark.parametrize("rule", RULES)
def test_skipped_shapes_change_no_other_instance(root: Path, rule: str) -> None:
    value = content(root)
    before = masks(root, rule)
    first = value["annotations"][0]
    odd = [{**first, "id": 5000 + n, "segmentation": s} for n, s in enumerate(([], [[1, 1, 90, 90]], [3, 3]))]
    save(root, {**value, "annotations": [*odd[:1], *value["annotations"], *odd[1:]]})
    after = masks(root, rule)
    assert after.skipped == (5000, 5001, 5002)
    assert (after.rows, after.listed) == (before.rows, before.listed)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("segmentation", "match"),
    [
        ([[1, 2, 3, "4", 5, 6]], 'holds "4", expected a number'),
        ([1, 2, 3, "4", 5, 6], 'holds "4", expected a number'),
        ([[1, 2, 3, True, 5, 6]], "holds true, expected a number"),
        ([[1, "2"]], 'holds "2", expected a number'),
        ([TRIANGLE, 7], "holds 7, expected a list of numbers"),
        ([1, 2, 3, 4, 5, TRIANGLE], r"holds \[10,12\.5,.*, expected a number"),
        ([[[1, 2], [50, 2], [50, 70]]], r"holds \[1,2\], expected a number"),
        ([[1, 2], [50, 2], [50, 70]], r"is a list of points \[1, 2\], \[50, 2\], …, expected \[\[x, y, x, y, …\]\]"),
        ([[1, 2, 50, 2, 50, 70, 9]], "a polygon has 7 numbers, expected x and y of each point"),
        ([[500, 500, 510, 500, 510, 510]], r"a polygon from \(500, 500\) to \(510, 510\) lies outside the image"),
        ([[1, 1, 1e9, 1, 1e9, 50, 1, 50]], r"a polygon from \(1, 1\) to \(1e\+09, 50\) lies outside the image of 96"),
        ([[1, 1, -(10**300), 1, 5, 50]], "lies outside the image"),
        ("none", 'is "none", expected polygons or an RLE'),
        (None, "is null, expected polygons or an RLE"),
        (7.5, r"is 7\.5, expected polygons or an RLE"),
        ({}, "lacks size and counts"),
        ({"size": [96, 120]}, "lacks counts"),
        ({"size": [96.5, 120], "counts": [PIXELS]}, r"is of size \[96\.5,120\], the image is 96 x 120"),
        ({"size": [120, 96], "counts": [PIXELS]}, r"is of size \[120,96\], the image is 96 x 120"),
        ({"size": "96", "counts": [PIXELS]}, 'is of size "96", the image is 96 x 120'),
        ({"size": [96, 120], "counts": [20.5, PIXELS - 20.5]}, rf"holds 20\.5, expected runs of 0 to {PIXELS} pixels"),
        ({"size": [96, 120], "counts": [-5, PIXELS + 5]}, f"holds -5, expected runs of 0 to {PIXELS}"),
        ({"size": [96, 120], "counts": [7, True]}, f"holds true, expected runs of 0 to {PIXELS}"),
        ({"size": [96, 120], "counts": [7]}, f"has 7 pixels, the image {PIXELS}"),
        ({"size": [96, 120], "counts": []}, f"has 0 pixels, the image {PIXELS}"),
        ({"size": [96, 120], "counts": None}, f"holds null, expected runs of 0 to {PIXELS} pixels"),
        ({"size": [96, 120], "counts": "\x01"}, r'holds "\\u0001", expected runs'),
        ({"size": [96, 120], "counts": "o" * 9000 + "0"}, 'holds "ooo.*…, expected runs'),
    ],
)
def test_a_segmentation_that_is_refused(root: Path, rule: str, segmentation: Any, match: str) -> None:
    cats(root, segmentation)
    text = refusal(masks, root, rule)
    assert re.match(rf"{file(root)}: annotation 1 of image {IDS[0]}: its segmentation .*{match}", text)
    assert len(text) < 400 + len(str(file(root)))


@pytest.mark.parametrize("raw", [b'{"counts": "\xff"}', b"[[NaN, 2, 3, 4, 5, 6]]", b"[[1, 2, 3, 4, 5, 1e400]]"])
def test_invalid_json_is_refused(root: Path, raw: bytes) -> None:
    cats(root, "here")
    file(root).write_bytes(file(root).read_bytes().replace(b'"here"', raw))
    assert refusal(masks, root, UNION).startswith(f"{file(root)}: ")


def test_runs_of_compressed_rle() -> None:
    random = np.random.RandomState(3)
    for _ in range(20):
        mask = (random.rand(40, 30) > random.rand()).astype(np.uint8)
        counts = api.encode(np.asfortranarray(mask))["counts"].decode()
        runs = compressed_runs(counts)
        assert runs is not None
        flat = np.repeat(np.arange(len(runs)) % 2, runs)
        assert np.array_equal(flat.reshape(30, 40).T, mask)
