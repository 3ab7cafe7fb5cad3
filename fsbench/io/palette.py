"""Colours of classes in pictures and palette PNGs.

The colours are those that colour-blind readers tell apart (Okabe and Ito, "Color Universal Design", 2008), then darker
and lighter ones of the same hues.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Colour = tuple[int, int, int]

INK: Colour = (30, 33, 38)
WHITE: Colour = (255, 255, 255)
_HUES: tuple[Colour, ...] = (
    (213, 94, 0),
    (0, 114, 178),
    (240, 228, 66),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
)
_DARKER, _LIGHTER = 0.5, 0.55


def _towards(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


COLOURS: tuple[Colour, ...] = (
    *_HUES,
    *(_towards(hue, (0, 0, 0), _DARKER) for hue in _HUES),
    *(_towards(hue, WHITE, _LIGHTER) for hue in _HUES),
)


def colour_of(place: int) -> Colour:
    """The colour of the class at ``place``, from 0; after 21 classes they come again, with other numbers."""
    return COLOURS[place % len(COLOURS)]


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever is read better on ``colour``."""
    red, green, blue = colour
    return INK if 299 * red + 587 * green + 114 * blue > 128_000 else WHITE


def palette_image(labels: npt.NDArray[np.uint8], classes: int) -> Image.Image:
    """Labels (uint8 H x W, place of the class + 1, 0 for none) as a palette image in the colours of the classes."""
    picture = Image.fromarray(np.ascontiguousarray(labels)).convert("P")
    picture.putpalette([part for colour in ((0, 0, 0), *map(colour_of, range(classes))) for part in colour])
    return picture
