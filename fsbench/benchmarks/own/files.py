"""Finds and reads a user's own photographs and label maps; what is wrong with a file is a line, not an error.

A photograph ``a/b.jpg`` has the id ``a/b`` and the mask ``a/b.png``. In a mask, value v is the v-th class, 0 is
background, 255 is void.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fsbench.benchmarks.reading import ReadSample, ReadSamples, read_each
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Sample
from fsbench.index.fold_lists import check_sample_id
from fsbench.index.truths import VOID
from fsbench.io.files import sha256_file
from fsbench.io.images import read_indices, read_photograph

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MASKS = (".png",)


def find_samples(images: Path, masks: Path) -> tuple[list[Sample], list[str]]:
    """The samples by id, without sizes and hashes, and a line for every file that has no counterpart.

    Hidden files and files of other kinds are ignored. Raises FsbenchError for a path that is no folder.
    """
    photographs, label_maps = _files(images, PHOTOGRAPHS, "--images"), _files(masks, MASKS, "--masks")
    found, faults = [], []
    for sample in sorted(photographs.keys() | label_maps.keys()):
        its_images, its_masks = photographs.get(sample, []), label_maps.get(sample, [])
        try:
            check_sample_id(sample)
        except FsbenchError as error:
            faults.append(str(error))
            continue
        if not sample.isprintable():
            faults.append(f"sample id {sample!r} holds signs that cannot be printed: rename the file")
        elif not its_images:
            faults.append(f"{masks / its_masks[0]} is a mask without a photograph")
        elif not its_masks:
            faults.append(f"{images / its_images[0]} has no mask {masks / sample}.png")
        elif len(its_images) > 1 or len(its_masks) > 1:
            same = its_images if len(its_images) > 1 else its_masks
            faults.append(f"{' and '.join(same)} have the same id {sample!r}")
        else:
            found.append(Sample(sample, "val", 0, 0, f"root:{its_images[0]}", f"masks:{its_masks[0]}", None, None))
    return found, faults


def _files(folder: Path, suffixes: Sequence[str], flag: str) -> dict[str, list[str]]:
    """Id -> relative paths of the files of these kinds."""
    if not folder.is_dir():
        raise FsbenchError(f"{folder}: is not a folder: give an existing one with {flag}")

    def refuse(error: OSError) -> None:
        raise FsbenchError(f"{error.filename}: cannot be read ({error.strerror}): mend its permissions") from error

    found: dict[str, list[str]] = {}
    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(names):
            path = Path(where, name).relative_to(folder)
            if path.suffix.lower() in suffixes and not name.startswith("."):
                found.setdefault(path.with_suffix("").as_posix(), []).append(path.as_posix())
    return found


def read_samples(
    samples: Sequence[Sample], locate: Callable[[str], Path], classes: int, workers: int | None
) -> ReadSamples:
    """Read the photographs and label maps of ``samples``, in order, and fill in their sizes and hashes.

    ``locate``: reference -> file; ``classes``: their number. Two samples with one photograph are a fault.
    """
    known = np.zeros(256, bool)
    known[[*range(classes + 1), VOID]] = True

    def read(sample: Sample) -> ReadSample:
        assert sample.image is not None
        assert sample.mask is not None
        image, mask = locate(sample.image), locate(sample.mask)
        label_map = read_indices(mask)
        photograph = read_photograph(image)
        height, width = label_map.shape
        if (height, width) != photograph[:2]:
            raise FsbenchError(f"{mask} is {height} x {width}, its photograph {photograph.height} x {photograph.width}")
        pixels = np.bincount(label_map.reshape(-1), minlength=256)
        unknown = np.flatnonzero((pixels > 0) & ~known)
        if len(unknown):
            raise FsbenchError(
                f"{mask} holds the value {unknown[0]}, but the classes are 1 to {classes} (0 and 255 aside)"
            )
        entry = replace(
            sample, height=height, width=width, image_sha256=photograph.sha256, mask_sha256=sha256_file(mask)
        )
        return ReadSample(entry, label_map, {c: int(pixels[c + 1]) for c in range(classes) if pixels[c + 1]})

    found = read_each(read, samples, workers)
    first: dict[str | None, str] = {}
    copies = [
        f"{sample.id} is the same photograph as {first[sample.image_sha256]}: a support must not show its query"
        for sample in found.samples
        if first.setdefault(sample.image_sha256, sample.id) != sample.id
    ]
    return replace(found, faults=(*found.faults, *copies))
