"""Reads what a recipe is made of: every photograph and mask, checked in full before anything is written."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fsbench.errors import FsbenchError
from fsbench.parallel import in_threads
from mosaic4.recipe import Recipe, class_of
from mosaic4.tiles import FOREGROUND, SIDE, BrokenImageError, KeptTiles, Pixels, decode_whole, tile_paths


class _File(NamedTuple):
    """What a file is, or what is wrong with it; ``pixels`` where it can be decoded."""

    sha256: str
    pixels: Pixels | None
    fault: str | None


def read_sources(root: Path, recipe: Recipe, workers: int | None = None) -> KeptTiles:
    """The tiles of a recipe, all read; ``hashes`` of the answer are those of their files, in sample order.

    Raises one FsbenchError that lists every file which cannot be used: one that is missing or cannot be read, a
    photograph that is not 224 x 224, a mask of another size than its photograph, one with no foreground, and one whose
    values are only 0 and 1.
    """

    def read(sample: str) -> tuple[_File, _File]:
        image, mask = (_read(path, mode) for path, mode in zip(tile_paths(root, sample), ("RGB", "L"), strict=True))
        return image, mask

    hashes: dict[str, tuple[str, str]] = {}
    tiles = KeptTiles(root, hashes)
    files: defaultdict[str, list[str]] = defaultdict(list)
    read_files = in_threads(read, recipe.samples, workers, "samples")
    for sample, (image, mask) in zip(recipe.samples, read_files, strict=True):
        hashes[sample] = image.sha256, mask.sha256
        for fault in _image_faults(image):
            files[fault].append(f"{sample}.jpg")
        for fault in _mask_faults(mask, image):
            files[fault].append(f"{sample}.png")
        if image.pixels is not None and mask.pixels is not None:
            tiles.keep(sample, (image.pixels, mask.pixels))
    if files:
        bad = len({file for those in files.values() for file in those})
        listed = "; ".join(f"{fault}: {', '.join(_short(those, recipe))}" for fault, those in files.items())
        raise FsbenchError(
            f"{root}: {bad} of {2 * len(hashes)} files cannot be used: {listed}: mend the files, give --root the "
            "folder that holds the class folders, or --classes FILE with classes of your own"
        )
    return tiles


def _short(files: Sequence[str], recipe: Recipe) -> list[str]:
    """The files, those of a class of which it is every one as ``class/*``."""
    wanted = Counter(2 * [class_of(sample) for sample in recipe.samples])
    there = Counter(map(class_of, files))
    whole = {key for key, number in there.items() if number == wanted[key]}
    return list(dict.fromkeys(f"{class_of(f)}/*" if class_of(f) in whole else f for f in files))


def _read(path: Path, mode: str) -> _File:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        return _File("", None, "no plain file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _File("", None, "missing")
    except OSError as error:
        return _File("", None, f"cannot be read ({error.strerror})")
    digest = hashlib.sha256(data).hexdigest()
    try:
        return _File(digest, decode_whole(data, mode), None)
    except BrokenImageError as error:
        return _File(digest, None, f"cannot be read ({error})")


def _image_faults(image: _File) -> list[str]:
    if image.pixels is None:
        return [image.fault or "cannot be read"]
    return [] if _size(image) == (SIDE, SIDE) else [f"tile of {_written(image)}, expected {SIDE} x {SIDE}"]


def _mask_faults(mask: _File, image: _File) -> list[str]:
    """A mask whose photograph is no tile is not blamed for being as large as one."""
    if mask.pixels is None:
        return [mask.fault or "cannot be read"]
    faults = []
    if _size(mask) not in (_size(image), (SIDE, SIDE)):
        faults.append(f"mask of {_written(mask)}, its photograph is {_written(image)}")
    most = int(mask.pixels.max())
    if most == 1:
        faults.append("mask with values of only 0 and 1, expected 0 and 255")
    elif most < FOREGROUND:
        faults.append(f"mask with no foreground ({FOREGROUND} or more)")
    return faults


def _size(file: _File) -> tuple[int, ...]:
    """Height and width; those of a tile where the file cannot be decoded."""
    return (SIDE, SIDE) if file.pixels is None else file.pixels.shape[:2]


def _written(file: _File) -> str:
    return " x ".join(map(str, _size(file)))
