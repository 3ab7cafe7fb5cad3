"""Pack the published COCO-20i lists into the two files that fsbench ships.

    python tools/pack_coco_lists.py --lists LISTS --out fsbench/data

LISTS holds ``coco-20i/{val,train}-fold{f}.tsv.gz``. Inside every class the images of a split follow one order of
images, so a split is packed as that order and each image's classes; ``fsbench/benchmarks/coco/lists.py`` says which
bytes these are. Where the classes leave the order open, the image whose class ids are greater comes first (compared one
by one from the lowest, none being greater than any), then the one with the least image id: it packs 2 % smaller than
going by image id alone. That this says all there is, order included, is checked here before anything is written.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path

import numpy as np

from fsbench.io.files import atomic_write

SPLITS = ("val", "train")
FOLDS = range(4)
CLASSES = range(80)
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "pb": 0}]


def read_pairs(path: Path, split: str) -> Iterator[tuple[int, int]]:
    """The lines of a published list as (image id, class id)."""
    lines = gzip.decompress(path.read_bytes()).decode("ascii").split("\n")
    assert lines.pop() == "", f"{path}: the last line has no end"
    for line in lines:
        parts = re.fullmatch(rf"{split}2014/COCO_{split}2014_(\d{{12}})\.jpg\t(0|[1-9]\d*)", line)
        assert parts, f"{path}: {line!r} is not an image of {split}2014, a tab and a class id"
        yield int(parts[1]), int(parts[2])


def read_classes(lists: Path, split: str) -> dict[int, list[int]]:
    """Class id -> image ids in published order; fails where the four lists of a split do not agree."""
    classes: dict[int, list[int]] = {}
    for fold in FOLDS:
        path = lists / "coco-20i" / f"{split}-fold{fold}.tsv.gz"
        found: dict[int, list[int]] = {}
        for image, class_id in read_pairs(path, split):
            found.setdefault(class_id, []).append(image)
            assert class_id == max(found), f"{path}: classes are not ascending"
        expected = {c for c in CLASSES if (c % 4 == fold) == (split == "val")}
        assert found.keys() == expected, f"{path}: does not hold the classes {sorted(expected)}"
        for class_id, images in found.items():
            assert len(set(images)) == len(images), f"{path}: class {class_id} holds an image twice"
            assert classes.setdefault(class_id, images) == images, f"{path}: class {class_id} is not as in other folds"
    return dict(sorted(classes.items()))


def classes_of_images(classes: Mapping[int, Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """Image id -> its class ids, ascending."""
    found: dict[int, tuple[int, ...]] = {}
    for class_id in sorted(classes):
        for image in classes[class_id]:
            found[image] = (*found.get(image, ()), class_id)
    return found


def image_order(classes: Mapping[int, Sequence[int]]) -> list[int]:
    """The order of all images that every class follows; raises graphlib.CycleError where two classes disagree."""
    of_image = classes_of_images(classes)
    before: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(of_image, ()))
    for images in classes.values():
        for first, second in pairwise(images):
            before.add(second, first)
    before.prepare()
    ready: list[tuple[tuple[int, ...], int]] = []
    order = []
    while before.is_active():
        for image in before.get_ready():
            heappush(ready, (tuple(-class_id for class_id in of_image[image]), image))
        _, image = heappop(ready)
        order.append(image)
        before.done(image)
    return order


def packed(classes: Mapping[int, Sequence[int]]) -> bytes:
    """The bytes of a split before compression."""
    order = image_order(classes)
    of_image = classes_of_images(classes)
    for class_id, images in classes.items():
        assert [image for image in order if class_id in of_image[image]] == list(images), f"class {class_id}: lost"
    planes = np.array(order, "<u4").view(np.uint8).reshape(-1, 4).T
    assert not planes[3].any(), "an image id of more than 24 bits"
    marks = bytes(mark for image in order for mark in (*of_image[image][:-1], of_image[image][-1] | 128))
    return len(order).to_bytes(4, "little") + planes[:3].tobytes() + marks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, required=True, help="folder that holds coco-20i/")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the two files to")
    arguments = parser.parse_args()
    for split in SPLITS:
        path = arguments.out / f"coco-20i-lists.{split}.xz"
        with atomic_write(path) as temporary:
            temporary.write_bytes(lzma.compress(packed(read_classes(arguments.lists, split)), filters=FILTERS))
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
