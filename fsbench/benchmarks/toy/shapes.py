"""The twelve shapes of ``toy`` as outlines in whole numbers: what an arrow, a fish, an umbrella look like.

A shape is a list of parts, painted in order, around (0, 0) within about 1000 units to every side, x to the
right and y down, upright. ``draw`` turns, scales and paints it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import isqrt

import numpy as np

from fsbench.benchmarks.toy.raster import ONE, TURN, Points, cosine, sine, wound_right

BODY, DEEP, CREAM, DARK = 1, 2, 3, 4
"""What a part is painted with: the pattern of the class, a deep shade of its colour, cream, or near black."""


@dataclass(frozen=True)
class Part:
    """A filled region of a shape; ``contours`` are (k, 2) points that unite, reversed ones cut holes."""

    ink: int
    contours: tuple[Points, ...]


def _polygon(*points: tuple[int, int]) -> Points:
    return wound_right(np.array(points, np.int64))


def arc(x: int, y: int, radius_x: int, radius_y: int, start: int = 0, stop: int = TURN, steps: int = 48) -> Points:
    """(steps + 1, 2) points on an ellipse from angle ``start`` to ``stop``; angle 0 is right, TURN / 4 is down."""
    angles = [start + (stop - start) * step // steps for step in range(steps + 1)]
    return np.array([(x + radius_x * cosine(a) // ONE, y + radius_y * sine(a) // ONE) for a in angles], np.int64)


def _rounded(contour: Points, share: int, rounds: int = 3) -> Points:
    """``contour`` with corners cut off ``rounds`` times, each time the outer 1/``share`` of both sides."""
    for _ in range(rounds):
        following = np.roll(contour, -1, axis=0)
        near = contour + (following - contour) // share
        far = following - (following - contour) // share
        contour = np.stack([near, far], axis=1).reshape(-1, 2)
    return wound_right(contour)


def _soft(*points: tuple[int, int]) -> Points:
    """The smooth closed curve that ``points`` control (a quadratic B-spline)."""
    return _rounded(_polygon(*points), share=4)


def stroke(points: Points, width: int) -> tuple[Points, ...]:
    """A line of ``width`` with round ends along ``points`` (k, 2), which must not bend sharply."""
    along = np.concatenate([points[1:2] - points[:1], points[2:] - points[:-2], points[-1:] - points[-2:-1]])
    length = np.array([max(1, isqrt(int(x * x + y * y))) for x, y in along])
    across = np.stack([along[:, 1], -along[:, 0]], axis=1) * width // (2 * length[:, None])
    ends = [arc(int(x), int(y), width // 2, width // 2, steps=12) for x, y in (points[0], points[-1])]
    return (wound_right(np.concatenate([points + across, (points - across)[::-1]])), *ends)


def _line(width: int, *points: tuple[int, int]) -> tuple[Points, ...]:
    return stroke(np.array(points, np.int64), width)


def _mirrored(contour: Points) -> Points:
    return wound_right(contour * np.array([-1, 1]))


def _spokes(count: int, radius: int, first: int) -> list[tuple[int, int]]:
    angles = [first + TURN * spoke // count for spoke in range(count)]
    return [(radius * cosine(a) // ONE, radius * sine(a) // ONE) for a in angles]


def _arrow() -> list[Part]:
    head = ((1000, 0), (180, -780), (180, -330))
    outline = _polygon(*head, (-950, -330), (-950, 330), (180, 330), (180, 780))
    return [Part(BODY, (_rounded(outline, share=9),))]


def _butterfly() -> list[Part]:
    upper = _soft((60, -120), (260, -900), (960, -1020), (1120, -480), (820, 60), (100, 120))
    lower = _soft((60, 20), (620, 40), (960, 380), (760, 900), (360, 940), (80, 420))
    feeler = stroke(arc(330, -640, 290, 330, 136, 196, steps=8), 64)
    feelers = feeler + tuple(_mirrored(contour) for contour in feeler)
    tips = (arc(365, -965, 75, 75, steps=16), arc(-365, -965, 75, 75, steps=16))
    body = _soft((0, -640), (120, -560), (110, 0), (70, 700), (-70, 700), (-110, 0), (-120, -560))
    wings = [Part(BODY, (wing, _mirrored(wing))) for wing in (lower, upper)]
    return [*wings, Part(DARK, (*feelers, *tips)), Part(DARK, (body,))]


def _fish() -> list[Part]:
    tail = _soft(
        (-420, 0), (-760, -330), (-1180, -700), (-1120, -250), (-900, 0), (-1120, 250), (-1180, 700), (-760, 330)
    )
    fins = (
        _soft((-330, -380), (-60, -900), (420, -760), (380, -300)),
        _soft((-160, 400), (-220, 820), (180, 760), (230, 360)),
    )
    trunk = _soft((1060, 60), (860, -440), (300, -720), (-360, -420), (-760, 0), (-360, 420), (300, 680), (860, 430))
    eye = [Part(CREAM, (arc(590, -110, 135, 135, steps=24),)), Part(DARK, (arc(615, -105, 72, 72, steps=20),))]
    return [Part(DEEP, fins), Part(BODY, (tail,)), Part(BODY, (trunk,)), *eye]


def _flower() -> list[Part]:
    petals = [arc(x, y, 370, 370) for x, y in _spokes(6, 620, first=TURN // 12)]
    disc = arc(0, 0, 600, 600)
    heart = [Part(DEEP, (arc(0, 0, 320, 320),)), Part(CREAM, (arc(0, 0, 170, 170, steps=24),))]
    return [Part(BODY, (*petals, disc)), *heart]


def _heart() -> list[Part]:
    points = ((140, -850), (530, -1000), (960, -770), (980, -210), (620, 330), (50, 1010))
    mirrored = ((-x, y) for x, y in points[::-1])
    return [Part(BODY, (_rounded(_polygon((0, -400), *points, *mirrored), share=4, rounds=4),))]


def _house() -> list[Part]:
    chimney = _polygon((380, -880), (640, -880), (640, -300), (380, -300))
    walls = _polygon((-740, -200), (740, -200), (740, 900), (-740, 900))
    roof = _rounded(_polygon((0, -960), (1000, -100), (-1000, -100)), share=14, rounds=2)
    door = _polygon((-440, 900), (-440, 300), (-90, 300), (-90, 900))
    window = _polygon((150, 230), (520, 230), (520, 580), (150, 580))
    bars = (*_line(44, (335, 230), (335, 580)), *_line(44, (150, 405), (520, 405)))
    walled = [Part(DEEP, (chimney,)), Part(BODY, (walls,)), Part(DEEP, (roof,))]
    return [*walled, Part(DARK, (door,)), Part(CREAM, (window,)), Part(DEEP, bars)]


def _leaf() -> list[Part]:
    right = np.concatenate([arc(-558, 20, 1198, 1198, -44, 0, steps=16), arc(-131, 20, 771, 771, 0, 57, steps=16)])
    blade = wound_right(np.concatenate([right, (right * np.array([-1, 1]))[::-1]]))
    stem = _line(110, (0, 640), (20, 860), (90, 1040))
    vein = [*_line(52, (0, 700), (0, -640))]
    for y, reach in ((400, 300), (40, 390), (-300, 300)):
        vein += [*_line(36, (0, y), (reach, y - reach * 4 // 5)), *_line(36, (0, y), (-reach, y - reach * 4 // 5))]
    return [Part(DEEP, stem), Part(BODY, (blade,)), Part(DEEP, tuple(vein))]


def _moon() -> list[Part]:
    outer = arc(0, 0, 1000, 1000, 32, 224, steps=56)
    inner = arc(520, 0, 731, 731, 202, 54, steps=48)
    crescent = np.concatenate([outer, inner]) + np.array([220, 0])
    return [Part(BODY, (_rounded(crescent, share=5, rounds=1),))]


def _mushroom() -> list[Part]:
    stem = _soft((-280, -60), (-230, 420), (-400, 960), (0, 1010), (400, 960), (230, 420), (280, -60), (0, -100))
    cap = _soft((-1060, 190), (-1000, -420), (-560, -960), (0, -1080), (560, -960), (1000, -420), (1060, 190), (0, 130))
    return [Part(CREAM, (stem,)), Part(BODY, (cap,))]


def _ring() -> list[Part]:
    return [Part(BODY, (arc(0, 0, 1000, 1000, steps=72), arc(0, 0, 530, 530, steps=56)[::-1]))]


def _star() -> list[Part]:
    outer, inner = _spokes(5, 1080, first=-TURN // 4), _spokes(5, 500, first=-TURN // 4 + TURN // 10)
    points = [point for pair in zip(outer, inner, strict=True) for point in pair]
    return [Part(BODY, (_rounded(_polygon(*points), share=9, rounds=3),))]


def _umbrella() -> list[Part]:
    handle = np.concatenate([np.array([(0, -300)]), arc(190, 760, 190, 190, 128, 0, steps=10)])
    dome = arc(0, 60, 1000, 900, 128, 256, steps=40)
    scallops = [arc(x, 60, 250, 130, 256, 128, steps=12) for x in (750, 250, -250, -750)]
    canopy = wound_right(np.concatenate([dome, *scallops]))
    tip = _line(100, (0, -800), (0, -960))
    ribs = [
        *stroke(arc(0, 20, 500, 780, 134, 190, steps=10), 44),
        *stroke(arc(0, 20, 500, 780, 194, 250, steps=10), 44),
    ]
    return [Part(DARK, stroke(handle, 110)), Part(DARK, tip), Part(BODY, (canopy,)), Part(DEEP, tuple(ribs))]


_SHAPES: dict[str, Callable[[], list[Part]]] = {
    shape.__name__.removeprefix("_"): shape
    for shape in (
        *(_arrow, _butterfly, _fish, _flower, _heart, _house),
        *(_leaf, _moon, _mushroom, _ring, _star, _umbrella),
    )
}

UPRIGHT = frozenset({"heart", "house", "mushroom", "umbrella"})
"""Shapes that lean to a side but are never turned upside down."""


@cache
def shape_parts(shape: str) -> tuple[Part, ...]:
    """The parts of ``shape`` in the order of painting."""
    return tuple(_SHAPES[shape]())
