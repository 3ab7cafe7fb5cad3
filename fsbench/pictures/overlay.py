"""The picture of a segmentation: the photograph with its classes in colours, and beneath it their names and shares."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from fsbench.io.palette import WHITE, colour_of
from fsbench.pictures.captions import Field, fields
from fsbench.pictures.painted_labels import Pixels, fitted, paint

LONGEST = 1280
"""Longer side of the photograph in the picture, pixels; a smaller one keeps its size."""
LEAST_WIDTH = 320
"""Of the picture, so that names have room beneath a small photograph."""
MARGIN = 12
NAME = 15, 24
"""Height of the names: the least, and that under a photograph of ``LONGEST`` pixels."""
LINES = 4


def overlay(image: Pixels, labels: Pixels, shares: Mapping[str, float]) -> Image.Image:
    """RGB: the photograph, at most ``LONGEST`` pixels long, painted as ``fsbench show`` does; the legend beneath.

    ``image``: uint8 H x W x 3; ``labels``: uint8 H x W, place of the class + 1, 0 for none; ``shares``: class name ->
    its share of the photograph, in the order of the places.
    """
    several = len(shares) > 1
    size = fitted(image.shape[0], image.shape[1], (LONGEST, LONGEST), 1.0)
    painted = paint(image, labels, size, numbered=several)
    width = max(LEAST_WIDTH, painted.width + 2 * MARGIN)
    height = max(NAME[0], round(NAME[1] * painted.width / LONGEST))
    names = [
        Field(_legend(place, name, share, several), colour_of(place), filled=share > 0)
        for place, (name, share) in enumerate(shares.items())
    ]
    legend = fields(names, height, width - 2 * MARGIN, LINES)
    picture = Image.new("RGB", (width, painted.height + legend.height + 3 * MARGIN), WHITE)
    picture.paste(painted, ((width - painted.width) // 2, MARGIN))
    picture.paste(legend, (MARGIN, painted.height + 2 * MARGIN))
    return picture


def share_text(share: float) -> str:
    """A share of the photograph as it is printed.

    >>> share_text(0.1234), share_text(0.0), share_text(0.0001)
    ('12.3 %', 'none', '<0.1 %')
    """
    if share == 0:
        return "none"
    return f"{100 * share:.1f} %" if share >= 0.0005 else "<0.1 %"


def _legend(place: int, name: str, share: float, several: bool) -> str:
    return (f"{place + 1} " if several else "") + f"{name} · {share_text(share)}"
