"""A benchmark of a user's own photographs and label maps, asked and counted as the published ones are.

Every (photograph, class) pair with a pixel of the class is a query. The folds are the user's; with several,
a fold's train list is its val list, so that a model for fold f can be trained on the classes of the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fsbench.benchmarks.flags import Out, Workers
from fsbench.benchmarks.own.classes import read_classes, read_folds
from fsbench.benchmarks.own.files import find_samples, read_samples
from fsbench.benchmarks.verification import Check, check
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, located, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists, Pair
from fsbench.io.locks import building
from fsbench.plugins import registered

EXAMPLE = "Example: fsbench build folder --images photographs --masks masks --classes classes.txt --name mine"


def build(
    images: Annotated[Path, typer.Option(help="The folder of photographs, with sub-folders or without.")],
    masks: Annotated[Path, typer.Option(help="The folder of label maps: a PNG of the same name per photograph.")],
    classes: Annotated[Path, typer.Option(help="A text file with a class a line; the first has the label value 1.")],
    folds: Annotated[
        Path | None, typer.Option(help="A text file of lines 'class, tab, fold'. Default: one fold, all.")
    ] = None,
    out: Out = None,
    name: Annotated[
        str | None, typer.Option(help="The benchmark's name, a-z 0-9 . _ -. Default: that of the images folder.")
    ] = None,
    workers: Workers = None,
) -> Benchmark:
    """Build a benchmark of your own photographs and masks, for the same protocols as the published ones.

    Raises FsbenchError for a class or fold file that cannot be used, a name that is taken, a class with fewer than two
    photographs, and one for all faults of the files: a mask or a photograph that is missing, of another size, broken,
    no label map, with a value that is no class, or with a name that cannot be an id.
    """
    named = read_classes(classes)
    in_folds = read_folds(folds, named)
    name = _checked_name(images.resolve().name if name is None else name)
    one, other = images.resolve(), masks.resolve()
    if one == other or one in other.parents or other in one.parents:  # a mask would be taken for a photograph
        raise FsbenchError(
            f"{masks}: --masks and --images must be separate folders, not one inside the other: move one"
        )
    found, faults = find_samples(images, masks)
    if not found and not faults:
        raise FsbenchError(f"{images}: holds no photograph (.jpg, .png, …): give the right folder with --images")
    roots = {"root": images, "masks": masks}
    with building(home() / name if out is None else out) as out:
        read = read_samples(found, partial(located, roots), len(named), workers)
        replace(read, faults=(*faults, *read.faults)).check(images, "mend the files and build again")
        lists = _lists(name, named, in_folds, read.area)
        photographs = Counter(class_id for _, class_id in read.area)
        few = [c for c in named if photographs[c.id] < 2]
        if few:
            raise FsbenchError(
                f"{classes}: {len(few)} of {len(named)} classes have fewer than 2 photographs, first {few[0].key!r} "
                f"(label value {few[0].id + 1}, {photographs[few[0].id]}): 1-shot needs another one besides the query: "
                "add photographs, or take the class out of file and masks"
            )
        return write_benchmark(
            out,
            lists=lists,
            roots=roots,
            mask_format="label-map",
            samples=read.samples,
            area=read.area,
            masks_digest=read.masks_digest,
            partial=False,
            builder="folder",
        )


def verify(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """Photographs and masks are readable; lists, decoded masks and areas are what the masks give."""
    lists = benchmark.lists
    samples = list(benchmark.samples.values())
    read = read_samples(samples, benchmark.path, len(lists.classes), workers)
    yield check("samples readable", read.faults, f"{len(read.samples)} photographs with masks")
    rebuilt = _lists(lists.name, lists.classes, lists.folds, read.area)
    differ = [
        f"{fold}: {sample} {lists.classes[class_id].key}"
        for fold in lists.folds
        for sample, class_id in sorted(set(rebuilt.val[fold]) ^ set(lists.val[fold]))
    ]
    if not differ and rebuilt != lists:
        differ = ["order, folds or train lists are not those of this builder"]
    pairs = sum(len(of_fold) for of_fold in lists.val.values())
    yield check("rebuilt lists", differ, f"{pairs} pairs, from {len(read.samples)} masks")
    yield from read.compare_masks(benchmark)


def _lists(
    name: str, classes: tuple[ClassName, ...], folds: Mapping[str, tuple[int, ...]], area: Mapping[Pair, int]
) -> FoldLists:
    """Every pair with a pixel, by (sample, class). A single fold has no train lists: its classes are all tested."""
    pairs = sorted(area)
    val = {fold: tuple(pair for pair in pairs if pair[1] in ids) for fold, ids in folds.items()}
    return FoldLists(
        name=name,
        title=name,
        partition="own folds" if len(folds) > 1 else "one fold",
        mask_rule="label-map",
        classes=classes,
        folds=folds,
        val=val,
        train={"all": val} if len(folds) > 1 else {},
    )


def _checked_name(name: str) -> str:
    taken = {*registered("benchmarks"), *(known for protocol in PROTOCOLS.values() for known in protocol.rules)}
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,79}", name) or ".." in name:
        raise FsbenchError(
            f"{name!r} cannot be a benchmark's name: give one of a-z 0-9 . _ - that starts with a letter or digit, "
            "with --name"
        )
    if name in taken:
        raise FsbenchError(f"{name!r} is the name of another benchmark: give your own with --name")
    return name
