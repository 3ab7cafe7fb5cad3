"""Writes the mosaics as a PNG folder that Hugging Face ``imagefolder`` reads.

``images/000123.png`` and ``masks/000123.png`` with ``metadata.jsonl``: a line per mosaic with ``file_name``,
``mask_file_name``, the mosaic's number, class and sample of each tile, and the SHA-256 of both files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.io.files import atomic_write, write_text
from fsbench.io.untrusted import read_bytes
from fsbench.parallel import in_threads
from mosaic4.compose import Mosaics
from mosaic4.digests import PixelHashes
from mosaic4.out_folder import BuildLog
from mosaic4.png import encode_png
from mosaic4.queries import mosaic_id
from mosaic4.recipe import Recipe, class_of
from mosaic4.resample import Pixels
from mosaic4.tiles import Tile

METADATA = "metadata.jsonl"
LARGEST_METADATA = 256 * 2**20

Hashes = tuple[str, str]
"""SHA-256 (hex) of an image's and a mask's file."""


def png_paths(out: Path, mosaic: int) -> tuple[Path, Path]:
    """The files of a mosaic's image and mask."""
    name = f"{mosaic_id(mosaic)}.png"
    return out / "images" / name, out / "masks" / name


def metadata(recipe: Recipe, hashes: Sequence[Hashes]) -> str:
    """The text of ``metadata.jsonl``; ``hashes``: SHA-256 (hex) of each mosaic's image and mask file."""
    lines = []
    for mosaic, (samples, (image_sha256, mask_sha256)) in enumerate(zip(recipe.mosaics, hashes, strict=True)):
        image, mask = png_paths(Path(), mosaic)
        line = {
            "file_name": image.as_posix(),
            "mask_file_name": mask.as_posix(),
            "mosaic": mosaic,
            "classes": [class_of(sample) for sample in samples],
            "samples": samples,
            "image_sha256": image_sha256,
            "mask_sha256": mask_sha256,
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines)


def written_hashes(folder: Path) -> list[Hashes]:
    """The hashes in ``metadata.jsonl`` of ``folder``; raises FsbenchError where it cannot be read."""
    path = folder / METADATA
    try:
        lines = [json.loads(line) for line in read_bytes(path, LARGEST_METADATA).splitlines()]
        return [(str(line["image_sha256"]), str(line["mask_sha256"])) for line in lines]
    except OSError as error:
        raise FsbenchError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise FsbenchError(f"{path} was altered") from error


def write_png_folder(out: Path, mosaics: Mosaics, log: BuildLog, workers: int | None = None) -> PixelHashes:
    """Write all mosaics that ``log`` does not keep, then ``metadata.jsonl``; returns the hashes of all pixels.

    Raises FsbenchError where a mosaic cannot be read or a file cannot be written.
    """

    def write(mosaic: int) -> tuple[Tile, Hashes]:
        (image, mask), (image_path, mask_path) = mosaics[mosaic], png_paths(out, mosaic)
        return (image, mask), (_write(image_path, image, log), _write(mask_path, mask, log))

    pixels = PixelHashes()
    hashes = []
    for (image, mask), of_files in in_threads(write, range(len(mosaics)), workers, "mosaics"):
        pixels.update(image, mask)
        hashes.append(of_files)
    write_text(out / METADATA, metadata(mosaics.recipe, hashes))
    return pixels


def _write(path: Path, pixels: Pixels, log: BuildLog) -> str:
    """Write a PNG unless it is kept; its SHA-256."""
    digest = log.kept(path)
    if digest is not None:
        return digest
    data = encode_png(pixels)
    digest = hashlib.sha256(data).hexdigest()
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
        log.add(path, digest)
    return digest
