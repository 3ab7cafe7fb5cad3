"""COCO-20i in contiguous folds, for its bare name: ``fsbench build coco-20i --partition contiguous`` is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fsbench.benchmarks.coco import coco20i
from fsbench.benchmarks.coco.coco20i import MaskRule, Partition, fold_lists
from fsbench.benchmarks.flags import Out, Partial
from fsbench.episodes.protocols import UNION
from fsbench.index.benchmark import Benchmark
from fsbench.index.fold_lists import FoldLists

EXAMPLE = "Example: fsbench build coco-20i-contiguous --root COCO"

find_root = coco20i.find_root
verify = coco20i.verify


def published_lists() -> FoldLists:
    """Contiguous folds, union masks."""
    return fold_lists(Partition.CONTIGUOUS, UNION)


def build(
    root: Annotated[Path, typer.Option(help="A folder with annotations/ and the images of COCO 2014 or 2017.")],
    out: Out = None,
    mask_rule: Annotated[MaskRule, typer.Option(help="As for coco-20i.")] = MaskRule.UNION,
    masks: Annotated[Path | None, typer.Option(help="With --mask-rule png: the folder of val2014/*.png.")] = None,
    partial: Partial = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes for masks, threads for files.")] = None,
) -> Benchmark:
    """Build COCO-20i with contiguous folds (class // 20), as PANet's and SSP's second table have it."""
    return coco20i.build(root, out, Partition.CONTIGUOUS, mask_rule, masks, partial, workers)
