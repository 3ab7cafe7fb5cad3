"""PASCAL-5i from a raw VOC 2012: the published lists, proved against the masks at hand.

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

from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal.lists import PUBLISHED_SHA256, Variant, text
from fsbench.benchmarks.pascal.raw import MasksRead, read_masks, read_raw
from fsbench.benchmarks.pascal.voc import find_voc
from fsbench.benchmarks.verification import Check, areas_check, check
from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.io.files import sha256_text
from fsbench.io.locks import building

EXAMPLE = "Example: fsbench build pascal-5i --root VOCdevkit"

find_root = find_voc

VARIANTS: tuple[Variant, ...] = ("fusioner", "hsnet")
NAMES = {
    "aeroplane": "airplane",
    "bicycle": "bicycle",
    "bird": "bird",
    "boat": "boat",
    "bottle": "bottle",
    "bus": "bus",
    "car": "car",
    "cat": "cat",
    "chair": "chair",
    "cow": "cow",
    "diningtable": "dining table",
    "dog": "dog",
    "horse": "horse",
    "motorbike": "motorbike",
    "person": "person",
    "pottedplant": "potted plant",
    "sheep": "sheep",
    "sofa": "sofa",
    "train": "train",
    "tvmonitor": "tv",
}
"""VOC's class names in VOC's order, and what they are in plain English (``names-v1``)."""


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
    out: Annotated[
        Path | None, typer.Option(help="The benchmark folder. Default: pascal-5i under FSBENCH_HOME.")
    ] = None,
    sbd: Annotated[
        Path | None, typer.Option(help="The official SBD: masks are made from its .mat files, merged with VOC's own.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Build from what is at hand; the benchmark says that it is partial.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Reading threads.")] = None,
) -> Benchmark:
    """Build PASCAL-5i from a raw VOC 2012: index it, and prove the published lists against its masks.

    Masks are those of ``SegmentationClassAug``, or are made from SBD. Raises FsbenchError for a root that is none,
    missing files (unless ``partial``), broken files, a mask of another size than its photograph, an unknown class
    id in a mask, and masks that do not give the published lists.
    """
    lists = published_lists()
    out = home() / "pascal-5i" if out is None else out
    find_voc(root)
    with building(out):
        raw = read_raw(root, sbd, partial=partial, workers=workers)
        differences = raw.masks.list_differences(lists)
        if differences:
            raise FsbenchError(
                f"{root}: the masks do not give the published lists ({len(differences)} pairs differ, first: "
                f"{'; '.join(differences[:3])}): use the masks of SegmentationClassAug, or --sbd with the official SBD"
            )
        return write_benchmark(
            out,
            lists=lists,
            roots=raw.roots,
            mask_format="voc-label-map",
            samples=raw.samples,
            area=raw.masks.area,
            masks_digest=raw.masks.digest,
            partial=not all(sample.present for sample in raw.samples),
        )


def verify(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """The published lists by their digests and rebuilt from the masks; masks and areas as they were built."""
    lists = benchmark.lists
    wrong = [name for name, pairs in lists.lists().items() if sha256_text(text(pairs)) != PUBLISHED_SHA256[name]]
    yield check("published lists", wrong, f"all {len(PUBLISHED_SHA256)} equal to the published ones, by SHA-256")
    read = read_masks(list(benchmark.samples.values()), benchmark.path, workers)
    yield check("masks readable", read.faults, f"{len(read.masks)} masks")
    faults = [*read.list_differences(lists), *_too_few(read, benchmark)]
    yield check("rebuilt lists", faults, _rebuilt(read, benchmark))
    same = read.digest == benchmark.digests.masks
    said = f"masks give {read.digest[:12]}…, not {benchmark.digests.masks[:12]}…"
    yield check("masks", [] if same else [said], f"{len(read.masks)} decoded masks, digest {read.digest[:12]}…")
    yield areas_check(benchmark, read.area, frozenset(mask.sample for mask in read.masks))


def _rebuilt(read: MasksRead, benchmark: Benchmark) -> str:
    """What equal lists prove, which is less where masks are missing."""
    total = len(benchmark.samples)
    if len(read.masks) == total:
        return f"all 12 lists, byte for byte, from {total} masks"
    return f"the part of the 12 lists that {len(read.masks)} of {total} masks decide"


def _too_few(read: MasksRead, benchmark: Benchmark) -> list[str]:
    built = sum(sample.mask is not None for sample in benchmark.samples.values())
    return [] if len(read.masks) == built else [f"only {len(read.masks)} of {built} masks could be read"]
