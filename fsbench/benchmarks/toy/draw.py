"""The samples of ``toy``: 480 pictures and their masks from nothing but a class name and a number.

A picture is a background, small neutral clutter, the objects of its scene from back to front, and then what a lens
and a film would add. The mask is the pixels that the target covers for the larger part and nothing in front does.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fsbench.benchmarks.toy.ground import ground
from fsbench.benchmarks.toy.paint import paint_flat, paint_object
from fsbench.benchmarks.toy.raster import ONE, SIDE, SUB, TURN, Colour, Ints, Points, cosine, hashed, pick, sine
from fsbench.benchmarks.toy.scene import FINE, scene
from fsbench.benchmarks.toy.shapes import arc, stroke
from fsbench.io.files import atomic_write

Pixels = NDArray[np.uint8]

_NEUTRALS: tuple[Colour, ...] = (
    (96, 96, 100),
    (128, 122, 116),
    (158, 152, 146),
    (190, 184, 176),
    (216, 210, 200),
    (240, 236, 228),
)


def draw(class_name: str, n: int) -> tuple[Pixels, Pixels]:
    """Sample ``n`` of ``class_name``: RGB (SIDE, SIDE, 3) and its mask (SIDE, SIDE) of 0 and 255."""
    canvas = ground(class_name, n).copy()
    _scatter(canvas, f"toy-v1|{class_name}|{n}|clutter")
    plan = scene(class_name, n)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    for place, item in enumerate(plan.objects):
        covered = paint_object(canvas, item)
        mask = covered if place == plan.target else mask & ~covered
    return _developed(canvas, f"toy-v1|{class_name}|{n}|film"), np.where(mask, 255, 0).astype(np.uint8)


def write_sample(folder: Path, class_name: str, n: int) -> None:
    """Write sample ``n`` as ``<folder>/<class_name>/<n>.jpg`` and ``.png``, each atomically."""
    image, mask = draw(class_name, n)
    with atomic_write(folder / class_name / f"{n}.jpg") as temporary:
        Image.fromarray(image).save(temporary, format="JPEG", quality=92, subsampling=0)
    with atomic_write(folder / class_name / f"{n}.png") as temporary:
        Image.fromarray(mask).save(temporary, format="PNG")


def _scatter(canvas: Ints, key: str) -> None:
    """Pebbles, scraps of paper and scribbles on ``canvas``; of one kind mostly, as in the world."""
    usual = pick(f"{key}|usual", 0, 2)
    for i in range(pick(f"{key}|count", 5, 13)):
        kind = usual if pick(f"{key}|{i}|kind", 0, 3) else pick(f"{key}|{i}|other", 0, 2)
        contours = (_pebble, _scrap, _scribble)[kind](f"{key}|{i}")
        centre = np.array([pick(f"{key}|{i}|{axis}", 0, SIDE - 1) for axis in "xy"]) * FINE * SUB
        colour = _NEUTRALS[pick(f"{key}|{i}|colour", 0, len(_NEUTRALS) - 1)]
        paint_flat(canvas, [contour * FINE * SUB // 16 + centre for contour in contours], colour)


def _turned(contour: Points, angle: int) -> Points:
    x, y = contour[:, 0], contour[:, 1]
    return np.stack([x * cosine(angle) - y * sine(angle), x * sine(angle) + y * cosine(angle)], axis=1) // ONE


def _pebble(key: str) -> list[Points]:
    """A pebble about (0, 0) in 16ths of a pixel."""
    wide = pick(f"{key}|wide", 44, 120)
    return [_turned(arc(0, 0, wide, wide * pick(f"{key}|flat", 55, 90) // 100, steps=24), pick(f"{key}|turn", 0, 255))]


def _scrap(key: str) -> list[Points]:
    """A scrap of paper, square or triangular, about (0, 0) in 16ths of a pixel."""
    corners = arc(0, 0, pick(f"{key}|wide", 50, 110), pick(f"{key}|high", 36, 80), steps=pick(f"{key}|corners", 3, 4))
    return [_turned(corners, pick(f"{key}|turn", 0, 255))]


def _scribble(key: str) -> list[Points]:
    """A curl of thread about (0, 0) in 16ths of a pixel."""
    reach, bend = pick(f"{key}|reach", 160, 340), pick(f"{key}|bend", 40, 110)
    waves = pick(f"{key}|waves", 12, 26)
    steps = np.arange(25)
    heights = [bend * sine(int(step) * TURN // waves) // ONE for step in steps]
    line = np.stack([(steps - 12) * reach // 12, np.array(heights)], axis=1)
    return list(stroke(_turned(line, pick(f"{key}|turn", 0, 255)), pick(f"{key}|width", 28, 44)))


@lru_cache(maxsize=1)
def _grain() -> Ints:
    return hashed("toy-v1|grain", SIDE, SIDE)


def _developed(canvas: Ints, key: str) -> Pixels:
    """``canvas`` with darker corners and a little grain, as (SIDE, SIDE, 3) bytes."""
    y, x = np.indices((SIDE, SIDE), np.int32) * 2 - SIDE
    dim = 256 - (x * x + y * y) * pick(f"{key}|corners", 10, 34) // (2 * SIDE * SIDE)
    grain = np.roll(_grain(), (pick(f"{key}|down", 0, SIDE - 1), pick(f"{key}|across", 0, SIDE - 1)), (0, 1)) // 37 - 3
    picture: Ints = ((canvas * dim[..., None]) >> 8) + grain[..., None]
    return picture.clip(0, 255).astype(np.uint8)
