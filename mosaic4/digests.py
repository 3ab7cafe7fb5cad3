"""The digests that identify a Mosaic-4 everywhere; none depends on the bytes of a file that we write."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import PIL
from PIL import features

from fsbench.io.files import sha256_text
from mosaic4.recipe import Recipe
from mosaic4.resample import Pixels
from mosaic4.tiles import Hashes


@dataclass(frozen=True)
class Digests:
    """SHA-256 (hex) each.

    ``recipe``: lines ``i s0 s1 …``. ``sources``: lines ``sample sha256(jpg) sha256(png)``. ``dataset``: name, recipe
    and sources; equal for equal data on any machine. ``masks``: all masks in order. ``pixels``: all decoded RGB bytes
    in order, which may differ between JPEG decoders.
    """

    recipe: str
    sources: str
    dataset: str
    masks: str
    pixels: str


class PixelHashes:
    """Hashes mosaics in order."""

    def __init__(self) -> None:
        self._masks, self._pixels = hashlib.sha256(), hashlib.sha256()

    def update(self, image: Pixels, mask: Pixels | None = None) -> None:
        """The next mosaic: uint8 H x W x 3 and, unless the image counts alone, H x W; both contiguous."""
        self._pixels.update(image.data)
        if mask is not None:
            self._masks.update(mask.data)

    @property
    def masks(self) -> str:
        """SHA-256 (hex) of the masks so far."""
        return self._masks.hexdigest()

    @property
    def pixels(self) -> str:
        """SHA-256 (hex) of the images so far."""
        return self._pixels.hexdigest()


def sources_digest(recipe: Recipe, hashes: Hashes) -> str:
    """SHA-256 (hex) of the lines ``sample sha256(jpg) sha256(png)`` in sample order."""
    return sha256_text("".join(f"{sample} {' '.join(hashes[sample])}\n" for sample in recipe.samples))


def dataset_digest(recipe: Recipe, sources: str) -> str:
    """SHA-256 (hex) of the recipe's name, its digest and the digest of the sources, a line each."""
    return sha256_text(f"{recipe.name}\n{recipe.digest}\n{sources}\n")


def decoder() -> str:
    """The JPEG decoder in use, with versions: recorded with ``pixels``."""
    return f"Pillow {PIL.__version__}, libjpeg-turbo {features.version_feature('libjpeg_turbo') or 'not used'}"
