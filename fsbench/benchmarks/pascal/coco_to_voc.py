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

from fsbench.benchmarks.pascal import pascal5i
from fsbench.benchmarks.pascal.lists import CLASSES_PER_FOLD, PUBLISHED_SHA256, text
from fsbench.benchmarks.pascal.lists import FOLDS as PASCAL_FOLDS
from fsbench.benchmarks.pascal.raw import read_masks, read_splits
from fsbench.benchmarks.pascal.voc import MaskFolders, find_masks, find_voc
from fsbench.benchmarks.verification import Check, areas_check, check
from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, write_benchmark
from fsbench.index.fold_lists import FoldLists
from fsbench.io.files import sha256_text
from fsbench.io.locks import building

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
    out: Annotated[Path | None, typer.Option(help=f"The benchmark folder. Default: {NAME} under FSBENCH_HOME.")] = None,
    sbd: Annotated[
        Path | None, typer.Option(help="The official SBD, as for pascal-5i: VOC's own SegmentationClass is read.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Build from what is at hand; the benchmark says that it is partial.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Reading threads.")] = None,
) -> Benchmark:
    """Build the transfer COCO-20i to PASCAL VOC: index the 1449 val samples of a raw VOC 2012, and prove the lists.

    Only val is read. Its masks are VOC's own, so that ``SegmentationClass`` serves where there is no
    ``SegmentationClassAug``. Raises FsbenchError as the build of PASCAL-5i does.
    """
    voc = find_voc(root)
    folders = _val_masks(voc, sbd)
    with building(home() / NAME if out is None else out) as out:
        raw = read_splits(root, folders, ("val",), partial=partial, workers=workers)
        differences = raw.masks.list_differences(pascal5i.published_lists())
        if differences:
            raise FsbenchError(
                f"{root}: the masks do not give the published lists ({len(differences)} pairs differ, first: "
                f"{'; '.join(differences[:3])}): use the masks of SegmentationClass or SegmentationClassAug"
            )
        return write_benchmark(
            out,
            lists=published_lists(),
            roots=raw.roots,
            mask_format="voc-label-map",
            samples=raw.samples,
            area=raw.masks.area,
            masks_digest=raw.masks.digest,
            partial=not all(sample.present for sample in raw.samples),
        )


def verify(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """The lists by the digests of the published ones and rebuilt from the masks; masks and areas as they were built."""
    yield check("published lists", _not_published(benchmark.lists), "the pairs of PASCAL-5i's four, by SHA-256")
    read = read_masks(list(benchmark.samples.values()), benchmark.path, workers)
    yield check("masks readable", read.faults, f"{len(read.masks)} masks")
    built = sum(sample.mask is not None for sample in benchmark.samples.values())
    faults = read.list_differences(pascal5i.published_lists())
    faults += [] if len(read.masks) == built else [f"only {len(read.masks)} of {built} masks could be read"]
    said = f"byte for byte as far as {len(read.masks)} of {len(benchmark.samples)} masks decide them"
    yield check("rebuilt lists", faults, said)
    same = read.digest == benchmark.digests.masks
    said = f"masks give {read.digest[:12]}…, not {benchmark.digests.masks[:12]}…"
    yield check("masks", [] if same else [said], f"{len(read.masks)} decoded masks, digest {read.digest[:12]}…")
    yield areas_check(benchmark, read.area, frozenset(mask.sample for mask in read.masks))


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
