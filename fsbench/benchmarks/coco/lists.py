"""The published COCO-20i fold lists, shipped with fsbench so that they are at hand before any image is.

The lists are PFENet's, which HSNet, LSeg, Fusioner and others draw from. The order inside a class follows from nothing
else, and legacy protocols depend on it, so the lists come out byte for byte: ``published_text("val-fold0")`` has the
digest ``PUBLISHED_SHA256["val-fold0"]``.

A split is one file, made by ``tools/pack_coco_lists.py`` from the lists: little-endian n, the number of images, in 4
bytes; the n image ids in order as three planes of n bytes (low, middle, high); then each image's class ids, ascending,
a byte each, the last one of an image plus 128. A class's list is the images that have it, in that order.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import Pair

Split = Literal["val", "train"]
FOLDS = ("0", "1", "2", "3")

_Known = TypeVar("_Known", bound=str)

CATEGORIES = {
    "person": 1,
    "bicycle": 2,
    "car": 3,
    "motorcycle": 4,
    "airplane": 5,
    "bus": 6,
    "train": 7,
    "truck": 8,
    "boat": 9,
    "traffic light": 10,
    "fire hydrant": 11,
    "stop sign": 13,
    "parking meter": 14,
    "bench": 15,
    "bird": 16,
    "cat": 17,
    "dog": 18,
    "horse": 19,
    "sheep": 20,
    "cow": 21,
    "elephant": 22,
    "bear": 23,
    "zebra": 24,
    "giraffe": 25,
    "backpack": 27,
    "umbrella": 28,
    "handbag": 31,
    "tie": 32,
    "suitcase": 33,
    "frisbee": 34,
    "skis": 35,
    "snowboard": 36,
    "sports ball": 37,
    "kite": 38,
    "baseball bat": 39,
    "baseball glove": 40,
    "skateboard": 41,
    "surfboard": 42,
    "tennis racket": 43,
    "bottle": 44,
    "wine glass": 46,
    "cup": 47,
    "fork": 48,
    "knife": 49,
    "spoon": 50,
    "bowl": 51,
    "banana": 52,
    "apple": 53,
    "sandwich": 54,
    "orange": 55,
    "broccoli": 56,
    "carrot": 57,
    "hot dog": 58,
    "pizza": 59,
    "donut": 60,
    "cake": 61,
    "chair": 62,
    "couch": 63,
    "potted plant": 64,
    "bed": 65,
    "dining table": 67,
    "toilet": 70,
    "tv": 72,
    "laptop": 73,
    "mouse": 74,
    "remote": 75,
    "keyboard": 76,
    "cell phone": 77,
    "microwave": 78,
    "oven": 79,
    "toaster": 80,
    "sink": 81,
    "refrigerator": 82,
    "book": 84,
    "clock": 85,
    "vase": 86,
    "scissors": 87,
    "teddy bear": 88,
    "hair drier": 89,
    "toothbrush": 90,
}
"""COCO's 80 class names in COCO's order, and their category ids in its annotations (1..90 with gaps)."""
CLASSES = tuple(CATEGORIES)
CATEGORY_IDS = tuple(CATEGORIES.values())

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
    return pairs_of("val", range(int(_known("fold", fold, FOLDS)), len(CLASSES), len(FOLDS)))


@cache
def train(fold: str) -> tuple[Pair, ...]:
    """The train list of the fold's own classes, in the same order; training on a fold reads the other three."""
    return pairs_of("train", range(int(_known("fold", fold, FOLDS)), len(CLASSES), len(FOLDS)))


def pairs_of(split: Split, class_ids: Iterable[int]) -> tuple[Pair, ...]:
    """The pairs of any classes: classes ascending and each once, published order within.

    Raises FsbenchError for a split or a class id (0..79) that COCO-20i does not have.
    """
    by_class = _pairs_by_class(_known("split", split, get_args(Split)))
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
    _known("list", name, tuple(PUBLISHED_SHA256))
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
    split = _known("split", split, get_args(Split))
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
    shipped = resources.files("fsbench.data").joinpath(f"coco-20i-lists.{split}.xz").read_bytes()
    packed = lzma.decompress(shipped)
    n = int.from_bytes(packed[:4], "little")
    low, middle, high = np.frombuffer(packed, np.uint8, 3 * n, offset=4).reshape(3, n).astype(np.uint32)
    marks = np.frombuffer(packed, np.uint8, offset=4 + 3 * n)
    places = np.repeat(np.arange(n), np.diff(np.flatnonzero(marks & 128), prepend=-1))
    return (low | middle << 8 | high << 16).astype(np.uint32), places.astype(np.int64), (marks & 127).astype(np.uint8)


def _known(what: str, value: _Known, known: tuple[_Known, ...]) -> _Known:
    if value not in known:
        raise FsbenchError(f"COCO-20i has no {what} {value!r}: choose one of {', '.join(known)}")
    return value
