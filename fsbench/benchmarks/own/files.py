"""Finds and reads a user's own photographs and label maps: which belong together, and what is wrong with them.

A photograph ``a/b.jpg`` has the id ``a/b`` and the mask ``a/b.png``. In a mask, value v is the v-th class, 0 is
background, 255 is void. Nothing is raised for a fault that is found: every one is a line.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Sample
from fsbench.index.fold_lists import Pair, check_sample_id
from fsbench.index.truths import VOID
from fsbench.io.files import sha256_file
from fsbench.io.images import read_indices
from fsbench.io.photographs import read_photograph
from fsbench.parallel import in_threads

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MASKS = (".png",)

LabelMap = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LabelMaps:
    """Label maps read in order: pixels per (sample, class id), digest of the decoded maps, and a line per fault."""

    samples: tuple[Sample, ...]
    area: dict[Pair, int]
    digest: str
    faults: tuple[str, ...]


def find_samples(images: Path, masks: Path) -> tuple[list[Sample], list[str]]:
    """The samples by id, with neither size nor hash so far, and a line for every file that is no half of one.

    Hidden files and files of other kinds are passed over. Raises FsbenchError for a folder that is none.
    """
    photographs, label_maps = _files(images, PHOTOGRAPHS, "--images"), _files(masks, MASKS, "--masks")
    found, faults = [], []
    for sample in sorted(photographs.keys() | label_maps.keys()):
        of_sample, its_masks = photographs.get(sample, []), label_maps.get(sample, [])
        try:
            check_sample_id(sample)
        except FsbenchError as error:
            faults.append(str(error))
            continue
        if not sample.isprintable():
            faults.append(f"sample id {sample!r} holds signs that cannot be printed: rename the file")
        elif not of_sample:
            faults.append(f"{masks / its_masks[0]} is a mask without a photograph")
        elif not its_masks:
            faults.append(f"{images / of_sample[0]} has no mask {masks / sample}.png")
        elif len(of_sample) > 1 or len(its_masks) > 1:
            twice = of_sample if len(of_sample) > 1 else its_masks
            faults.append(f"{' and '.join(twice)} have the same id {sample!r}")
        else:
            found.append(
                Sample(sample, "val", 0, 0, f"root:{of_sample[0]}", f"masks:{its_masks[0]}", None, None),
            )
    return found, faults


def _files(folder: Path, suffixes: Sequence[str], flag: str) -> dict[str, list[str]]:
    """Id -> relative paths of the files of these kinds."""
    if not folder.is_dir():
        raise FsbenchError(f"{folder}: is no folder: give one that is there with {flag}")

    def raising(error: OSError) -> None:
        raise FsbenchError(f"{error.filename}: cannot be read ({error.strerror}): mend its permissions") from error

    found: dict[str, list[str]] = {}
    for where, folders, names in os.walk(folder, onerror=raising):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(names):
            path = Path(where, name).relative_to(folder)
            if path.suffix.lower() in suffixes and not name.startswith("."):
                found.setdefault(path.with_suffix("").as_posix(), []).append(path.as_posix())
    return found


def read_samples(
    samples: Sequence[Sample], locate: Callable[[str], Path], classes: int, workers: int | None
) -> LabelMaps:
    """Read the photographs and label maps of ``samples``, in order, and fill in their sizes and hashes.

    ``locate``: the file that a sample's ``image`` or ``mask`` stands for; ``classes``: how many there are. The digest
    is over a line ``sample height width`` and the pixels of each label map.
    """

    known = np.zeros(256, bool)
    known[[*range(classes + 1), VOID]] = True

    def read(sample: Sample) -> tuple[Sample, LabelMap, npt.NDArray[np.intp]] | str:
        assert sample.image is not None
        assert sample.mask is not None
        image, mask = locate(sample.image), locate(sample.mask)
        try:
            label_map = read_indices(mask)
            photograph = read_photograph(image)
            height, width = label_map.shape
            if (height, width) != photograph[:2]:
                return f"{mask} is {height} x {width}, its photograph {photograph.height} x {photograph.width}"
            pixels = np.bincount(label_map.reshape(-1), minlength=256)
            unknown = np.flatnonzero((pixels > 0) & ~known)
            if len(unknown):
                return f"{mask} holds the value {unknown[0]}, but the classes are 1 to {classes} (0 and 255 aside)"
            mask_sha256 = sha256_file(mask)
        except FsbenchError as error:
            return str(error)
        whole = Sample(
            sample.id, sample.split, height, width, sample.image, sample.mask, photograph.sha256, mask_sha256
        )
        return whole, label_map, pixels[1 : classes + 1]

    whole: list[Sample] = []
    area: dict[Pair, int] = {}
    digest = hashlib.sha256()
    faults: list[str] = []
    shown: dict[str, str] = {}
    for result in in_threads(read, samples, workers, "samples"):
        if isinstance(result, str):
            faults.append(result)
            continue
        sample, label_map, pixels = result
        first = shown.setdefault(sample.image_sha256 or "", sample.id)
        if first != sample.id:
            faults.append(f"{sample.id} is the same photograph as {first}: a support must not show its query")
        area |= {(sample.id, int(class_id)): int(pixels[class_id]) for class_id in np.flatnonzero(pixels)}
        digest.update(f"{sample.id} {sample.height} {sample.width}\n".encode())
        digest.update(np.ascontiguousarray(label_map).data)
        whole.append(sample)
    return LabelMaps(tuple(whole), area, digest.hexdigest(), tuple(faults))
