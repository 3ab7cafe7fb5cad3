"""Reads trees in the layout of FSS-1000: ``<class>/<n>.jpg`` with its mask ``<class>/<n>.png``, n = 1..10.

A mask is 8-bit grey, and 128 or more is the class. Everything that is wrong with a tree is listed in one error
before anything is written: a missing or unreadable file, a mask of another size than its photograph, a mask with no
foreground, and a mask whose values are only 0 and 1 (some copies of FSS-1000 have these).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsbench.benchmark import Benchmark, Sample
from fsbench.errors import FsbenchError
from fsbench.files import sha256_file
from fsbench.fold_lists import Pair, check_sample_id
from fsbench.images import image_size, read_grey
from fsbench.parallel import in_threads
from fsbench.verification import Check, areas_check, check

PER_CLASS = 10
SHOWN = 5


@dataclass(frozen=True)
class ClassFolders:
    """What is in a tree: samples by class and number, area per pair, digest of the masks, and a line per fault."""

    samples: tuple[Sample, ...]
    area: dict[Pair, int]
    masks_digest: str
    faults: tuple[str, ...] = ()


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
    wanted = [(sample, class_id) for class_id, key in enumerate(classes) for sample in sample_ids(key)]

    tree = _read_all(root, wanted, workers)
    if tree.faults:
        more = f"; and {len(tree.faults) - SHOWN} more" if len(tree.faults) > SHOWN else ""
        raise FsbenchError(
            f"{root}: {len(tree.faults)} of {len(wanted)} samples cannot be used: {'; '.join(tree.faults[:SHOWN])}"
            f"{more}: mend the files, or give --root the folder that holds the class folders"
        )
    return tree


def verify_class_folders(benchmark: Benchmark, workers: int | None = None) -> Iterator[Check]:
    """Masks and areas are what they were when the benchmark was built from its tree."""
    wanted = [pair for pairs in benchmark.lists.val.values() for pair in pairs]
    tree = _read_all(benchmark.roots["root"], sorted(wanted, key=lambda pair: pair[1]), workers)
    yield check("samples readable", tree.faults, f"{len(tree.samples)} photographs with masks")
    same = tree.masks_digest == benchmark.digests.masks
    said = f"masks give {tree.masks_digest[:12]}…, not {benchmark.digests.masks[:12]}…"
    yield check("masks", [] if same else [said], f"{len(tree.samples)} decoded masks, digest {tree.masks_digest[:12]}…")
    yield areas_check(benchmark, tree.area, frozenset(sample.id for sample in tree.samples))


def _read_all(root: Path, wanted: Sequence[Pair], workers: int | None) -> ClassFolders:
    def read(item: Pair) -> _Read | str:
        try:
            return _read(root, *item)
        except FsbenchError as error:
            return str(error)

    digest = hashlib.sha256()
    entries: list[_Read] = []
    faults: list[str] = []
    for entry in in_threads(read, wanted, workers, "masks"):
        if isinstance(entry, str):
            faults.append(entry)
            continue
        digest.update(entry.mask_bytes)
        entries.append(entry)
    return ClassFolders(
        tuple(entry.sample for entry in entries),
        {(entry.sample.id, entry.class_id): entry.area for entry in entries},
        digest.hexdigest(),
        tuple(faults),
    )


def _read(root: Path, sample: str, class_id: int) -> _Read:
    image, mask = root / f"{sample}.jpg", root / f"{sample}.png"
    for path in (image, mask):
        if not path.is_file():
            raise FsbenchError(f"{path} is missing")
    grey = read_grey(mask)
    height, width = image_size(image)
    if grey.shape != (height, width):
        raise FsbenchError(f"{mask} is {grey.shape[0]} x {grey.shape[1]}, its photograph {height} x {width}")
    foreground = grey >= 128
    area = int(np.count_nonzero(foreground))
    if area == 0:
        only = "holds only 0 and 1, expected 0 and 255" if grey.max() == 1 else "has no foreground (128 or more)"
        raise FsbenchError(f"{mask} {only}")
    entry = Sample(
        id=sample,
        split="val",
        height=height,
        width=width,
        image=f"root:{sample}.jpg",
        mask=f"root:{sample}.png",
        image_sha256=sha256_file(image),
        mask_sha256=sha256_file(mask),
    )
    head = f"{sample} {height} {width}\n".encode()
    return _Read(entry, class_id, area, head + foreground.tobytes())
