"""The rule of the lists against a second implementation that really pads the mask and asks cell by cell."""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbench.benchmarks.pascal.list_rule import grid_points, grid_size, listed_classes, rebuild
from fsbench.benchmarks.pascal.lists import Split
from fsbench.errors import FsbenchError
from fsbench.io.label_maps import CLASSES, LabelMap, label_areas

GRIDS = json.loads(resources.files("fsbench.data").joinpath("pascal_list_grids.json").read_text())["grids"]
SIZES = [tuple(map(int, size.split("x"))) for size in GRIDS["val"]]


def naive_listed(label_map: LabelMap, split: Split) -> tuple[int, ...]:
    """Pad 15 pixels around each class's binary mask, sample every cell by the written tie-breaks, count, compare."""
    height, width = label_map.shape
    rows, columns = math.ceil((height + 30) / 32), math.ceil((width + 30) / 32)
    grid = GRIDS[split][f"{rows}x{columns}"]
    listed = []
    for class_id in range(CLASSES):
        padded = np.zeros((32 * rows + 32, 32 * columns + 32), dtype=bool)
        padded[15 : 15 + height, 15 : 15 + width] = label_map == class_id + 1
        cells = 0
        for i in range(rows):
            for j in range(columns):
                # padded coordinate 32 i + 15.5 lies between the two pixels 32 i + 15 and 32 i + 16
                y = 32 * i + 15 + int(grid["row"][i * columns + j])
                x = 32 * j + 15 + int(grid["col"][i * columns + j])
                cells += bool(padded[y, x])
        if cells > 2:
            listed.append(class_id)
    return tuple(listed)


def size_within(cells: int, over: int) -> int:
    """A side whose grid has ``cells`` cells; ``over`` (0..31) says which of the 32."""
    return 32 * (cells - 1) - 30 + 1 + over


@st.composite
def label_maps(draw: st.DrawFn) -> LabelMap:
    """Rectangles of classes and void on background, of a size whose tie-breaks are known."""
    rows, columns = draw(st.sampled_from(SIZES))
    side = st.integers(0, 31)
    height, width = size_within(rows, draw(side)), size_within(columns, draw(side))
    label_map = np.zeros((height, width), dtype=np.uint8)
    for _ in range(draw(st.integers(0, 6))):
        label = draw(st.sampled_from([*range(1, 21), 255]))
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        label_map[top : top + draw(st.integers(1, 140)), left : left + draw(st.integers(1, 140))] = label
    return label_map


@settings(max_examples=70, deadline=None)
@given(label_maps(), st.sampled_from(["val", "train"]), st.one_of(st.none(), st.integers(0, 2**32 - 1)))
def test_listed_classes_is_the_rule(label_map: LabelMap, split: Split, seed: int | None) -> None:
    if seed is not None:
        label_map = np.random.RandomState(seed).choice(np.array([0, 3, 17, 255], np.uint8), label_map.shape)
    assert listed_classes(label_map, split) == naive_listed(label_map, split)


@settings(max_examples=50, deadline=None)
@given(label_maps(), st.data())
def test_areas_are_a_histogram(label_map: LabelMap, data: st.DataObject) -> None:
    y, x = (data.draw(st.integers(0, side - 1)) for side in label_map.shape)
    label_map[y, x] = data.draw(st.integers(0, 255))  # one pixel, which a coarse look overlooks
    labels, counts = np.unique(label_map, return_counts=True)
    areas = label_areas(label_map)
    assert list(areas.items()) == list(zip(labels.tolist(), counts.tolist(), strict=True))
    assert label_areas(np.asfortranarray(label_map)) == areas


def test_points_lie_inside_and_two_cells_are_too_few() -> None:
    height, width = 375, 500
    assert grid_size(height, width) == (13, 17)
    points = grid_points(height, width, "val")
    assert points.size == len(set(points.tolist())) == 12 * 16
    assert not points.flags.writeable
    assert points is grid_points(height, width, "val")
    for cells, listed in ((2, ()), (3, (4,))):
        label_map = np.zeros((height, width), dtype=np.uint8)
        label_map.reshape(-1)[points[:cells]] = 5
        label_map.reshape(-1)[points[cells:]] = 255
        assert listed_classes(label_map, "val") == listed


@pytest.mark.parametrize("shape", [(20, 20), (600, 800), (500, 40)])
def test_unknown_grid_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(FsbenchError, match=rf"^mask of {shape[0]} x {shape[1]} .*original size$"):
        listed_classes(np.zeros(shape, dtype=np.uint8), "val")


def test_rebuild_sorts_as_published() -> None:
    masks: list[tuple[str, Any, dict[int, int], tuple[int, ...]]] = [
        ("b", "train", {0: 9, 1: 5, 6: 1, 255: 3}, (0,)),
        ("a", "train", {0: 9, 2: 1, 1: 7}, (0, 1)),
        ("d", "val", {1: 400, 2: 5, 20: 1}, (0, 19)),
        ("c", "val", {2: 5}, (1,)),
    ]
    filled = {name: pairs for name, pairs in rebuild(masks).items() if pairs}
    assert len(rebuild(masks)) == 12
    assert filled == {
        "val-fold0": (("c", 1), ("d", 0)),
        "val-fold3": (("d", 19),),
        "train-fold0-hsnet": (("a", 0), ("b", 0), ("a", 1)),
        "train-fold0-fusioner": (("a", 0), ("b", 0), ("a", 1)),
        "train-fold1-fusioner": (("b", 5),),
    }
