"""Reads trees in the layout of FSS-1000: ``<class>/<n>.jpg`` with its mask ``<class>/<n>.png``, n = 1..10.

A mask is 8-bit grey, and 128 or more is the class. Everything that is wrong with a tree is listed in one error
before anything is written: a missing or unreadable file, a mask of another size than its photograph, a mask with no
foreground, and a mask whose values are only 0 and 1 (some copies of FSS-1000 have these). Only what stands in the place
of a mask that the release lacks (``fss_lists.WITHOUT_MASK``) may be any image. Other files, such as the stray ``.jpeg``
ones of FSS-1000, are no samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fsbench.benchmarks.fss.lists import WITHOUT_MASK
from fsbench.benchmarks.verification import Check, areas_check, check
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, Sample
from fsbench.index.fold_lists import Pair, check_sample_id
from fsbench.io.images import read_file, read_grey
from fsbench.io.photographs import read_photograph
from fsbench.io.resize import resize_nearest
from fsbench.parallel import in_threads

PER_CLASS = 10
FOREGROUND = 128
"""The grey value from which a pixel of a mask is the class."""
SHOWN = 5


class Wanted(NamedTuple):
    """A sample to be read. ``optional``: it is no fault if its files are missing; the sample is not at hand then."""

    sample: str
    class_id: int
    split: str = "val"
    optional: bool = False


@dataclass(frozen=True)
class ClassFolders:
    """What is in a tree: samples by class and number, area per pair, digest of the masks, and a line per fault."""

    samples: tuple[Sample, ...]
    area: dict[Pair, int]
    masks_digest: str
    faults: tuple[str, ...] = ()

    def check(self, root: Path, remedy: str, *, missing: str = "") -> None:
        """Raise one FsbenchError for all faults, of which it names the first ones.

        ``missing``: what else is wrong, said first.
        """
        said = [missing] if missing else []
        if self.faults:
            wanted = len(self.faults) + len(self.samples)
            more = f"; and {len(self.faults) - SHOWN} more" if len(self.faults) > SHOWN else ""
            first = "; ".join(self.faults[:SHOWN])
            said.append(f"{len(self.faults)} of {wanted} samples cannot be used: {first}{more}")
        if said:
            raise FsbenchError(f"{root}: {'; and '.join(said)}: {remedy}")


@dataclass(frozen=True)
class _Read:
    sample: Sample
    class_id: int
    area: int
    mask_bytes: bytes


def sample_ids(class_key: str) -> list[str]:
    """``class/1`` … ``class/10``."""
    return [check_sample_id(f"{class_key}/{n}") for n in range(1, PER_CLASS + 1)]


def read_class_folders(root: Path, classes: Sequence[str], workers: int | None = None) -> ClassFolders:
    """Index the tree of ``classes`` (class id: place in ``classes``); raises FsbenchError listing what is wrong."""
    wanted = [Wanted(sample, class_id) for class_id, key in enumerate(classes) for sample in sample_ids(key)]
    tree = read_samples(root, wanted, workers)
    tree.check(root, "mend the files, or give --root the folder that holds the class folders")
    return tree


def read_samples(root: Path, wanted: Sequence[Wanted], workers: int | None = None) -> ClassFolders:
    """Index ``wanted`` in its order; what is wrong with a sample is a line in ``faults``.

    The digest is over the masks at hand: a line ``sample height width`` each, then a byte 0 or 1 per pixel.
    """

    def read(item: Wanted) -> _Read | Sample | str:
        try:
            return _read(root, item)
        except FsbenchError as error:
            return str(error)

    digest = hashlib.sha256()
    samples: list[Sample] = []
    area: dict[Pair, int] = {}
    faults: list[str] = []
    for entry in in_threads(read, wanted, workers, "samples"):
        if isinstance(entry, str):
            faults.append(entry)
            continue
        if isinstance(entry, _Read):
            digest.update(entry.mask_bytes)
            area[entry.sample.id, entry.class_id] = entry.area
            entry = entry.sample
        samples.append(entry)
    return ClassFolders(tuple(samples), area, digest.hexdigest(), tuple(faults))


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
    same = tree.masks_digest == benchmark.digests.masks
    said = f"masks give {tree.masks_digest[:12]}…, not {benchmark.digests.masks[:12]}…"
    yield check("masks", [] if same else [said], f"{len(tree.samples)} decoded masks, digest {tree.masks_digest[:12]}…")
    yield areas_check(benchmark, tree.area, frozenset(sample.id for sample in tree.samples))


def _read(root: Path, item: Wanted) -> _Read | Sample:
    image, mask = root / f"{item.sample}.jpg", root / f"{item.sample}.png"
    missing = [path for path in (image, mask) if not path.is_file()]
    if missing and item.optional:
        return Sample(item.sample, item.split, 0, 0, None, None, None, None)
    if missing:
        raise FsbenchError(f"{missing[0]} is missing")
    height, width, image_sha256 = read_photograph(image)
    mask_bytes = read_file(mask)
    foreground = read_grey(mask, mask_bytes) >= FOREGROUND
    if item.sample not in WITHOUT_MASK:
        _check_mask(mask, mask_bytes, foreground, (height, width))
    area = int(np.count_nonzero(resize_nearest(foreground, (height, width))))
    entry = Sample(
        id=item.sample,
        split=item.split,
        height=height,
        width=width,
        image=f"root:{item.sample}.jpg",
        mask=f"root:{item.sample}.png",
        image_sha256=image_sha256,
        mask_sha256=hashlib.sha256(mask_bytes).hexdigest(),
    )
    head = f"{item.sample} {foreground.shape[0]} {foreground.shape[1]}\n".encode()
    return _Read(entry, item.class_id, area, head + foreground.tobytes())


def _check_mask(path: Path, data: bytes, foreground: npt.NDArray[np.bool_], size: tuple[int, int]) -> None:
    """Raise FsbenchError for a mask of another size than its photograph's, and for one with no foreground."""
    if foreground.shape != size:
        height, width = foreground.shape
        raise FsbenchError(f"{path} is {height} x {width}, its photograph {size[0]} x {size[1]}")
    if not foreground.any():
        binary = read_grey(path, data).max() == 1
        only = "holds only 0 and 1, expected 0 and 255" if binary else f"has no foreground ({FOREGROUND} or more)"
        raise FsbenchError(f"{path} {only}")
