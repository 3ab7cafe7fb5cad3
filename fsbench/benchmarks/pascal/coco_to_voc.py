"""The transfer COCO-20i -> PASCAL VOC: a model trained on COCO-20i fold f is scored on VOC's val photographs.

Tested in fold f are the VOC classes that COCO-20i (interleaved) tests in its fold f, so that whoever trained for that
fold has seen none of them. The pairs are those of the published PASCAL-5i val lists, dealt to these folds. There are no
train lists: training is on COCO-20i.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from fsbench.benchmarks.flags import Out, Partial, Workers
from fsbench.benchmarks.pascal import pascal5i
from fsbench.benchmarks.pascal.lists import CLASSES_PER_FOLD, PUBLISHED_SHA256, text
from fsbench.benchmarks.pascal.lists import FOLDS as PASCAL_FOLDS
from fsbench.benchmarks.pascal.raw import build_from_voc, verify_masks
from fsbench.benchmarks.pascal.voc import MaskFolders, find_masks, find_voc
from fsbench.benchmarks.verification import Check, check
from fsbench.index.benchmark import Benchmark
from fsbench.index.fold_lists import FoldLists
from fsbench.io.files import sha256_text

EXAMPLE = "Example: fsbench build coco-20i-to-pascal-voc --root VOCdevkit"

NAME = "coco-20i-to-pascal-voc"
FOLDS = {
    "0": ("aeroplane", "boat", "chair", "diningtable", "dog", "person"),
    "1": ("bicycle", "bus", "horse", "sofa"),
    "2": ("bird", "car", "pottedplant", "sheep", "train", "tvmonitor"),
    "3": ("bottle", "cat", "cow", "motorbike"),
}
"""VOC's classes by the fold in which COCO-20i tests them (Boudiaf et al., CVPR 2021, and later papers)."""

find_root = find_voc


@cache
def published_lists() -> FoldLists:
    """Classes, folds and lists, known with no data: PASCAL-5i's val pairs, sorted by (sample, class) in each fold."""
    pascal = pascal5i.published_lists()
    number = {c.key: c.id for c in pascal.classes}
    folds = {fold: tuple(number[key] for key in keys) for fold, keys in FOLDS.items()}
    pairs = sorted(pair for fold in pascal.folds for pair in pascal.val[fold])
    return FoldLists(
        name=NAME,
        title="COCO-20i to PASCAL VOC",
        partition="COCO-20i's class % 4",
        mask_rule=pascal.mask_rule,
        classes=pascal.classes,
        folds=folds,
        val={fold: tuple(pair for pair in pairs if pair[1] in ids) for fold, ids in folds.items()},
        train={},
    )


def build(
    root: Annotated[Path, typer.Option(help="A VOCdevkit or VOC2012 folder.")],
    out: Out = None,
    sbd: Annotated[
        Path | None, typer.Option(help="The official SBD, as for pascal-5i: VOC's own SegmentationClass is read.")
    ] = None,
    partial: Partial = False,
    workers: Workers = None,
) -> Benchmark:
    """Build the transfer COCO-20i to PASCAL VOC: index the 1449 val samples of a raw VOC 2012, and prove the lists.

    Only val is read. Its masks are VOC's own, so that ``SegmentationClass`` serves without ``SegmentationClassAug``.
    Raises FsbenchError as the build of PASCAL-5i does.
    """
    return build_from_voc(
        root,
        out,
        _val_masks(find_voc(root), sbd),
        published_lists(),
        pascal5i.published_lists(),
        splits=("val",),
        partial=partial,
        workers=workers,
        remedy="use the masks of SegmentationClass or SegmentationClassAug",
    )


def verify(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """The lists by the digests of the published ones and rebuilt from the masks; masks and areas as they were built."""
    yield check("published lists", _not_published(benchmark.lists), "the pairs of PASCAL-5i's four, by SHA-256")
    yield from verify_masks(benchmark, pascal5i.published_lists(), workers)


def _val_masks(voc: Path, sbd: Path | None) -> MaskFolders:
    if sbd is None and not (voc / "SegmentationClassAug").is_dir() and (voc / "SegmentationClass").is_dir():
        return MaskFolders(voc / "SegmentationClass")
    return MaskFolders(find_masks(voc, sbd).png)


def _not_published(lists: FoldLists) -> list[str]:
    """Where the pairs, dealt back to PASCAL-5i's folds, are not the published lists, or a fold is not as given."""
    faults = [] if lists == published_lists() else ["classes, folds or order are not those of this benchmark"]
    pairs = sorted(pair for of_fold in lists.val.values() for pair in of_fold)
    for fold in PASCAL_FOLDS:
        back = [(sample, c) for sample, c in pairs if c // CLASSES_PER_FOLD == int(fold)]
        if sha256_text(text(back)) != PUBLISHED_SHA256[f"val-fold{fold}"]:
            faults.append(f"pairs of PASCAL-5i's val-fold{fold}")
    return faults
