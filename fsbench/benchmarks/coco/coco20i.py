"""COCO-20i from COCO's annotations: published lists, masks as RLE by a mask rule, and the proof of both.

Interleaved: 0-based class c is in fold c % 4 (HSNet, PFENet, LSeg, Fusioner, VAT, BAM). Contiguous: c // 20 (PANet,
SSP's second table), under the name ``coco-20i-contiguous``. The same method differs by points between the two.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.benchmarks.coco.annotations import find_root
from fsbench.benchmarks.coco.raw import Raw, list_differences, read_coco
from fsbench.benchmarks.coco.remarks import NAMED, skipped_remark, unreadable_remark
from fsbench.benchmarks.flags import Partial
from fsbench.benchmarks.verification import Check, areas_check, check
from fsbench.episodes.protocols import FILLPOLY, PNG, UNION
from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.index.rle_masks import MaskRow, rows_digest
from fsbench.index.truths import RLE
from fsbench.io.files import sha256_text
from fsbench.io.locks import building

EXAMPLE = "Example: fsbench build coco-20i --root COCO"

__all__ = ["EXAMPLE", "build", "find_root", "fold_lists", "published_lists", "verify"]


class Partition(StrEnum):
    """Which classes a fold tests."""

    INTERLEAVED = "interleaved"
    CONTIGUOUS = "contiguous"


class MaskRule(StrEnum):
    """How masks are made."""

    UNION = UNION
    FILLPOLY = FILLPOLY
    PNG = PNG


@cache
def fold_lists(partition: Partition, mask_rule: str) -> FoldLists:
    """Classes, folds and published lists, known with no data."""
    interleaved = partition == Partition.INTERLEAVED
    of_fold = {str(f): tuple(range(f, 80, 4)) if interleaved else tuple(range(20 * f, 20 * f + 20)) for f in range(4)}
    return FoldLists(
        name="coco-20i" if interleaved else "coco-20i-contiguous",
        title="COCO-20i" if interleaved else "COCO-20i contiguous",
        partition="class % 4" if interleaved else "class // 20",
        mask_rule=mask_rule,
        classes=tuple(ClassName(class_id, name, name) for class_id, name in enumerate(coco_lists.CLASSES)),
        folds=of_fold,
        val={fold: coco_lists.pairs_of("val", ids) for fold, ids in of_fold.items()},
        train={"published": {fold: coco_lists.pairs_of("train", ids) for fold, ids in of_fold.items()}},
    )


def published_lists() -> FoldLists:
    """The default: interleaved folds, union masks."""
    return fold_lists(Partition.INTERLEAVED, UNION)


def build(
    root: Annotated[Path, typer.Option(help="A folder with annotations/ and the images of COCO 2014 or 2017.")],
    out: Annotated[
        Path | None, typer.Option(help="The benchmark folder. Default: its name (and mask rule) under FSBENCH_HOME.")
    ] = None,
    partition: Annotated[
        Partition, typer.Option(help="Classes of a fold: c % 4 (most papers), or c // 20 (PANet).")
    ] = Partition.INTERLEAVED,
    mask_rule: Annotated[
        MaskRule, typer.Option(help="Union of instances with crowds void (ours); the papers' label maps; or PNGs.")
    ] = MaskRule.UNION,
    masks: Annotated[Path | None, typer.Option(help="With --mask-rule png: the folder of val2014/*.png.")] = None,
    partial: Partial = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes for masks, threads for files.")] = None,
) -> Benchmark:
    """Build COCO-20i from COCO's annotations: masks as RLE, the published lists, nothing copied.

    With ``partial`` a photograph that cannot be read counts as missing; standard error names the first of them, as it
    does annotations whose polygons have no area. Raises FsbenchError for a root without annotations, damaged ones,
    photographs that are missing or cannot be read (unless ``partial``) or have another size than annotated, and masks
    that do not hold a published pair.
    """
    if (mask_rule == MaskRule.PNG) != (masks is not None):
        raise FsbenchError("--masks PNG_ROOT goes with --mask-rule png: give both or neither")
    if masks is not None and not masks.is_dir():
        raise FsbenchError(f"{masks}: is not a folder: give the one that holds val2014/*.png with --masks")
    lists = fold_lists(partition, mask_rule.value)
    default = lists.name if mask_rule == MaskRule.UNION else f"{lists.name}-{mask_rule.value}"
    out = home() / default if out is None else out
    root = find_root(root)
    with building(out):
        raw = read_coco(root, mask_rule.value, masks, partial=partial, workers=workers)
        if raw.unreadable:
            print(f"fsbench: {unreadable_remark(raw.unreadable)}", file=sys.stderr)  # noqa: T201
        if raw.skipped:
            print(f"fsbench: {skipped_remark(raw.skipped)}", file=sys.stderr)  # noqa: T201
        faults = _without_mask(raw, lists) or list_differences(raw)
        if faults:
            files = ", ".join(map(str, raw.files))
            raise FsbenchError(
                f"{files}: the masks do not give the published lists ({len(faults)} pairs differ, first: "
                f"{'; '.join(faults[:NAMED])}): use the annotations of COCO as published"
            )
        return write_benchmark(
            out,
            lists=lists,
            roots={"root": root} if masks is None else {"root": root, "masks": masks},
            mask_format=RLE,
            samples=raw.samples,
            area=raw.area,
            masks_digest=rows_digest(raw.rows),
            partial=not all(sample.present for sample in raw.samples),
            masks=raw.rows,
        )


def verify(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """The published lists by their digests and rebuilt by their rule; masks made again; areas."""
    partition = Partition.CONTIGUOUS if benchmark.lists.name.endswith("contiguous") else Partition.INTERLEAVED
    same = benchmark.lists == fold_lists(partition, benchmark.lists.mask_rule)
    wrong = [] if same else ["the lists in the folder are not the published ones"]
    published = coco_lists.PUBLISHED_SHA256.items()
    wrong += [name for name, digest in published if sha256_text(coco_lists.published_text(name)) != digest]
    yield check("published lists", wrong, f"all {len(coco_lists.PUBLISHED_SHA256)} equal to the published, by SHA-256")
    built = frozenset(sample.id for sample in benchmark.samples.values() if sample.mask is not None)
    try:
        raw = read_coco(
            benchmark.roots["root"],
            benchmark.lists.mask_rule,
            benchmark.roots.get("masks"),
            partial=True,
            workers=workers,
            list_rule=True,
            built=built,
        )
    except FsbenchError as error:
        yield check("annotations readable", [str(error)], "")
        return
    images = sum(listed is not None for listed in raw.listed.values())
    yield check("rebuilt lists", list_differences(raw), f"no pair differs on {images} images")
    remade = f"{len(raw.rows)} masks made again, equal to the stored RLE"
    yield check("masks", _other_masks(raw.rows, benchmark), remade)
    yield areas_check(benchmark, raw.area, built)


def _without_mask(raw: Raw, lists: FoldLists) -> list[str]:
    """Listed pairs of present samples that have no pixel."""
    present = {sample.id for sample in raw.samples if sample.mask is not None}
    return [
        f"{name}: {sample} {lists.classes[class_id].key} has no mask"
        for name, pairs in lists.lists().items()
        for sample, class_id in pairs
        if sample in present and not raw.area.get((sample, class_id))
    ]


def _other_masks(remade: tuple[MaskRow, ...], benchmark: Benchmark) -> list[str]:
    """Where the folder's masks differ from those made again; and whether they give the folder's digest."""
    try:
        rows_of_folder = benchmark.mask_table.rows()
    except FsbenchError as error:
        return [str(error)]
    faults = (
        [] if rows_digest(rows_of_folder) == benchmark.digests.masks else ["masks.arrow does not give the masks digest"]
    )
    of_pair: dict[tuple[str, int], list[MaskRow]] = defaultdict(list)
    for row in (*rows_of_folder, *remade):
        of_pair[row.sample, row.class_id].append(row)
    key = {c.id: c.key for c in benchmark.lists.classes}
    return faults + [
        f"{sample} {key.get(class_id, class_id)}"
        for (sample, class_id), rows in of_pair.items()
        if len(rows) != 2 or rows[0] != rows[1]
    ]
