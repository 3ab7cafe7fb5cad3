"""Reads the samples of a recipe: every photograph and mask, all checked before anything is written."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fsbench.benchmarks.fss.class_folders import FOREGROUND
from fsbench.errors import FsbenchError
from fsbench.io.images import LARGEST_IMAGE, read_grey, read_image
from fsbench.io.resize import Size
from fsbench.io.untrusted import read_bytes
from fsbench.parallel import in_threads
from mosaic4.recipe import Recipe, class_of
from mosaic4.resample import LARGEST, SIDE, SMALLEST, Pixels
from mosaic4.tiles import Hashes, KeptTiles, Tile, as_tile, tile_paths


class Sources(NamedTuple):
    """All samples of a recipe, read; ``sizes``: of the photographs that are not 224 x 224, in sample order."""

    tiles: KeptTiles
    hashes: Hashes
    sizes: Mapping[str, Size]


class _File(NamedTuple):
    """The SHA-256 of a file and its pixels, or its fault."""

    sha256: str
    pixels: Pixels | None
    fault: str = ""

    @property
    def size(self) -> Size | None:
        return None if self.pixels is None else (self.pixels.shape[0], self.pixels.shape[1])


def read_sources(root: Path, recipe: Recipe, workers: int | None = None) -> Sources:
    """The samples of a recipe, all read and checked.

    Raises one FsbenchError that lists every unusable file: one that is missing or cannot be read, a photograph with a
    side under 112 or over 4096, and a mask of another size than its photograph, with no foreground, or with values of
    only 0 and 1.
    """
    hashes: dict[str, tuple[str, str]] = {}
    sizes: dict[str, Size] = {}
    tiles = KeptTiles(root, hashes)
    files: defaultdict[str, list[str]] = defaultdict(list)
    read_files = in_threads(lambda sample: _read_sample(root, sample), recipe.samples, workers, "samples")
    for sample, (image, mask, tile) in zip(recipe.samples, read_files, strict=True):
        hashes[sample] = image.sha256, mask.sha256
        for fault in _image_faults(image):
            files[fault].append(f"{sample}.jpg")
        for fault in _mask_faults(mask, image, tile):
            files[fault].append(f"{sample}.png")
        if tile is not None:
            tiles.keep(sample, tile)
        if image.size is not None and image.size != (SIDE, SIDE):
            sizes[sample] = image.size
    if files:
        bad = len({file for those in files.values() for file in those})
        listed = "; ".join(f"{fault}: {', '.join(_short(those, recipe))}" for fault, those in files.items())
        raise FsbenchError(
            f"{root}: {bad} of {2 * len(hashes)} files cannot be used: {listed}: mend the files, give --root the "
            "folder that holds the class folders, or --classes FILE with classes of your own"
        )
    return Sources(tiles, hashes, sizes)


def _short(files: Sequence[str], recipe: Recipe) -> list[str]:
    """The files; all those of a class as ``class/*``."""
    expected = Counter(2 * [class_of(sample) for sample in recipe.samples])
    whole = {key for key, number in Counter(map(class_of, files)).items() if number == expected[key]}
    return list(dict.fromkeys(f"{class_of(f)}/*" if class_of(f) in whole else f for f in files))


def _read_sample(root: Path, sample: str) -> tuple[_File, _File, Tile | None]:
    """Photograph and mask, and their tile if both are usable."""
    paths = tile_paths(root, sample)
    image, mask = _read(paths[0], read_image), _read(paths[1], read_grey)
    if image.pixels is None or mask.pixels is None or image.size != mask.size or _image_faults(image):
        return image, mask, None
    return image, mask, as_tile(image.pixels, mask.pixels)


def _read(path: Path, decode: Callable[[Path, bytes], Pixels]) -> _File:
    try:
        data = read_bytes(path, LARGEST_IMAGE)
    except FileNotFoundError:
        return _File("", None, "missing")
    except OSError as error:
        return _File("", None, f"cannot be read ({error.strerror})")
    except FsbenchError as error:
        return _File("", None, _fault(path, error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        return _File(digest, decode(path, data))
    except FsbenchError as error:
        return _File(digest, None, _fault(path, error))


def _fault(path: Path, error: FsbenchError) -> str:
    """The message of an error without its file and remedy."""
    return str(error).removeprefix(f"{path}: ").rpartition(": ")[0]


def _image_faults(image: _File) -> list[str]:
    if image.size is None:
        return [image.fault]
    height, width = image.size
    if min(height, width) >= SMALLEST and max(height, width) <= LARGEST:
        return []
    return [f"photograph of {height} x {width}, expected sides of {SMALLEST} to {LARGEST}"]


def _mask_faults(mask: _File, image: _File, tile: Tile | None) -> Iterator[str]:
    if mask.pixels is None:
        yield mask.fault
        return
    if image.size not in (None, mask.size):
        yield f"mask of {_size_text(mask)}, its photograph is {_size_text(image)}"
    most = int(mask.pixels.max())
    if most == 1:
        yield "mask with values of only 0 and 1, expected 0 and 255"
    elif most < FOREGROUND:
        yield f"mask with no foreground ({FOREGROUND} or more)"
    elif tile is not None and not tile[1].any():
        yield f"mask with no foreground left at {SIDE} x {SIDE}"


def _size_text(file: _File) -> str:
    return " x ".join(map(str, file.size or ()))
