"""FSS-1000 from its class folders: the 240 official test classes in one fold, and the 760 others to train on.

Photographs have their own sizes (six of the test set are not 224 x 224) and are compared at them. The only release has
no mask of ``peregine_falcon/8``: it stays in the lists, our own protocols leave it out, and ``hsnet`` and ``lseg`` read
the file in the mask's place as their code did.

``--classes`` builds a benchmark of the user's own from any tree in the same layout. It is asked the same questions
and has its own name and title: it is not FSS-1000.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from fsbench.benchmarks.fss.class_folders import PER_CLASS, Wanted, read_samples, sample_ids, verify_class_folders
from fsbench.benchmarks.fss.lists import PUBLISHED_SHA256, WITHOUT_MASK, all_keys, class_ids, published_text
from fsbench.benchmarks.fss.names import plain_name
from fsbench.benchmarks.name_files import check_folder_name, read_names
from fsbench.benchmarks.verification import Check, check
from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists, Pair
from fsbench.io.files import sha256_text
from fsbench.io.locks import building

EXAMPLE = "Example: fsbench build fss-1000 --root FSS-1000"

NAME = "fss-1000"
OWN_NAME = "fss-1000-classes"
FOLD = "test"


@cache
def published_lists() -> FoldLists:
    """Classes and lists, known with no data: the fold ``test``, and the train variants ``train`` and ``val``.

    Class ids: train 0..519, val 520..759, test 760..999, each by its place in its byte-sorted list. The variant ``val``
    holds FSS-1000's validation classes: they are never tested.
    """
    keys = all_keys()
    val = {FOLD: _pairs(keys, class_ids("test"))}
    return FoldLists(
        name=NAME,
        title="FSS-1000",
        partition="official test classes",
        mask_rule="grey-128",
        classes=_classes(keys),
        folds={FOLD: class_ids("test")},
        val=val,
        train={"train": {FOLD: _pairs(keys, class_ids("train"))}, "val": {FOLD: _pairs(keys, class_ids("val"))}},
        without_mask=_without_mask(val[FOLD]),
    )


def own_lists(names: Sequence[str]) -> FoldLists:
    """Classes and lists of the user's own classes in the same layout; ids go by byte order."""
    keys = sorted(names, key=str.encode)
    ids = range(len(keys))
    val = {FOLD: _pairs(keys, ids)}
    return FoldLists(
        name=OWN_NAME,
        title=f"FSS-1000 layout [{len(keys)} own {'class' if len(keys) == 1 else 'classes'}]",
        partition="own classes",
        mask_rule="grey-128",
        classes=_classes(keys),
        folds={FOLD: tuple(ids)},
        val=val,
        train={},
        without_mask=_without_mask(val[FOLD]),
    )


def _classes(keys: Sequence[str]) -> tuple[ClassName, ...]:
    return tuple(ClassName(class_id, key, plain_name(key)) for class_id, key in enumerate(keys))


def _pairs(keys: Sequence[str], ids: Sequence[int]) -> tuple[Pair, ...]:
    return tuple((sample, class_id) for class_id in ids for sample in sample_ids(keys[class_id]))


def _without_mask(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(sample for sample, _ in pairs if sample in WITHOUT_MASK)


def find_root(root: Path) -> Path:
    """The folder that holds the class folders: given itself, or the ``fewshot_data`` (once or twice) in it.

    Raises FsbenchError where it is none of these.
    """
    for folder in (root, root / "fewshot_data", root / "fewshot_data" / "fewshot_data"):
        if next(folder.glob("*/[1-9].png"), None):
            return folder
    raise FsbenchError(
        f"{root}: holds no class folders: expected CLASS/1.jpg with its mask CLASS/1.png, up to 10: give the folder "
        "of FSS-1000 in which abacus lies"
    )


def build(
    root: Annotated[Path, typer.Option(help="The folder that holds the class folders.")],
    out: Annotated[
        Path | None, typer.Option(help="The benchmark folder. Default: its name under FSBENCH_HOME.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Test these classes instead, one a line: your own data in the same layout.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Build from what is at hand; the benchmark says that it is partial.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Reading threads.")] = None,
) -> Benchmark:
    """Build FSS-1000 from its class folders: the 240 test classes, and of the 760 others what is at hand.

    All ten samples of every tested class must be there (unless ``partial``). Another class may be missing as a whole:
    it is only trained on. Raises one FsbenchError for all that is missing and for every fault that ``class_folders``
    knows.
    """
    lists = published_lists() if classes is None else own_lists(read_names(classes, "class file", check_folder_name))
    tree_root = find_root(root)
    there = {c.key for c in lists.classes if (tree_root / c.key).is_dir()}
    tested = [lists.classes[class_id].key for class_id in lists.folds[FOLD]]
    absent = [] if partial else [key for key in tested if key not in there]
    wanted = [
        Wanted(sample, class_id, "val" if name.startswith("val-") else "train", partial or _key(sample) not in there)
        for name, pairs in lists.lists().items()
        for sample, class_id in pairs
    ]
    first = f"{', '.join(absent[:3])}{', …' if len(absent) > 3 else ''}"
    mend = "mend the files" + ("" if partial else ", add what is missing, or build from what is at hand with --partial")
    with building(home() / lists.name if out is None else out) as out:
        tree = read_samples(tree_root, wanted, workers)
        tree.check(
            root,
            mend,
            missing=f"{len(absent)} of {len(tested)} tested classes have no folder ({first})" if absent else "",
        )
        test = [sample for sample in tree.samples if sample.split == "val"]
        if not any(sample.present for sample in test):
            raise FsbenchError(f"{root}: not one sample of the {len(tested)} tested classes is there: check --root")
        return write_benchmark(
            out,
            lists=lists,
            roots={"root": tree_root},
            mask_format="grey-128",
            samples=tree.samples,
            area=tree.area,
            masks_digest=tree.masks_digest,
            partial=not all(sample.present for sample in test),
            builder=NAME,
        )


def verify(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """The published lists, by SHA-256; photographs, masks and areas as they were built."""
    lists = benchmark.lists
    if lists.name == NAME:
        wrong = [name for name, digest in PUBLISHED_SHA256.items() if sha256_text(published_text(name)) != digest]
        faults = [f"the shipped {name} list is altered" for name in wrong]
        faults += [] if lists == published_lists() else ["its classes or lists are not those of FSS-1000"]
        yield check("published lists", faults, "train, val and test equal to the published ones, by SHA-256")
    else:
        same = lists == own_lists([c.key for c in lists.classes])
        faults = [] if same else [f"its lists are not {PER_CLASS} samples of each class, in byte order"]
        yield check("own lists", faults, f"{PER_CLASS} samples of each of {len(lists.classes)} own classes")
    yield from _left_out(benchmark)
    yield from verify_class_folders(benchmark, workers)


def _left_out(benchmark: Benchmark) -> Iterator[Check]:
    """Names the samples that our own protocols leave out; nothing where there are none."""
    lists = benchmark.lists
    if lists.without_mask:
        asked = len(lists.val[FOLD]) - len(lists.without_mask)
        said = f"{', '.join(lists.without_mask)}: the release has no mask of it: fsbench-v1 asks the other {asked}"
        yield check("left out", [], f"{said}; hsnet and lseg keep it, as their code read it")


def _key(sample: str) -> str:
    return sample.rpartition("/")[0]
