"""The digests that make a Mosaic-4 one dataset everywhere; none is over the bytes of a file that we write."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import PIL
from PIL import features

from fsbench.benchmark import Sample, sources_digest
from fsbench.files import sha256_text
from mosaic4.compose import Pixels
from mosaic4.recipe import Recipe


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
    """Hashes mosaics one after the other, in their order."""

    def __init__(self) -> None:
        self._masks, self._pixels = hashlib.sha256(), hashlib.sha256()

    def update(self, image: Pixels, mask: Pixels) -> None:
        """The next mosaic: uint8 H x W x 3 and H x W, both contiguous."""
        self.update_image(image)
        self._masks.update(mask.data)

    def update_image(self, image: Pixels) -> None:
        """The next image alone."""
        self._pixels.update(image.data)

    @property
    def masks(self) -> str:
        """SHA-256 (hex) of the masks so far."""
        return self._masks.hexdigest()

    @property
    def pixels(self) -> str:
        """SHA-256 (hex) of the images so far."""
        return self._pixels.hexdigest()

    def digests(self, recipe: Recipe, samples: Sequence[Sample]) -> Digests:
        """All five; ``samples`` in sample order with the hashes of their files."""
        sources = sources_digest(samples)
        dataset = dataset_digest(recipe.name, recipe.digest, sources)
        return Digests(recipe.digest, sources, dataset, self.masks, self.pixels)


def dataset_digest(name: str, recipe: str, sources: str) -> str:
    """SHA-256 (hex) of the name and the two digests, a line each."""
    return sha256_text(f"{name}\n{recipe}\n{sources}\n")


def decoder() -> str:
    """What decodes JPEG here, with versions: recorded beside ``pixels``."""
    return f"Pillow {PIL.__version__}, libjpeg-turbo {features.version_feature('libjpeg_turbo') or 'not used'}"
