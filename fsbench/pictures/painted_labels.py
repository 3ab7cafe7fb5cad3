"""Paints a label map onto its photograph, so that a person sees the class of each mask."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fsbench.index.truths import VOID
from fsbench.io.palette import INK, WHITE, Colour, colour_of, ink_on

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

GREY: Colour = (110, 116, 124)
TAG = 15
"""Height of a number tag, pixels."""
_EDGE = 2
_RIM = 9
"""Void no wider than this, at the size of the picture, is the rim that VOC draws around objects."""


def fitted(height: int, width: int, box: tuple[int, int], most: float) -> tuple[int, int]:
    """The (height, width) at which a picture fits into ``box`` (height, width), enlarged at most ``most`` times.

    >>> fitted(480, 640, (300, 320), 2.0), fitted(10, 10, (300, 320), 2.0), fitted(10, 4000, (300, 320), 2.0)
    ((240, 320), (20, 20), (1, 320))
    """
    scale = min(box[0] / height, box[1] / width, most)
    return max(1, round(height * scale)), max(1, round(width * scale))


def paint(image: Pixels, labels: Pixels, size: tuple[int, int], *, numbered: bool) -> Image.Image:
    """``image`` (uint8 H x W x 3) at ``size`` (height, width) with the classes of ``labels`` (uint8 H x W) on it.

    Label p + 1 is outlined in the colour of place p; where ``numbered``, it is tinted too and wears the number p + 1,
    unless the picture is too small for numbers. Void (255) is grey, and hatched where it is more than a rim; the rest
    is paled.
    """
    photograph = Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS)
    pixels = np.asarray(photograph).astype(np.uint16)
    reduced = _reduced(labels, size)
    places = [int(label) - 1 for label in np.unique(reduced) if label not in (0, VOID)]
    painted = (pixels * 9 + 255 * 11) // 20
    void = reduced == VOID
    painted[void] = (painted[void] + 2 * np.array(GREY, np.uint16)) // 3
    painted[_hatched(void)] = WHITE
    for place in places:
        mask = reduced == place + 1
        tint = np.array(colour_of(place), np.uint16)
        painted[mask] = (pixels[mask] * 5 + tint) // 6 if numbered else pixels[mask]
    for place in places:
        mask = reduced == place + 1
        painted[_ring(mask) & (reduced == 0)] = WHITE
        painted[mask & ~_shrunk(mask, _EDGE)] = colour_of(place)
    picture = Image.fromarray(painted.astype(np.uint8))
    if numbered and min(size) >= 2 * TAG:
        taken: list[tuple[int, int, int, int]] = []
        for place in places:
            taken.append(_tag(picture, reduced == place + 1, place, taken))
    return picture


def paint_answer(image: Pixels, answer: Pixels, truth: Pixels, size: tuple[int, int], *, several: bool) -> Image.Image:
    """``image`` (uint8 H x W x 3) at ``size`` (height, width) with what was answered and what is true painted on it.

    ``answer`` and ``truth``: uint8 labels of any size that cover the photograph. Label p + 1 of the answer is tinted in
    the colour of place p; that of the truth is outlined, in white between dark lines or, where ``several`` classes are
    asked, in its colour between a white and a dark one. The photograph itself is paled in colour.
    """
    photograph = Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS)
    pixels = np.asarray(photograph).astype(np.uint16)
    grey = np.asarray(photograph.convert("L")).astype(np.uint16)[..., None]
    painted = (pixels + grey) // 2
    answered, true = _reduced(answer, size), _reduced(truth, size)
    for label in np.setdiff1d(answered, (0, VOID)):
        tint = np.array(colour_of(int(label) - 1), np.uint16)
        painted[answered == label] = (grey[answered == label] * 2 + tint * 3) // 5
    for label in np.setdiff1d(true, (0, VOID)):
        mask = true == label
        inner = _shrunk(mask, _EDGE)
        painted[_ring(mask)] = WHITE if several else INK
        painted[inner & ~_shrunk(mask, _EDGE + 1)] = INK
        painted[mask & ~inner] = colour_of(int(label) - 1) if several else WHITE
    return Image.fromarray(painted.astype(np.uint8))


def _reduced(labels: Pixels, size: tuple[int, int]) -> Pixels:
    """``labels`` at ``size`` by nearest neighbour; a label that would vanish keeps one pixel."""
    reduced = np.array(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))
    for label in np.setdiff1d(labels, reduced):
        y, x = divmod(int((labels == label).argmax()), labels.shape[1])
        reduced[y * size[0] // labels.shape[0], x * size[1] // labels.shape[1]] = label
    return reduced


def _shrunk(mask: Mask, by: int) -> Mask:
    """Pixels of the mask further than ``by`` from its edge; the edge of the picture is one."""
    inner = cv2.erode(mask.view(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8), borderValue=0)
    shrunk: Mask = inner.view(bool)
    return shrunk


def _ring(mask: Mask) -> Mask:
    """Pixels that touch the mask from outside."""
    ring: Mask = cv2.dilate(mask.view(np.uint8), np.ones((3, 3), np.uint8), borderValue=0).view(bool) & ~mask
    return ring


def _hatched(mask: Mask) -> Mask:
    """Stripes on the parts of the mask that are wider than a rim."""
    wide = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((_RIM, _RIM), np.uint8)).view(bool)
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    stripes: Mask = mask & wide & ((x + y) % 6 < 2)
    return stripes


def _tag(
    picture: Image.Image, mask: Mask, place: int, taken: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int, int, int]:
    """Draw the number of a class where its mask is thickest, next to a mask that it would hide; returns its box."""
    text = str(place + 1)
    font = ImageFont.load_default(TAG - 3)
    width = max(TAG, round(font.getlength(text)) + 7)
    deep = cv2.distanceTransform(np.pad(mask, 1).view(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    centre_y, x = divmod(int(deep.argmax()), picture.width)
    if deep.max() < TAG:
        rows = np.flatnonzero(mask.any(axis=1))
        above = int(rows[0]) - TAG // 2 - 3
        centre_y = above if above >= TAG // 2 else int(rows[-1]) + TAG // 2 + 4
    edge = min(max(0, x - width // 2), max(0, picture.width - width))
    top = min(max(0, centre_y - TAG // 2), max(0, picture.height - TAG))
    box = edge, top, edge + width, top + TAG
    while any(_meet(box, other) for other in taken) and box[3] + TAG <= picture.height:
        box = box[0], box[1] + TAG, box[2], box[3] + TAG
    pen = ImageDraw.Draw(picture)
    colour = colour_of(place)
    pen.rounded_rectangle((box[0], box[1], box[2] - 1, box[3] - 1), 4, fill=colour, outline=WHITE)
    pen.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), text, ink_on(colour), font=font, anchor="mm")
    return box


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
