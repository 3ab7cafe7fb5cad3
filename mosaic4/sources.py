"""Reads what a recipe is made of: every photograph and mask, checked in full before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fsbench.benchmark import Sample
from fsbench.benchmarks.class_folders import ClassFolders, Wanted, read_samples
from fsbench.errors import FsbenchError
from fsbench.images import read_image
from fsbench.parallel import in_threads
from mosaic4.compose import TILE, Size
from mosaic4.recipe import Recipe, class_of


def read_sources(
    root: Path, recipe: Recipe, workers: int | None = None, *, tile: Size | None = TILE
) -> tuple[Sample, ...]:
    """The recipe's samples in sample order, with sizes and hashes of their files; class ids by byte order.

    Every photograph and every mask is decoded. Raises one FsbenchError that lists what is wrong: missing or unreadable
    files, a photograph that is not ``tile`` (None: not as large as the first one), a mask of another size than its
    photograph, without foreground, or of values 0 and 1 only.
    """
    ids = {key: class_id for class_id, key in enumerate(recipe.classes)}
    wanted = [Wanted(sample, ids[class_of(sample)]) for sample in recipe.samples]
    read = read_samples(root, wanted, workers, size=tile)
    bad = _pixel_faults(root, read.samples, workers)
    if tile is None and read.samples:
        bad |= _size_faults(root, read.samples)
    good = tuple(sample for sample in read.samples if sample.id not in bad)
    ClassFolders(good, read.area, read.masks_digest, (*read.faults, *bad.values())).check(
        root, "mend the files, or give --root the folder that holds the class folders"
    )
    return read.samples


def _pixel_faults(root: Path, samples: Sequence[Sample], workers: int | None) -> dict[str, str]:
    """Sample id -> a line, for each photograph whose header is fine and whose pixels are not."""

    def fault(sample: Sample) -> str | None:
        try:
            read_image(root / f"{sample.id}.jpg")
        except FsbenchError as error:
            return str(error)
        return None

    found = zip(samples, in_threads(fault, samples, workers, "photographs"), strict=True)
    return {sample.id: said for sample, said in found if said}


def _size_faults(root: Path, samples: Sequence[Sample]) -> dict[str, str]:
    first = samples[0]
    expected = f"expected {first.height} x {first.width} as {first.id} is"
    return {
        sample.id: f"{root / sample.id}.jpg is {sample.height} x {sample.width}, {expected}"
        for sample in samples
        if (sample.height, sample.width) != (first.height, first.width)
    }
