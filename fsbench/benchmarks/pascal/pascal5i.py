"""PASCAL-5i from a raw VOC 2012: the published lists, proved against its masks.

Class c (0..19 in VOC's order) is in fold c // 5 (Shaban et al., BMVC 2017). The val lists are those of HSNet, LSeg
and Fusioner; there are two train variants, ``fusioner`` (every pair with a pixel) and ``hsnet`` (small objects
dropped). ``build`` and ``verify`` rebuild all twelve lists from the masks and compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from fsbench.benchmarks.flags import Out, Partial, Workers
from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal.lists import PUBLISHED_SHA256, Variant, text
from fsbench.benchmarks.pascal.raw import build_from_voc, verify_masks
from fsbench.benchmarks.pascal.voc import find_masks, find_voc
from fsbench.benchmarks.verification import Check, check
from fsbench.index.benchmark import Benchmark
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.io.files import sha256_text

EXAMPLE = "Example: fsbench build pascal-5i --root VOCdevkit"

find_root = find_voc

VARIANTS: tuple[Variant, ...] = ("fusioner", "hsnet")
ENGLISH = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "pottedplant": "potted plant",
    "tvmonitor": "tv",
}
NAMES = {
    key: ENGLISH.get(key, key)
    for key in (
        *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
        *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
    )
}
"""VOC's class names in VOC's order, and their plain English (``names-v1``)."""


@cache
def published_lists() -> FoldLists:
    """Classes, folds and published lists, known with no data."""
    folds = {str(fold): tuple(range(5 * fold, 5 * fold + 5)) for fold in range(4)}
    return FoldLists(
        name="pascal-5i",
        title="PASCAL-5i",
        partition="class // 5",
        mask_rule="voc-segmentation-class-aug",
        classes=tuple(ClassName(i, key, name) for i, (key, name) in enumerate(NAMES.items())),
        folds=folds,
        val={fold: pascal_lists.val(fold) for fold in folds},
        train={variant: {fold: pascal_lists.train(fold, variant) for fold in folds} for variant in VARIANTS},
    )


def build(
    root: Annotated[Path, typer.Option(help="A VOCdevkit or VOC2012 folder.")],
    out: Out = None,
    sbd: Annotated[
        Path | None, typer.Option(help="The official SBD: masks are made from its .mat files, merged with VOC's own.")
    ] = None,
    partial: Partial = False,
    workers: Workers = None,
) -> Benchmark:
    """Build PASCAL-5i from a raw VOC 2012: index it, and prove the published lists against its masks.

    Masks are those of ``SegmentationClassAug``, or are made from SBD. Raises FsbenchError for a root without VOC 2012,
    missing files (unless ``partial``), broken files, a mask of another size than its photograph, an unknown class
    id in a mask, and masks that do not give the published lists.
    """
    return build_from_voc(
        root,
        out,
        find_masks(find_voc(root), sbd),
        published_lists(),
        published_lists(),
        splits=("val", "train"),
        partial=partial,
        workers=workers,
        remedy="use the masks of SegmentationClassAug, or --sbd with the official SBD",
    )


def verify(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """The published lists by their digests and rebuilt from the masks; masks and areas as they were built."""
    lists = benchmark.lists
    wrong = [name for name, pairs in lists.lists().items() if sha256_text(text(pairs)) != PUBLISHED_SHA256[name]]
    yield check("published lists", wrong, f"all {len(PUBLISHED_SHA256)} equal to the published ones, by SHA-256")
    yield from verify_masks(benchmark, lists, workers)
