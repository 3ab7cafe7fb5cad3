"""The plan of a sample of ``toy``: the target, its distractors, and which of them is in front.

Planned apart from the painting, so that a test can ask for a scene without drawing it. Three rules make a sample a
question: one distractor is always a twin of the target, of a class that differs in a single word; distractors are
drawn from the same sizes as targets; and the target may be anywhere, so neither saliency nor the centre answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsbench.benchmarks.toy.classes import CLASS_NAMES, SAMPLES_PER_CLASS, split_name, twins
from fsbench.benchmarks.toy.raster import ONE, SIDE, SUB, TURN, Bools, Ints, Points, cosine, fill, pick, shuffled, sine
from fsbench.benchmarks.toy.shapes import UPRIGHT, shape_parts

FINE = 3
"""Cells a pixel is split into, across and down, before it is averaged."""

AREAS = (42, 56, 72, 90, 110, 132, 158, 192, 240, 310)
"""Areas of objects in thousandths of the image; a class has a target of each of them, in a shuffled order."""

VISIBLE = 75
"""Percent of the target that the plan keeps inside the frame and in front; its raster is coarse, hence not 70."""

_COARSE = 4  # pixels a cell of the planning raster is wide
_REACH = 44  # cells from the centre of an object that the planning raster has room for
_ATTEMPTS = 16
_UNIT = 120  # fine cells that 1000 units are for measuring the area of a shape
_INSIDE: Bools = np.pad(np.ones((SIDE // _COARSE, SIDE // _COARSE), np.bool_), _REACH)


@dataclass(frozen=True)
class Placed:
    """An object of a scene: its centre in pixels, its size in fine cells for 1000 units, and how it is turned."""

    class_name: str
    x: int
    y: int
    size: int
    angle: int
    stretch: int
    mirrored: bool
    key: str

    def outlines(self) -> list[list[Points]]:
        """The contours (k, 2) of each part of the shape, in 1/SUB fine cells of the image."""
        own = shape_parts(split_name(self.class_name)[2])
        x, y = np.concatenate([contour for part in own for contour in part.contours]).T
        x = x * (-self.stretch if self.mirrored else self.stretch) // 256
        cos, sin = cosine(self.angle), sine(self.angle)
        turned = np.stack([x * cos - y * sin, x * sin + y * cos], axis=1) * (self.size * SUB) // (1000 * ONE)
        points = turned + np.array([self.x, self.y]) * FINE * SUB
        outlines, first = [], 0
        for part in own:
            outlines.append([points[first : (first := first + len(contour))] for contour in part.contours])
        return outlines


@dataclass(frozen=True)
class Scene:
    """The objects from back to front; ``objects[target]`` is the only one of its class."""

    objects: tuple[Placed, ...]
    target: int


def scene(class_name: str, n: int) -> Scene:
    """The plan of sample ``n`` of ``class_name``, a pure function of both."""
    prefix = f"toy-v1|{class_name}|{n}"
    area = shuffled(f"toy-v1|{class_name}|areas", AREAS)[(n - 1) % SAMPLES_PER_CLASS]
    cost = np.where(_INSIDE, 0, 2).astype(np.int32)
    target = _place_target(_sized(class_name, f"{prefix}|target", area))
    stamp = _stamp(target)
    visible = np.zeros_like(_INSIDE)
    _window(visible, target)[:] = stamp & _window(_INSIDE, target)
    _window(cost, target)[stamp] += 4

    behind: list[Placed] = []
    front: list[Placed] = []
    needed = int(stamp.sum()) * VISIBLE
    for item in _distractors(class_name, prefix, area):
        item = _place_distractor(item, cost)
        over = _stamp(item)
        _window(cost, item)[over] += 3
        remaining = visible.copy()
        _window(remaining, item)[over] = False
        if int(remaining.sum()) * 100 >= needed and pick(f"{item.key}|front", 0, 1):
            visible = remaining
            front.append(item)
        else:
            behind.append(item)
    return Scene((*behind, target, *front), target=len(behind))


def _distractors(class_name: str, prefix: str, area: int) -> list[Placed]:
    """Two to four objects of distinct other classes without a place; the first is a twin of ``class_name``."""
    near = shuffled(f"{prefix}|twin", twins(class_name))[0]
    others = shuffled(f"{prefix}|others", [c for c in CLASS_NAMES if c not in (class_name, near)])
    most = 4 if area < 100 else 3 if area < 180 else 2
    count = pick(f"{prefix}|count", 2 if area > 80 else 3, most)
    room = 700 - area
    items = []
    for i, name in enumerate([near, *others[: count - 1]]):
        wanted = AREAS[pick(f"{prefix}|{name}|area", 0, len(AREAS) - 1)]
        allowed = min(wanted, room - AREAS[1] * (count - 1 - i))
        items.append(_sized(name, f"{prefix}|distractor|{i}", allowed))
        room -= allowed
    return items


def _sized(class_name: str, key: str, area: int) -> Placed:
    """An object of about ``area`` thousandths of the image at (0, 0), turned by chance."""
    shape = split_name(class_name)[2]
    stretch = pick(f"{key}|stretch", 228, 284)
    pixels = area * SIDE * SIDE * pick(f"{key}|jitter", 94, 106) // 100_000
    size = isqrt(_UNIT**2 * FINE**2 * pixels * 256 // (_unit_area(shape) * stretch))
    upright = shape in UPRIGHT
    angle = pick(f"{key}|angle", -26, 26) if upright else pick(f"{key}|angle", 0, TURN - 1)
    return Placed(class_name, 0, 0, size, angle, stretch, bool(pick(f"{key}|mirror", 0, 1)), key)


@cache
def _unit_area(shape: str) -> int:
    """Area of ``shape`` in cells when 1000 units are _UNIT cells."""
    contours = [
        contour * _UNIT * SUB // 1000 + 2 * _UNIT * SUB for part in shape_parts(shape) for contour in part.contours
    ]
    return int(fill(contours, 4 * _UNIT, 4 * _UNIT).sum())


def _stamp(item: Placed) -> Bools:
    """(2 _REACH, 2 _REACH) silhouette on the planning raster, the object's centre in the middle."""
    centred = replace(item, x=_REACH * _COARSE, y=_REACH * _COARSE)
    contours = [contour for part in centred.outlines() for contour in part]
    return fill([contour // (_COARSE * FINE) for contour in contours], 2 * _REACH, 2 * _REACH)


def _window(raster: NDArray[Any], item: Placed) -> NDArray[Any]:
    """The view of a planning raster that the stamp of ``item`` lies on."""
    row, column = item.y // _COARSE, item.x // _COARSE
    return raster[row : row + 2 * _REACH, column : column + 2 * _REACH]


def _random_places(item: Placed) -> list[Placed]:
    spots = ((pick(f"{item.key}|x|{i}", 6, SIDE - 7), pick(f"{item.key}|y|{i}", 6, SIDE - 7)) for i in range(_ATTEMPTS))
    return [replace(item, x=x, y=y) for x, y in spots]


def _place_target(item: Placed) -> Placed:
    """``item`` at a place that leaves nine tenths of it in the frame: of the first two such the less central."""
    stamp = _stamp(item)
    places = _random_places(item)
    outside = [int((stamp & ~_window(_INSIDE, place)).sum()) for place in places]
    good = [place for place, cells in zip(places, outside, strict=True) if cells * 10 <= int(stamp.sum())]
    if not good:
        return places[outside.index(min(outside))]
    return max(good[:2], key=lambda place: (2 * place.x - SIDE) ** 2 + (2 * place.y - SIDE) ** 2)


def _place_distractor(item: Placed, cost: Ints) -> Placed:
    """``item`` where it hides, or is hidden by, the least of others and the border; smaller if that is too much."""
    for _ in range(5):
        stamp = _stamp(item)
        places = _random_places(item)
        costs = [int(_window(cost, place)[stamp].sum()) for place in places]
        best = places[costs.index(min(costs))]
        if min(costs) * 100 <= 80 * int(stamp.sum()):
            return best
        item = replace(item, size=item.size * 7 // 8)
    return best
