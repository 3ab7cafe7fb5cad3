"""Reads trees in the layout of FSS-1000: ``<class>/<n>.jpg`` with its mask ``<class>/<n>.png``, n = 1..10.

A mask is 8-bit grey, and 128 or more is the class. A fault is a missing or unreadable file, a mask of another size than
its photograph, a mask with no foreground, and a mask whose values are only 0 and 1 (some copies of FSS-1000 have
these). The file in place of a mask that the release lacks (``lists.WITHOUT_MASK``) may be any image. Other files, such
as the stray ``.jpeg`` ones of FSS-1000, are ignored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fsbench.benchmarks.fss.lists import WITHOUT_MASK
from fsbench.benchmarks.reading import ReadSample, ReadSamples, read_each
from fsbench.benchmarks.verification import Check, check
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, Sample
from fsbench.index.fold_lists import Pair, check_sample_id
from fsbench.io.images import read_file, read_grey, read_photograph
from fsbench.io.resize import resize_nearest

PER_CLASS = 10
FOREGROUND = 128
"""The grey value from which a pixel of a mask is the class."""


class Wanted(NamedTuple):
    """A sample to be read. ``optional``: its files may be missing; the sample is then not present."""

    sample: str
    class_id: int
    split: str = "val"
    optional: bool = False


def sample_ids(class_key: str) -> list[str]:
    """``class/1`` … ``class/10``."""
    return [check_sample_id(f"{class_key}/{n}") for n in range(1, PER_CLASS + 1)]


def class_pairs(classes: Sequence[str], ids: Iterable[int]) -> tuple[Pair, ...]:
    """The pairs of all samples of the classes ``ids``; class id: place in ``classes``."""
    return tuple((sample, class_id) for class_id in ids for sample in sample_ids(classes[class_id]))


def read_class_folders(root: Path, classes: Sequence[str], workers: int | None = None) -> ReadSamples:
    """Index the tree of ``classes`` (class id: place in ``classes``); raises FsbenchError listing what is wrong."""
    tree = read_samples(root, [Wanted(*pair) for pair in class_pairs(classes, range(len(classes)))], workers)
    tree.check(root, "mend the files, or give --root the folder that holds the class folders")
    return tree


def read_samples(root: Path, wanted: Sequence[Wanted], workers: int | None = None) -> ReadSamples:
    """Index ``wanted`` in its order; the digest is over masks of 0 and 1."""
    return read_each(lambda item: _read(root, item), wanted, workers)


def verify_class_folders(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """Masks and areas are what they were when the benchmark was built from its tree."""
    class_of = {sample: class_id for pairs in benchmark.lists.lists().values() for sample, class_id in pairs}
    wanted = [
        Wanted(sample.id, class_of[sample.id], sample.split)
        for sample in benchmark.samples.values()
        if sample.present and sample.id in class_of
    ]
    tree = read_samples(benchmark.roots["root"], wanted, workers)
    yield check("samples readable", tree.faults, f"{len(tree.samples)} photographs with masks")
    yield from tree.compare_masks(benchmark)


def _read(root: Path, item: Wanted) -> ReadSample:
    image, mask = root / f"{item.sample}.jpg", root / f"{item.sample}.png"
    missing = [path for path in (image, mask) if not path.is_file()]
    if missing and item.optional:
        return ReadSample(Sample(item.sample, item.split, 0, 0, None, None, None, None))
    if missing:
        raise FsbenchError(f"{missing[0]} is missing")
    height, width, image_sha256 = read_photograph(image)
    mask_bytes = read_file(mask)
    foreground = read_grey(mask, mask_bytes) >= FOREGROUND
    if item.sample not in WITHOUT_MASK:
        _check_mask(mask, mask_bytes, foreground, (height, width))
    sample = Sample(
        id=item.sample,
        split=item.split,
        height=height,
        width=width,
        image=f"root:{item.sample}.jpg",
        mask=f"root:{item.sample}.png",
        image_sha256=image_sha256,
        mask_sha256=hashlib.sha256(mask_bytes).hexdigest(),
    )
    area = int(np.count_nonzero(resize_nearest(foreground, (height, width))))
    return ReadSample(sample, foreground, {item.class_id: area})


def _check_mask(path: Path, data: bytes, foreground: npt.NDArray[np.bool_], size: tuple[int, int]) -> None:
    """Raise FsbenchError for a mask of another size than its photograph's, and for one with no foreground."""
    if foreground.shape != size:
        height, width = foreground.shape
        raise FsbenchError(f"{path} is {height} x {width}, its photograph {size[0]} x {size[1]}")
    if not foreground.any():
        binary = read_grey(path, data).max() == 1
        only = "holds only 0 and 1, expected 0 and 255" if binary else f"has no foreground ({FOREGROUND} or more)"
        raise FsbenchError(f"{path} {only}")
