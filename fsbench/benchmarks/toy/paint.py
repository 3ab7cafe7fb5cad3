"""Paints one object of ``toy`` onto a picture: outlines, pattern, rounded light and a soft shadow.

An object is inked on cells of a third of a pixel, where each cell has one ink; the cells of a pixel are then counted,
so edges are smooth and the share of a pixel that an object covers is known in ninths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fsbench.benchmarks.toy.classes import split_name
from fsbench.benchmarks.toy.raster import (
    SIDE,
    SUB,
    TURN,
    Bools,
    Colour,
    Ints,
    Points,
    blurred,
    cosine,
    eroded,
    fill,
    pick,
    sine,
)
from fsbench.benchmarks.toy.scene import FINE, Placed
from fsbench.benchmarks.toy.shapes import BODY, CREAM, DARK, DEEP, shape_parts

COLOURS: dict[str, tuple[Colour, Colour]] = {
    "blue": ((42, 108, 206), (18, 48, 112)),
    "green": ((58, 158, 84), (20, 78, 46)),
    "orange": ((242, 128, 24), (140, 58, 8)),
    "purple": ((132, 74, 182), (64, 28, 100)),
    "red": ((212, 44, 56), (112, 14, 30)),
    "yellow": ((250, 206, 40), (128, 76, 8)),
}
"""Each colour and its deep shade, for outlines and details."""

_CREAM: Colour = (250, 236, 208)
_WHITE: Colour = (255, 248, 232)
_DARK: Colour = (54, 48, 58)
_ACCENT, _EDGE = 5, 6  # inks besides those of shapes: the second colour of a pattern, and outlines
_WHOLE = FINE * FINE

_Ink = NDArray[np.uint8]


def paint_object(canvas: Ints, item: Placed) -> Bools:
    """Paint ``item`` with its shadow onto ``canvas``; returns (SIDE, SIDE) where it covers most of a pixel."""
    pattern, colour, shape = split_name(item.class_name)
    outlines = item.outlines()
    left, top, right, bottom = _box([contour for contours in outlines for contour in contours])
    corner = np.array([left, top]) * FINE * SUB
    ink = np.zeros(((bottom - top) * FINE, (right - left) * FINE), np.uint8)
    for part, contours in zip(shape_parts(shape), outlines, strict=True):
        _ink_part(ink, part.ink, [contour - corner for contour in contours], border=2 + item.size // 80)
    if pattern != "plain":
        accent = _pattern(pattern, item, left * FINE, top * FINE, *ink.shape)
        ink[accent & (ink == BODY)] = _ACCENT

    body, deep = COLOURS[colour]
    inks = {BODY: body, DEEP: deep, CREAM: _CREAM, DARK: _DARK, _ACCENT: _WHITE, _EDGE: deep}
    used = sorted({part.ink for part in shape_parts(shape)} | {_ACCENT, _EDGE})
    light = pick(f"{item.key}|light", -9, 9)
    colours = [tuple(min(255, max(0, value + light)) for value in inks[number]) for number in used]
    counts = [_counted(ink == number) for number in used]
    return _compose(canvas, left, top, counts, colours, depth=min(4, 2 + item.size // 90))


def paint_flat(canvas: Ints, contours: Sequence[Points], colour: Colour) -> None:
    """Paint ``contours``, in 1/SUB fine cells of the image, in one ``colour`` with a small shadow."""
    left, top, right, bottom = _box(contours)
    corner = np.array([left, top]) * FINE * SUB
    cover = _counted(fill([c - corner for c in contours], (bottom - top) * FINE, (right - left) * FINE))
    _compose(canvas, left, top, [cover], [colour], depth=1)


def _box(contours: Sequence[Points]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, in pixels, of a box around ``contours``."""
    points = np.concatenate(list(contours))
    left, top = (int(v) // (FINE * SUB) - 1 for v in points.min(axis=0))
    right, bottom = (int(v) // (FINE * SUB) + 2 for v in points.max(axis=0))
    return left, top, right, bottom


def _ink_part(ink: _Ink, number: int, contours: Sequence[Points], border: int) -> None:
    """Ink the inside of ``contours`` with ``number`` and a border of it with _EDGE."""
    points = np.concatenate(list(contours))
    left, top = (int(v) // SUB - 1 for v in points.min(axis=0))
    right, bottom = (int(v) // SUB + 2 for v in points.max(axis=0))
    inside = fill([c - np.array([left, top]) * SUB for c in contours], bottom - top, right - left)
    window = ink[top:bottom, left:right]
    window[inside] = DARK if number == DARK else _EDGE
    window[eroded(inside, border)] = number


def _pattern(pattern: str, item: Placed, left: int, top: int, height: int, width: int) -> Bools:
    """(height, width) fine cells from (left, top) where ``pattern`` shows its second colour."""
    angle = item.angle + pick(f"{item.key}|pattern-angle", 0, 3) * TURN // 8
    x = np.arange(left, left + width, dtype=np.int32) - item.x * FINE
    y = np.arange(top, top + height, dtype=np.int32) - item.y * FINE
    cos, sin = cosine(angle) // 64, sine(angle) // 64  # coordinates in 256ths of a fine cell
    u = y[:, None] * sin + x[None, :] * cos
    v = y[:, None] * cos - x[None, :] * sin
    period = item.size * pick(f"{item.key}|period", 92, 112)  # about 40 percent of half the object's width
    u += pick(f"{item.key}|phase-u", 0, period)
    v += pick(f"{item.key}|phase-v", 0, period)
    second: Bools
    if pattern == "striped":
        second = u % period < period // 2
    elif pattern == "checkered":
        cell = period * 3 // 4
        second = ((u // cell) ^ (v // cell)) & 1 == 0
    else:  # dots: rows are a little closer than the dots of a row, and every other row is shifted
        pitch = period * 7 // 8
        row = v // pitch
        across = ((u + (row & 1) * (period // 2)) % period - period // 2) >> 4
        down = (v % pitch - pitch // 2) >> 4
        radius = (period * 29 // 100) >> 4
        second = across * across + down * down < radius * radius
    return second


def _counted(cells: Bools) -> Ints:
    """How many of the FINE x FINE cells of each pixel are set."""
    rows = cells[0::FINE].astype(np.uint8) + cells[1::FINE] + cells[2::FINE]
    counts = rows[:, 0::FINE] + rows[:, 1::FINE] + rows[:, 2::FINE]
    return counts.astype(np.int32)


def _compose(
    canvas: Ints, left: int, top: int, counts: Sequence[Ints], colours: Sequence[tuple[int, ...]], depth: int
) -> Bools:
    """Lay a tile on ``canvas`` at (left, top): of each of ``colours`` as many ninths as its ``counts`` (h, w) say.

    The light comes from above on the left; ``depth`` is how far the shadow falls. Returns (SIDE, SIDE) where the
    tile covers more than half of a pixel.
    """
    margin = 3 * depth + 1
    left, top = left - margin, top - margin
    height, width = counts[0].shape[0] + 2 * margin, counts[0].shape[1] + 2 * margin
    shares = np.zeros((height, width, len(counts)), np.int32)
    for i, count in enumerate(counts):
        shares[margin:-margin, margin:-margin, i] = count
    cover, paint = shares.sum(axis=2, dtype=np.int32), shares @ np.array(colours, np.int32)
    soft = blurred(cover * 64, depth)
    shadow = np.zeros_like(soft)
    shadow[depth + 1 :, depth:] = soft[: -depth - 1, :-depth] * 5 // 32  # at most 90 of 256
    light = 256 + _tilt(height, width)
    light[2:-2, 2:-2] += np.clip((soft[4:, 4:] - soft[:-4, :-4]) // 8, -34, 44)

    y0, x0 = max(0, -top), max(0, -left)
    y1, x1 = max(y0, min(height, SIDE - top)), max(x0, min(width, SIDE - left))
    tile, window = (slice(y0, y1), slice(x0, x1)), (slice(top + y0, top + y1), slice(left + x0, left + x1))
    cover, lit = cover[tile], (paint[tile] * light[tile][..., None]) >> 8
    ground = (canvas[window] * (256 - shadow[tile])[..., None]) >> 8
    canvas[window] = (ground * (_WHOLE - cover)[..., None] + lit + _WHOLE // 2) // _WHOLE
    covered = np.zeros((SIDE, SIDE), np.bool_)
    covered[window] = cover * 2 > _WHOLE
    return covered


def _tilt(height: int, width: int) -> Ints:
    """(height, width) from +18 in the upper left corner to -18 in the lower right."""
    down, across = np.arange(height, dtype=np.int32), np.arange(width, dtype=np.int32)
    return (height + width - 2 * (down[:, None] + across)) * 18 // (height + width)
