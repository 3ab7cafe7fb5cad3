"""The published COCO-20i fold lists, shipped with fsbench so that no image is needed to know them.

The lists are PFENet's, which HSNet, LSeg, Fusioner and others draw from. The order inside a class follows from nothing
else, and legacy protocols depend on it, so the lists come out byte for byte: ``published_text("val-fold0")`` has the
digest ``PUBLISHED_SHA256["val-fold0"]``.

A split is one file, made by ``tools/pack_coco_lists.py`` from the lists: little-endian n, the number of images, in 4
bytes; the n image ids in order as three planes of n bytes (low, middle, high); then each image's class ids, ascending,
a byte each, the last one of an image plus 128. A class's list is the images that have it, in that order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fsbench.benchmarks.shipped_lists import known, unpacked
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import Pair

Split = Literal["val", "train"]
FOLDS = ("0", "1", "2", "3")

CLASSES = tuple(
    re.split(
        r",\s+",
        """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
    parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
    handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
    surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
    broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
    laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
    scissors, teddy bear, hair drier, toothbrush""",
    )
)
"""COCO's 80 class names in COCO's order."""
CATEGORY_IDS = tuple(i for i in range(1, 91) if i not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
"""Their category ids in COCO's annotations: 1 to 90 with gaps."""

PUBLISHED_SHA256 = {
    "val-fold0": "6b4b4ad20d751fc2111e03460493955ab076543ef83144b2d2fb1f358c36cfd2",
    "val-fold1": "23dc1facbebe53ea71bf753ea74621ce8e4b65bdebe89ce2ea3bd86d97e791c1",
    "val-fold2": "5c3bc92bf0db0df6bd2ea62829154952ed883929f0fe4136946a3eb91512f294",
    "val-fold3": "518afde9edfd1cffdfabdaffe5171700a4d3db27e40aad59446aa17a1181eb06",
    "train-fold0": "d2460eef0bbe0dd4bea823e9f4f211bca8843f760455d426a0da7d4dedb72971",
    "train-fold1": "cca1c9091b311666eb856010828e192b3b1304cec9b2d77ea356a3ef0ffaa98c",
    "train-fold2": "462432a66380730b998b970ce161361f39fa30f9918a501fc3694f1438a10445",
    "train-fold3": "34c9c1b057498c026db765e71725e6b4748595df6c544bafd61ed224f629bd85",
}
"""List name -> SHA-256 (hex) of the published text. A train list holds the classes of the other three folds."""


@cache
def val(fold: str) -> tuple[Pair, ...]:
    """Fold's val list as (sample, 0-based class id): its own classes, ascending, published order within.

    >>> len(val("0")), val("0")[0]
    (35783, ('val2014/COCO_val2014_000000429717', 0))
    """
    return pairs_of("val", range(int(known("COCO-20i", "fold", fold, FOLDS)), len(CLASSES), len(FOLDS)))


def pairs_of(split: Split, class_ids: Iterable[int]) -> tuple[Pair, ...]:
    """The pairs of any classes: classes ascending and each once, published order within.

    Raises FsbenchError for a split or a class id (0..79) that COCO-20i does not have.
    """
    by_class = _pairs_by_class(known("COCO-20i", "split", split, get_args(Split)))
    wanted = sorted(set(class_ids))
    for class_id in wanted:
        if class_id not in range(len(CLASSES)):
            raise FsbenchError(f"COCO-20i has no class {class_id}: choose class ids from 0 to {len(CLASSES) - 1}")
    return tuple(pair for class_id in wanted for pair in by_class[class_id])


def published_text(name: str) -> str:
    """The published list called ``name``, byte for byte: a line ``val2014/COCO_val2014_….jpg<TAB>class id`` per pair.

    ``val-fold0`` holds the fold's own classes, ``train-fold0`` those of the other three folds. Raises FsbenchError
    for a name that is not in ``PUBLISHED_SHA256``.
    """
    known("COCO-20i", "list", name, tuple(PUBLISHED_SHA256))
    if name.startswith("val"):
        pairs = val(name[-1])
    else:
        pairs = pairs_of("train", (c for c in range(len(CLASSES)) if c % len(FOLDS) != int(name[-1])))
    return "".join(f"{sample}.jpg\t{class_id}\n" for sample, class_id in pairs)


@cache
def samples(split: Split) -> tuple[str, ...]:
    """Ids of all samples of a split's lists, each once, sorted: 39059 of val2014 or 79939 of train2014."""
    return tuple(sorted(image_order(split)))


@cache
def sample_of_image_id() -> dict[int, str]:
    """COCO's image id (equal in the 2014 and 2017 releases) -> sample id, over both splits, val first; read only."""
    return {int(sample[-12:]): sample for split in get_args(Split) for sample in samples(split)}


@cache
def image_order(split: Split) -> tuple[str, ...]:
    """All samples of a split in an order that every class's list follows.

    The published lists fix it but for images that no chain of classes ties to one another.
    """
    split = known("COCO-20i", "split", split, get_args(Split))
    return tuple(f"{split}2014/COCO_{split}2014_{image:012d}" for image in _unpacked(split)[0].tolist())


@cache
def _pairs_by_class(split: Split) -> tuple[tuple[Pair, ...], ...]:
    """Class id -> its pairs in published order."""
    order = image_order(split)
    _, places, classes = _unpacked(split)
    return tuple(
        tuple((order[place], class_id) for place in places[classes == class_id].tolist())
        for class_id in range(len(CLASSES))
    )


@cache
def _unpacked(split: Split) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint8]]:
    """Image ids in order (n,); and of all m pairs, image by image, the image's place there (m,) and class id (m,)."""
    packed = unpacked(f"coco-20i-lists.{split}.xz")
    n = int.from_bytes(packed[:4], "little")
    low, middle, high = np.frombuffer(packed, np.uint8, 3 * n, offset=4).reshape(3, n).astype(np.uint32)
    marks = np.frombuffer(packed, np.uint8, offset=4 + 3 * n)
    places = np.repeat(np.arange(n), np.diff(np.flatnonzero(marks & 128), prepend=-1))
    return (low | middle << 8 | high << 16).astype(np.uint32), places.astype(np.int64), (marks & 127).astype(np.uint8)
