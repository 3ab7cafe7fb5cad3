"""FSS-1000 from its class folders: the 240 official test classes in one fold, and the 760 others to train on.

Photographs have their own sizes (six of the test set are not 224 x 224) and are compared at them. The only release has
no mask of ``peregine_falcon/8``: it stays in the lists, our own protocols leave it out, and ``hsnet`` and ``lseg`` read
the file in the mask's place as their code did.

``--classes`` builds a benchmark of the user's own from any tree in the same layout. It is asked the same questions
and has its own name and title: it is not FSS-1000.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from fsbench.benchmarks.flags import Out, Partial, Workers
from fsbench.benchmarks.fss.class_folders import PER_CLASS, Wanted, class_pairs, read_samples, verify_class_folders
from fsbench.benchmarks.fss.lists import PUBLISHED_SHA256, WITHOUT_MASK, all_keys, class_ids, published_text
from fsbench.benchmarks.fss.names import plain_name
from fsbench.benchmarks.name_files import check_folder_name, read_names
from fsbench.benchmarks.verification import Check, check
from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists
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
    train = {"train": class_ids("train"), "val": class_ids("val")}
    return _lists(NAME, "FSS-1000", "official test classes", all_keys(), class_ids("test"), train)


def own_lists(names: Sequence[str]) -> FoldLists:
    """Classes and lists of the user's own classes in the same layout; ids go by byte order."""
    keys = sorted(names, key=str.encode)
    title = f"FSS-1000 layout [{len(keys)} own {'class' if len(keys) == 1 else 'classes'}]"
    return _lists(OWN_NAME, title, "own classes", keys, tuple(range(len(keys))), {})


def _lists(
    name: str,
    title: str,
    partition: str,
    keys: Sequence[str],
    tested: tuple[int, ...],
    train: Mapping[str, tuple[int, ...]],
) -> FoldLists:
    val = class_pairs(keys, tested)
    return FoldLists(
        name=name,
        title=title,
        partition=partition,
        mask_rule="grey-128",
        classes=tuple(ClassName(class_id, key, plain_name(key)) for class_id, key in enumerate(keys)),
        folds={FOLD: tested},
        val={FOLD: val},
        train={variant: {FOLD: class_pairs(keys, ids)} for variant, ids in train.items()},
        without_mask=tuple(sample for sample, _ in val if sample in WITHOUT_MASK),
    )


def find_root(root: Path) -> Path:
    """The folder that holds the class folders: given itself, or the ``fewshot_data`` (once or twice) in it.

    Raises FsbenchError where it is none of these.
    """
    for folder in (root, root / "fewshot_data", root / "fewshot_data" / "fewshot_data"):
        if next(folder.glob("*/[1-9].png"), None):
            return folder
    raise FsbenchError(
        f"{root}: holds no class folders: expected CLASS/1.jpg with its mask CLASS/1.png, up to 10: give the folder "
        "of FSS-1000 that contains abacus"
    )


def build(
    root: Annotated[Path, typer.Option(help="The folder that holds the class folders.")],
    out: Out = None,
    classes: Annotated[
        Path | None, typer.Option(help="Test these classes instead, one a line: your own data in the same layout.")
    ] = None,
    partial: Partial = False,
    workers: Workers = None,
) -> Benchmark:
    """Build FSS-1000 from its class folders: the 240 test classes, and those of the 760 others that are present.

    All ten samples of every tested class must be present (unless ``partial``). Another class may be missing as a whole:
    it is only trained on. Raises one FsbenchError for all that is missing and for every fault that ``class_folders``
    knows.
    """
    lists = published_lists() if classes is None else own_lists(read_names(classes, "class file", check_folder_name))
    tree_root = find_root(root)
    present = {c.key for c in lists.classes if (tree_root / c.key).is_dir()}
    tested = [lists.classes[class_id].key for class_id in lists.folds[FOLD]]
    absent = [] if partial else [key for key in tested if key not in present]
    wanted = [
        Wanted(
            sample,
            class_id,
            "val" if name.startswith("val-") else "train",
            optional=partial or lists.classes[class_id].key not in present,
        )
        for name, pairs in lists.lists().items()
        for sample, class_id in pairs
    ]
    first = f"{', '.join(absent[:3])}{', …' if len(absent) > 3 else ''}"
    missing = f"{len(absent)} of {len(tested)} tested classes have no folder ({first})" if absent else ""
    remedy = "mend the files" + (
        "" if partial else ", add what is missing, or build from what is present with --partial"
    )
    with building(home() / lists.name if out is None else out) as out:
        tree = read_samples(tree_root, wanted, workers)
        tree.check(root, remedy, missing=missing)
        test = [sample for sample in tree.samples if sample.split == "val"]
        if not any(sample.present for sample in test):
            raise FsbenchError(f"{root}: not one sample of the {len(tested)} tested classes is present: check --root")
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
    if lists.without_mask:
        asked = len(lists.val[FOLD]) - len(lists.without_mask)
        names = ", ".join(lists.without_mask)
        remark = f"{names}: the release has no mask of it: fsbench-v1 asks the other {asked}"
        yield check("left out", [], f"{remark}; hsnet and lseg keep it, as their code read it")
    yield from verify_class_folders(benchmark, workers)
