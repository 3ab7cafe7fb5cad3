"""A benchmark of a few kilobytes, drawn in a moment: real files of random pixels that are the same at every call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fsbench.benchmarks.fss.class_folders import read_class_folders, sample_ids
from fsbench.index.benchmark import Benchmark, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists, Pair


def small_lists(classes: int = 8, folds: int = 4) -> FoldLists:
    """Classes ``thing_00`` ("thing 00"), …, dealt out in blocks; a fold's lists hold all 10 samples of its classes."""
    each = -(-classes // folds)
    keys = [f"thing_{n:02d}" for n in range(classes)]
    in_fold = {str(fold): tuple(range(classes))[fold * each : (fold + 1) * each] for fold in range(folds)}
    pairs: dict[str, tuple[Pair, ...]] = {
        fold: tuple((sample, class_id) for class_id in ids for sample in sample_ids(keys[class_id]))
        for fold, ids in in_fold.items()
    }
    return FoldLists(
        name="tiny",
        title="tiny",
        partition="blocks",
        mask_rule="grey-128",
        classes=tuple(ClassName(class_id, key, key.replace("_", " ")) for class_id, key in enumerate(keys)),
        folds=in_fold,
        val=pairs,
        train={"all": pairs},
    )


def small_benchmark(folder: Path, classes: int = 8, folds: int = 4, size: tuple[int, int] = (24, 32)) -> Benchmark:
    """Write raw files to ``folder/raw`` and the index to ``folder/index``; 10 samples a class of ``size`` (h, w).

    A photograph is noise, brighter in the class's own colour inside a rectangle, which is the mask; no two masks are
    equal.
    """
    lists = small_lists(classes, folds)
    random = np.random.RandomState(20)
    taken: set[bytes] = set()
    for c in lists.classes:
        (folder / "raw" / c.key).mkdir(parents=True)
        colour = random.randint(0, 128, 3)
        for sample in sample_ids(c.key):
            mask = _rectangle(random, size)
            while mask.tobytes() in taken:
                mask = _rectangle(random, size)
            taken.add(mask.tobytes())
            pixels = random.randint(0, 128, (*size, 3)) + colour * (mask[..., None] > 0)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "raw" / f"{sample}.jpg", quality=95)
            Image.fromarray(mask).save(folder / "raw" / f"{sample}.png")
    tree = read_class_folders(folder / "raw", [c.key for c in lists.classes], workers=2)
    return write_benchmark(
        folder / "index",
        lists=lists,
        roots={"root": folder / "raw"},
        mask_format="grey-128",
        samples=tree.samples,
        area=tree.area,
        masks_digest=tree.masks_digest,
        partial=False,
    )


def _rectangle(random: np.random.RandomState, size: tuple[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    (top, bottom), (left, right) = (np.sort(random.choice(side + 1, 2, replace=False)) for side in size)
    mask = np.zeros(size, dtype=np.uint8)
    mask[top:bottom, left:right] = 255
    return mask
