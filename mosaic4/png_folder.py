"""Writes the mosaics as a PNG folder that Hugging Face ``imagefolder`` reads as it is.

``images/000123.png`` and ``masks/000123.png`` with ``metadata.jsonl``: a line per mosaic with ``file_name``,
``mask_file_name``, the mosaic's number, and class and sample of each tile.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fsbench.files import write_text, written_whole
from fsbench.parallel import in_threads
from mosaic4.compose import Mosaics
from mosaic4.digests import PixelHashes
from mosaic4.out_folder import WrittenFiles
from mosaic4.png import encode_png
from mosaic4.queries import mosaic_id
from mosaic4.recipe import Recipe, class_of
from mosaic4.tiles import Tile

METADATA = "metadata.jsonl"


def png_paths(out: Path, mosaic: int) -> tuple[Path, Path]:
    """The files of a mosaic's image and mask."""
    name = f"{mosaic_id(mosaic)}.png"
    return out / "images" / name, out / "masks" / name


def metadata(recipe: Recipe) -> str:
    """The text of ``metadata.jsonl``."""
    lines = []
    for mosaic, samples in enumerate(recipe.mosaics):
        image, mask = png_paths(Path(), mosaic)
        line = {
            "file_name": image.as_posix(),
            "mask_file_name": mask.as_posix(),
            "mosaic": mosaic,
            "classes": [class_of(sample) for sample in samples],
            "samples": samples,
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines)


def write_png_folder(out: Path, mosaics: Mosaics, written: WrittenFiles, workers: int | None = None) -> PixelHashes:
    """Write all mosaics, then ``metadata.jsonl``, but for files that ``written`` keeps; the hashes of all pixels.

    Raises FsbenchError where a mosaic cannot be read or a file not be written.
    """

    def write(mosaic: int) -> Tile:
        both = mosaics[mosaic]
        for path, pixels in zip(png_paths(out, mosaic), both, strict=True):
            if not written.keeps(path):
                data = encode_png(pixels)
                with written_whole(path) as temporary:
                    temporary.write_bytes(data)
                    written.add(path, hashlib.sha256(data).hexdigest())
        return both

    hashes = PixelHashes()
    for image, mask in in_threads(write, range(len(mosaics)), workers, "mosaics"):
        hashes.update(image, mask)
    write_text(out / METADATA, metadata(mosaics.recipe))
    return hashes
