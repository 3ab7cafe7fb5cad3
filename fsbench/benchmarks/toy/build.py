"""The embedded benchmark ``toy``: drawn by our own code, so that fsbench can be tried with no download and no data.

48 classes named pattern, colour, shape ("striped orange star"), 10 samples each, in the layout of FSS-1000. It shows
that a set-up works and nothing about a model's worth on photographs.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from fsbench.benchmarks.flags import Out
from fsbench.benchmarks.fss.class_folders import class_pairs, read_class_folders, sample_ids, verify_class_folders
from fsbench.benchmarks.toy.classes import CLASS_NAMES, FOLDS
from fsbench.benchmarks.toy.draw import write_sample
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.io.files import remove_temporary_files
from fsbench.io.locks import building
from fsbench.parallel import in_threads

EXAMPLE = "Example: fsbench build toy"

verify = verify_class_folders


@cache
def published_lists() -> FoldLists:
    """Classes, folds and lists, known with no data: a fold's val and train list are all samples of its classes."""
    folds = {fold: tuple(sorted(map(CLASS_NAMES.index, names))) for fold, names in FOLDS.items()}
    pairs = {fold: class_pairs(CLASS_NAMES, ids) for fold, ids in folds.items()}
    return FoldLists(
        name="toy",
        title="toy",
        partition="toy-v1",
        mask_rule="grey-128",
        classes=tuple(ClassName(class_id, key, key.replace("_", " ")) for class_id, key in enumerate(CLASS_NAMES)),
        folds=folds,
        val=pairs,
        train={"all": pairs},
    )


def build(
    root: Annotated[Path | None, typer.Option(help="Where to draw the pictures. Default: raw/ in the output.")] = None,
    out: Out = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that draw.")] = None,
) -> Benchmark:
    """Draw the embedded benchmark and index it: 48 classes x 10 samples, four folds.

    Raises FsbenchError where a folder cannot be written to.
    """
    out = home() / "toy" if out is None else out
    with building(out), building(out / "raw" if root is None else root) as root:
        for key in CLASS_NAMES:
            remove_temporary_files(root / key)

        def draw(sample: str) -> None:
            key, n = sample.split("/")
            write_sample(root, key, int(n))

        for _ in in_threads(draw, [sample for key in CLASS_NAMES for sample in sample_ids(key)], workers, "drawing"):
            pass
        tree = read_class_folders(root, CLASS_NAMES, workers)
        return write_benchmark(
            out,
            lists=published_lists(),
            roots={"root": root},
            mask_format="grey-128",
            samples=tree.samples,
            area=tree.area,
            masks_digest=tree.masks_digest,
            partial=False,
        )
