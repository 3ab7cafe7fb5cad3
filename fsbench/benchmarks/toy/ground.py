"""Backgrounds and clutter of ``toy``: nine kinds of quiet places for an object.

They are muted where objects are saturated, vary from image to image independently of the class, and carry neutral
clutter, so that "what is not background" is no answer either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fsbench.benchmarks.toy.raster import (
    ONE,
    SIDE,
    SINE,
    TURN,
    Colour,
    Ints,
    clouds,
    cosine,
    hashed,
    mix,
    noise,
    pick,
    shuffled,
    sine,
)

_Y, _X = np.indices((SIDE, SIDE), np.int32)

_SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((150, 190, 214), (232, 236, 230)),
    ((236, 206, 190), (250, 236, 214)),
    ((120, 142, 178), (226, 204, 206)),
    ((178, 206, 196), (240, 240, 222)),
)
_HILLS: tuple[tuple[Colour, Colour], ...] = (
    ((186, 200, 190), (92, 120, 110)),
    ((206, 188, 182), (120, 98, 108)),
    ((184, 196, 210), (84, 104, 130)),
    ((216, 206, 176), (142, 132, 96)),
)
_DUSKS: tuple[tuple[Colour, Colour], ...] = (
    ((38, 46, 66), (92, 84, 104)),
    ((52, 48, 50), (120, 100, 86)),
    ((30, 58, 62), (96, 120, 112)),
    ((196, 204, 202), (228, 222, 212)),
)
_LIGHTS: tuple[Colour, ...] = ((246, 222, 178), (232, 196, 176), (206, 218, 214), (222, 206, 222), (250, 240, 220))
_WOODS: tuple[tuple[Colour, Colour], ...] = (
    ((196, 164, 128), (160, 124, 90)),
    ((158, 138, 120), (118, 98, 84)),
    ((218, 204, 182), (188, 170, 146)),
    ((120, 100, 88), (84, 68, 60)),
)
_CLOTHS: tuple[Colour, ...] = (
    (212, 200, 182),
    (168, 178, 180),
    (190, 170, 164),
    (150, 158, 142),
    (96, 104, 118),
    (222, 216, 206),
)
_GLAZES: tuple[Colour, ...] = ((206, 218, 214), (222, 210, 196), (186, 198, 210), (170, 182, 168), (216, 200, 204))
_SANDS: tuple[tuple[Colour, Colour], ...] = (
    ((232, 218, 190), (198, 176, 144)),
    ((196, 208, 214), (140, 160, 176)),
    ((210, 206, 200), (164, 158, 152)),
    ((188, 198, 178), (140, 152, 132)),
)


def _one(key: str, colours: Sequence[Colour]) -> Ints:
    return np.array(colours[pick(key, 0, len(colours) - 1)], np.int32)


def _pair(key: str, pairs: Sequence[tuple[Colour, Colour]]) -> tuple[Ints, Ints]:
    low, high = pairs[pick(key, 0, len(pairs) - 1)]
    return np.array(low, np.int32), np.array(high, np.int32)


def _plain(colour: Ints) -> Ints:
    return np.broadcast_to(colour, (SIDE, SIDE, 3))


def _disc(image: Ints, x: int, y: int, radius: int, colour: Ints, inside: int, rim: int) -> None:
    """Blend a disc of ``colour`` into ``image``: ``inside`` and ``rim`` are strengths in 256ths."""
    box = (slice(max(0, y - radius - 1), y + radius + 2), slice(max(0, x - radius - 1), x + radius + 2))
    squared = (_X[box] - x) ** 2 + (_Y[box] - y) ** 2

    # the share of a pixel inside a circle, in 256ths: its edge is about a pixel wide
    outer, inner = (np.clip((r * r + r - squared) * 256 // (2 * r), 0, 256) for r in (radius, radius - 2))
    image[box] = mix(image[box], colour, (outer * rim + inner * (inside - rim)) >> 8)


def _studio(key: str) -> Ints:
    """A wall lit from one side."""
    low, high = _pair(f"{key}|pair", (*_SKIES, *_SANDS))
    angle = pick(f"{key}|angle", 0, TURN - 1)
    across = (_X - SIDE // 2) * cosine(angle) + (_Y - SIDE // 2) * sine(angle)
    return mix(low, high, np.clip(128 + across // (ONE + ONE // 4) + (clouds(f"{key}|haze", 4) - 128) // 5, 0, 256))


def _landscape(key: str) -> Ints:
    """Ridges under a sky, paler the farther."""
    zenith, horizon = _pair(f"{key}|sky", _SKIES)
    far, near = _pair(f"{key}|hills", _HILLS)
    image = mix(zenith, horizon, np.minimum(_Y * 2, 256))
    x, y = pick(f"{key}|sun-x", 20, 204), pick(f"{key}|sun-y", 16, 70)
    _disc(image, x, y, pick(f"{key}|sun-r", 12, 24), np.array((252, 244, 226), np.int32), inside=200, rim=180)
    grass = (noise(f"{key}|grass", 56, 28)[..., None] - 128) // 24
    for ridge in range(4):
        waves = sum(
            SINE[(np.arange(SIDE, dtype=np.int32) * speed // 2 + pick(f"{key}|{ridge}|{speed}", 0, 255)) % TURN]
            * (13 - 3 * speed // 2)
            for speed in (1, 3, 6)
        )
        height = (66 + ridge * 42 + pick(f"{key}|{ridge}", -12, 12)) * 16 + np.asarray(waves) * 16 // ONE
        top = slice(max(0, int(height.min()) // 16), SIDE)
        cover = np.clip((_Y[top] * 16 - height) * 16, 0, 256)
        image[top] = mix(image[top], far + (near - far) * ridge // 3 + grass[top], cover)
    return image


def _bokeh(key: str) -> Ints:
    low, high = _pair(f"{key}|pair", _DUSKS)
    image = mix(low, high, clouds(f"{key}|glow", 2))
    for light in range(pick(f"{key}|count", 14, 22)):
        x, y = pick(f"{key}|{light}|x", 0, SIDE), pick(f"{key}|{light}|y", 0, SIDE)
        inside = pick(f"{key}|{light}|strength", 26, 74)
        colour = _one(f"{key}|{light}|colour", _LIGHTS)
        _disc(image, x, y, pick(f"{key}|{light}|radius", 7, 27), colour, inside, rim=inside * 3 // 2)
    return image


def _linen(key: str) -> Ints:
    """Woven cloth with slubs and soft folds."""
    across, down = hashed(f"{key}|across", 1, SIDE // 2) - 128, hashed(f"{key}|down", SIDE // 2, 1) - 128
    warp, weft = np.repeat(across, 2, axis=1), np.repeat(down, 2, axis=0)
    over = ((_X // 2 + _Y // 2) & 1) == 0
    thread = np.where(over, 6 + warp // 11, weft // 11 - 6) + (noise(f"{key}|folds", 3, 4) - 128) // 6
    return _plain(_one(f"{key}|colour", _CLOTHS)) + thread[..., None]


def _planks(key: str) -> Ints:
    light, dark = _pair(f"{key}|pair", _WOODS)
    board = SIDE // pick(f"{key}|boards", 4, 6) + 1
    which = _Y // board
    grain = (noise(f"{key}|grain", 56, 3) + noise(f"{key}|fibre", 112, 7)) // 2
    tone = hashed(f"{key}|tone", 8)[which] // 2 + grain * 3 // 4 - 40
    image = mix(light, dark, np.clip(tone, 0, 256))
    gap = np.array((-58, 14), np.int32)[np.minimum(_Y % board, 1)] * (_Y % board < 2)
    image = image + gap[..., None]
    return image.transpose(1, 0, 2) if pick(f"{key}|upright", 0, 1) else image


def _paper(key: str) -> Ints:
    page = _one(f"{key}|page", ((244, 240, 230), (236, 238, 240), (232, 228, 216), (226, 232, 226)))
    line = _one(f"{key}|line", ((168, 188, 206), (198, 184, 180), (170, 190, 178)))
    step, first = pick(f"{key}|step", 13, 22), pick(f"{key}|first", 0, 12)
    lines = ((_X + first) % step == 0) | ((_Y + first) % step == 0)
    image = mix(page, line, np.where(lines, 170, 0)) + (clouds(f"{key}|fibre", 14)[..., None] - 128) // 16
    return image + (noise(f"{key}|light", 2, 2)[..., None] - 128) // 8


def _tiles(key: str) -> Ints:
    step = pick(f"{key}|step", 34, 54)
    y = _Y + pick(f"{key}|first", 0, 30)
    row, in_y = y // step, y % step
    x = _X + (row & 1) * (step // 2) + pick(f"{key}|shift", 0, 30)
    column, in_x = x // step, x % step
    tone = hashed(f"{key}|tone", 12, 12)[row, column] // 9 + (noise(f"{key}|gloss", 5, 5) - 128) // 9
    edge = np.minimum(in_x, in_y)
    bevel = np.where(edge == 2, 14, 0) - np.where((in_x == step - 1) | (in_y == step - 1), 16, 0)
    glazed = _plain(_one(f"{key}|glaze", _GLAZES)) + (tone + bevel - 12)[..., None]
    return np.where((edge < 2)[..., None], np.array((236, 232, 224), np.int32), glazed)


def _ripples(key: str) -> Ints:
    """Sand or water drawn in waves by the wind."""
    crest, trough = _pair(f"{key}|pair", _SANDS)
    angle, speed = pick(f"{key}|angle", -26, 26), pick(f"{key}|speed", 8, 14)
    along = (_Y * cosine(angle) + _X * sine(angle)) * speed // ONE + clouds(f"{key}|bend", 3) * 2
    wave = SINE[along % TURN] * 62 // ONE + 128 + (noise(f"{key}|grain", 56, 56) - 128) // 6
    return mix(crest, trough, np.clip(wave + (noise(f"{key}|dunes", 2, 2) - 128) // 2, 0, 256))


def _sky(key: str) -> Ints:
    zenith, horizon = _pair(f"{key}|pair", _SKIES)
    image = mix(zenith, (zenith + horizon) // 2, _Y)
    return mix(image, np.array((250, 248, 244), np.int32), np.clip((clouds(f"{key}|clouds", 4) - 104) * 4, 0, 232))


GROUNDS: dict[str, Callable[[str], Ints]] = {
    paint.__name__.removeprefix("_"): paint
    for paint in (_studio, _landscape, _bokeh, _linen, _planks, _paper, _tiles, _ripples, _sky)
}
"""Name of a kind of background to the function that paints it, (SIDE, SIDE, 3), from a key."""


def ground_kind(class_name: str, n: int) -> str:
    """The kind of background of a sample; the ten samples of a class show all kinds."""
    kinds = shuffled(f"toy-v1|{class_name}|grounds", tuple(GROUNDS))
    return kinds[n % len(kinds)]


def ground(class_name: str, n: int) -> Ints:
    """(SIDE, SIDE, 3) background of a sample."""
    return GROUNDS[ground_kind(class_name, n)](f"toy-v1|{class_name}|{n}|ground")
