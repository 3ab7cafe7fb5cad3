"""Builds of a few samples, for processes that are killed: nothing is imported here that reads the published lists."""

from __future__ import annotations

from fsbench.index.fold_lists import Pair


def cut_lists(voc: list[str], coco: list[Pair]) -> None:
    """Cut the published lists to the given samples, and toy to two samples of two classes: a build takes a moment."""
    from fsbench.benchmarks.coco import lists as coco_lists
    from fsbench.benchmarks.fss import class_folders
    from fsbench.benchmarks.pascal import lists as pascal_lists
    from fsbench.benchmarks.toy import build as toy_build

    table = pascal_lists._table
    pascal_lists._table = lambda: tuple(row for row in table() if row[0] in voc)  # type: ignore[assignment]
    by_class = {c: tuple(pair for pair in coco if pair[1] == c) for c in range(len(coco_lists.CLASSES))}
    coco_lists._pairs_by_class = lambda split: by_class if split == "val" else dict.fromkeys(by_class, ())
    coco_lists.image_order = lambda split: tuple(dict(coco)) if split == "val" else ()
    class_folders.PER_CLASS = 2
    toy_build.FOLDS = {fold: toy_build.FOLDS[fold][:1] for fold in "01"}
    toy_build.CLASS_NAMES = tuple(sorted(name for names in toy_build.FOLDS.values() for name in names))
