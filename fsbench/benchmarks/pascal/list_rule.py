"""Which pairs the published PASCAL-5i lists keep, so that they can be rebuilt from anybody's masks and compared.

The rule is OSLSM's (Shaban et al. 2017): put a class's binary mask on a 32-pixel grid and keep the pair if more than
2 cells are set. The original pads 15 pixels at top and left and takes one nearest-neighbour sample per cell, at padded
coordinate 32 i + 15.5: an exact tie between the rows 32 i and 32 i + 1 (columns likewise). Which one won was settled by
the last bit of a least-squares solve on the machine that made the list; the winners depend only on the grid's size and
are shipped for the 96 sizes that occur (``fsbench/data/pascal_list_grids.json``), val and train apart. Fusioner's train
lists keep every pair with at least one pixel. Void (255) never counts.

All functions are pure and safe to call from many threads; numpy lets go of the GIL in those that look at pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from fsbench.benchmarks.pascal.lists import CLASSES_PER_FOLD, PUBLISHED_SHA256, Split, in_published_order
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import Pair
from fsbench.io.label_maps import CLASSES, LabelMap

CELL = 32
PADDING = 15
LISTED_ABOVE = 2


def grid_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the grid of a mask: ceil((height + 30) / 32), ceil((width + 30) / 32).

    >>> grid_size(375, 500)
    (13, 17)
    """
    return -(-(height + 2 * PADDING) // CELL), -(-(width + 2 * PADDING) // CELL)


@lru_cache(maxsize=4096)
def grid_points(height: int, width: int, split: Split) -> npt.NDArray[np.intp]:
    """Flat positions (row * width + column) of the samples that lie inside the mask, row-major, read-only.

    Raises FsbenchError for a size whose tie-breaks are not known, because no published sample has it.
    """
    rows, columns = grid_size(height, width)
    known = _tie_breaks()[split]
    if (rows, columns) not in known:
        raise FsbenchError(
            f"mask of {height} x {width} (height x width): no mask of the published {split} lists has a grid of "
            f"{rows} x {columns}, so its tie-breaks are not known: use the masks of VOC 2012 at their original size"
        )
    row_up, column_up = known[rows, columns]
    y = CELL * np.arange(rows)[:, None] + row_up
    x = CELL * np.arange(columns)[None, :] + column_up
    inside = (y < height) & (x < width)
    points: npt.NDArray[np.intp] = (y * width + x)[inside]
    points.setflags(write=False)
    return points


def listed_classes(label_map: LabelMap, split: Split) -> tuple[int, ...]:
    """0-based ids of the classes that the lists keep for this mask, ascending; raises FsbenchError as grid_points."""
    points = grid_points(*label_map.shape, split)
    cells = np.bincount(label_map.reshape(-1).take(points), minlength=CLASSES + 1).tolist()
    return tuple(class_id for class_id in range(CLASSES) if cells[class_id + 1] > LISTED_ABOVE)


def rebuild(masks: Iterable[tuple[str, str, Mapping[int, int], Iterable[int]]]) -> dict[str, tuple[Pair, ...]]:
    """The twelve lists, named and ordered as published, of the samples given.

    ``masks``: (sample, split, ``label_areas`` of its mask, ``listed_classes`` of its mask), in any order.
    """
    found: dict[str, list[Pair]] = {name: [] for name in PUBLISHED_SHA256}
    for sample, split, areas, listed in masks:
        for class_id in listed:
            fold = class_id // CLASSES_PER_FOLD
            found[f"val-fold{fold}" if split == "val" else f"train-fold{fold}-hsnet"].append((sample, class_id))
        if split == "train":
            for class_id in range(CLASSES):
                if areas.get(class_id + 1):
                    found[f"train-fold{class_id // CLASSES_PER_FOLD}-fusioner"].append((sample, class_id))
    return {name: in_published_order(name, pairs) for name, pairs in found.items()}


@cache
def _tie_breaks() -> dict[str, dict[tuple[int, int], tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]]:
    """split -> (rows, columns) -> what each cell adds to 32 i and to 32 j: two arrays rows x columns in {0, 1}."""
    shipped = json.loads(resources.files("fsbench.data").joinpath("pascal_list_grids.json").read_text(encoding="utf-8"))

    def bits(text: str, size: tuple[int, int]) -> npt.NDArray[np.intp]:
        return np.array([int(bit) for bit in text], dtype=np.intp).reshape(size)

    known: dict[str, dict[tuple[int, int], tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]] = {}
    for split, grids in shipped["grids"].items():
        known[split] = {}
        for size, grid in grids.items():
            rows, columns = map(int, size.split("x"))
            known[split][rows, columns] = bits(grid["row"], (rows, columns)), bits(grid["col"], (rows, columns))
    return known
