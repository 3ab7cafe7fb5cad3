"""The published PASCAL-5i fold lists, shipped with fsbench so that no image is needed to know them.

The lists are HSNet's (val and ``hsnet`` train) and Fusioner's (``fusioner`` train; its val lists are HSNet's). They
come out of one packed table byte for byte: ``text(val("0"))`` has the digest ``PUBLISHED_SHA256["val-fold0"]``.
``tools/pack_pascal_lists.py`` makes the table; ``list_rule.py`` rebuilds the same lists from masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Literal, get_args

from fsbench.benchmarks.shipped_lists import known, unpacked
from fsbench.index.fold_lists import Pair

Split = Literal["val", "train"]
Variant = Literal["hsnet", "fusioner"]
FOLDS = ("0", "1", "2", "3")
CLASSES_PER_FOLD = 5

PUBLISHED_SHA256 = {
    "val-fold0": "748e2f4732ac502cb3aa1f3768936b394bd7ba4e611ac5bf959291a268e249df",
    "val-fold1": "afce1929e4dacbc13c07f9a26d4ce7738d415e1b18443fe173e58303836f5c14",
    "val-fold2": "50b1f5218e8f882ca65d85da5be230b978a70067e9b3e0e9fca1528f546bd7fb",
    "val-fold3": "c3825d7c52d1608d4c62c5b85d6ef3f74cf5898032bc068a94c971df17bdf71a",
    "train-fold0-hsnet": "40fded8be6afbc4b70953277f2a178af8055cddd4e73fb4646b7bf19704b9da2",
    "train-fold1-hsnet": "558167c3c6fea0cda1bb7c7a275e66d5de7bc13cbc97e00c5872ac84d5f0954e",
    "train-fold2-hsnet": "d07e35f4a4ae95774c619bafb57d65d682dbd5b9f33c7f71a4f5cef8e3f99609",
    "train-fold3-hsnet": "ffe09100c0c4d9c19d074a33b0f29fe5a89a730579ba39a9f9e908186298ac17",
    "train-fold0-fusioner": "d96819d5e0f2d4350c8e1bc64f0ba5c44dfdf0e67c21e17883fb45e87534e2a2",
    "train-fold1-fusioner": "d805a65a39e5f8fc234a5db25a0a3ad8b9892d17b282479aba0c9a47f171fc13",
    "train-fold2-fusioner": "35a65e63de259219591dca7bd3f4430d4109d8782afc6e36188752d6d484cc42",
    "train-fold3-fusioner": "a15458dd7d699e2e647d9a2584969b90b7576c9c0f9861281c3c0a43e1c6f40b",
}
"""List name -> SHA-256 (hex) of the published file. The names are also those that ``lists()`` has."""


def val(fold: str) -> tuple[Pair, ...]:
    """Fold's val list as (sample, 0-based class id), sorted by (sample, class) as published.

    >>> len(val("0")), val("0")[0]
    (346, ('2007_000033', 0))
    """
    return lists()[f"val-fold{known('PASCAL-5i', 'fold', fold, FOLDS)}"]


def train(fold: str, variant: Variant) -> tuple[Pair, ...]:
    """The train list of the fold's own classes, sorted by (class, sample); training on a fold reads the other three.

    ``fusioner``: every pair with at least one pixel. ``hsnet``: those of them that HSNet's rule keeps.
    """
    variant = known("PASCAL-5i", "variant", variant, get_args(Variant))
    return lists()[f"train-fold{known('PASCAL-5i', 'fold', fold, FOLDS)}-{variant}"]


@cache
def lists() -> dict[str, tuple[Pair, ...]]:
    """All twelve lists under the names of ``PUBLISHED_SHA256``, in its order."""
    found: dict[str, list[Pair]] = {name: [] for name in PUBLISHED_SHA256}
    for sample, origin, marked in _table():
        for mark in marked:
            class_id = int(mark.rstrip("-")) - 1
            fold = class_id // CLASSES_PER_FOLD
            if origin == "val":
                found[f"val-fold{fold}"].append((sample, class_id))
                continue
            found[f"train-fold{fold}-fusioner"].append((sample, class_id))
            if not mark.endswith("-"):
                found[f"train-fold{fold}-hsnet"].append((sample, class_id))
    return {name: in_published_order(name, pairs) for name, pairs in found.items()}


def in_published_order(name: str, pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Pairs of the list called ``name``: val lists by (sample, class), train lists by (class, sample)."""
    if name.startswith("val"):
        return tuple(sorted(pairs))
    return tuple(sorted(pairs, key=lambda pair: (pair[1], pair[0])))


def text(pairs: Iterable[Pair]) -> str:
    """The published form of a list: a line ``NAME__CC`` per pair, CC the 1-based class id.

    >>> text([("2007_000033", 0)])
    '2007_000033__01\\n'
    """
    return "".join(f"{sample}__{class_id + 1:02d}\n" for sample, class_id in pairs)


@cache
def samples(split: Split) -> tuple[str, ...]:
    """Ids of all samples of a split, sorted: VOC val (1449) or trainaug (10582).

    Every trainaug sample is in a fusioner list; 68 val samples are in no list, since all their objects are small.
    """
    split = known("PASCAL-5i", "split", split, get_args(Split))
    return tuple(sample for sample, origin, _ in _table() if (origin == "val") == (split == "val"))


@cache
def official() -> frozenset[str]:
    """Ids of the 2913 samples (1464 train, 1449 val) that VOC 2012 itself annotates; SBD annotates the others."""
    return frozenset(sample for sample, origin, _ in _table() if origin != "aug")


@cache
def _table() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(sample, ``val`` | ``train`` | ``aug``, class marks) of every sample, sorted by sample."""
    rows = (line.split("\t") for line in unpacked("pascal-5i-lists.tsv.xz").decode().splitlines())
    return tuple((sample, origin, tuple(marked.split(",")) if marked else ()) for sample, origin, marked in rows)
