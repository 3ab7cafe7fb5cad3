"""The picture of a segmentation: the photograph with its classes in colours, and beneath it their names and shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fsbench.captions import Field, fields
from fsbench.files import written_whole
from fsbench.painted_labels import WHITE, colour_of, fitted, paint
from fsbench.segmenting import Segmentation

LONGEST = 1280
"""Longer side of the photograph in the picture, pixels; a smaller one keeps its size."""
LEAST_WIDTH = 320
"""Of the picture, so that names have room beneath a small photograph."""
MARGIN = 12
NAME = 15, 24
"""Height of the names: the least, and that under a photograph of ``LONGEST`` pixels."""
LINES = 4
GROUND = 0, 0, 0


def overlay(found: Segmentation) -> Image.Image:
    """RGB: the photograph, at most ``LONGEST`` pixels long, painted as ``fsbench show`` does; the legend beneath."""
    several = len(found.names) > 1
    size = fitted(found.image.shape[0], found.image.shape[1], (LONGEST, LONGEST), 1.0)
    painted = paint(found.image, found.labels, size, numbered=several)
    width = max(LEAST_WIDTH, painted.width + 2 * MARGIN)
    height = max(NAME[0], round(NAME[1] * painted.width / LONGEST))
    shares = found.shares()
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


def write_overlay(path: Path, found: Segmentation) -> None:
    """Write the picture as a PNG, whole or not at all; raises FsbenchError where that is not possible."""
    picture = overlay(found)
    with written_whole(path) as temporary:
        picture.save(temporary, format="PNG")


def write_labels(path: Path, found: Segmentation) -> None:
    """Write the label map as a palette PNG in the overlay's colours: value place + 1 is the class, 0 is none of them.

    Whole or not at all; raises FsbenchError where that is not possible.
    """
    picture = Image.fromarray(np.ascontiguousarray(found.labels)).convert("P")
    picture.putpalette([part for colour in (GROUND, *map(colour_of, range(len(found.names)))) for part in colour])
    with written_whole(path) as temporary:
        picture.save(temporary, format="PNG")


def _legend(place: int, name: str, share: float, several: bool) -> str:
    return (f"{place + 1} " if several else "") + f"{name} · {share_text(share)}"
