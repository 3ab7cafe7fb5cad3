"""The shape in an annotation's segmentation: polygons or an RLE, as COCO writes them and as annotation tools do.

Taken as meant: one polygon that is not nested in a list, whole numbers written as floats (12.0), a compressed RLE of a
single instance, extra keys. Polygons of fewer than three points have no area and are skipped. All else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from fsbench.benchmarks.coco.annotations import CocoImage, Instance, whole
from fsbench.errors import FsbenchError

LEAST = 6
"""Numbers of a polygon: x and y of three points."""
MOST_SHIFTS = 5
"""A run in a compressed RLE is up to six groups of five bits: 2^29 pixels, more than any image here has."""
LONGEST_VALUE = 40
_NESTED = re.compile(rb"\s*\[\s*[\[\]]")
_RLE_KEYS = ("size", "counts")


@dataclass(frozen=True)
class Shape:
    """An instance's polygons, as x, y, x, y, …, or the mask of its RLE, uint8 H x W; neither where it has no area.

    ``short``: a polygon of fewer than three points was skipped, or there was no polygon at all.
    """

    instance: Instance
    polygons: Sequence[list[float]] = ()
    mask: npt.NDArray[np.uint8] | None = None
    short: bool = False

    @property
    def empty(self) -> bool:
        """Whether it has no area, so that it counts as not annotated."""
        return not self.polygons and self.mask is None


def read_shape(image: CocoImage, instance: Instance) -> Shape:
    """The shape of one annotation; raises FsbenchError that names file, annotation and value where it is invalid."""
    try:
        return _read(image, instance)
    except ValueError as error:
        what = f"annotation {instance.id} of image {image.id}: its segmentation {error}"
        raise FsbenchError(f"{image.annotations}: {what}: correct it, or fetch the file again") from error


def _read(image: CocoImage, instance: Instance) -> Shape:
    raw = bytes(instance.segmentation)
    if raw.lstrip().startswith(b"["):
        nested = _NESTED.match(raw)
        polygons = _decoded(raw, list[list[float]]) if nested else [_decoded(raw, list[float])]
        if len(polygons) >= LEAST // 2 and all(len(polygon) == 2 for polygon in polygons):
            first = ", ".join(f"[{x:g}, {y:g}]" for x, y in polygons[:2])
            raise ValueError(f"is a list of points {first}, …, expected [[x, y, x, y, …]]")
        kept = [polygon for polygon in polygons if len(polygon) >= LEAST]
        for polygon in kept:
            _check_polygon(polygon, image.height, image.width)
        return Shape(instance, kept, None, short=len(kept) < max(1, len(polygons)))
    shape = _decoded(raw, Any)
    if not isinstance(shape, dict):
        raise ValueError(f"is {_short(shape)}, expected polygons or an RLE")
    return Shape(instance, (), _mask(shape, image.height, image.width))


def _decoded(raw: bytes, kind: Any) -> Any:
    """JSON of a kind; raises ValueError that names the value that does not fit."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise ValueError(_misfit(raw, str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"cannot be read ({error})") from error


def _misfit(raw: bytes, message: str) -> str:
    """What does not fit, found by the place that msgspec names (``$[0][3]``)."""
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return f"cannot be read ({message})"
    for place in re.findall(r"\[(\d+)\]", message.rpartition("$")[2]):
        value = value[int(place)]
    return f"holds {_short(value)}, expected a {'list of numbers' if 'Expected `array`' in message else 'number'}"


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _check_polygon(polygon: list[float], height: int, width: int) -> None:
    """Raise ValueError for half a point, or a polygon outside the image.

    pycocotools walks along every edge, so that a point far outside would take all memory.
    """
    if len(polygon) % 2:
        raise ValueError(f"does not fit: a polygon has {len(polygon)} numbers, expected x and y of each point")
    left, top, right, bottom = min(polygon[::2]), min(polygon[1::2]), max(polygon[::2]), max(polygon[1::2])
    side = max(height, width)
    outside = right < 0 or bottom < 0 or left > width or top > height
    if outside or min(left, top) < -side or max(right, bottom) > 2 * side:
        where = f"from ({left:g}, {top:g}) to ({right:g}, {bottom:g})"
        raise ValueError(f"does not fit: a polygon {where} lies outside the image of {height} x {width}")


def _mask(rle: dict[str, Any], height: int, width: int) -> npt.NDArray[np.uint8]:
    """The mask of an RLE, whose runs must fill the image."""
    if lacking := [key for key in _RLE_KEYS if key not in rle]:
        raise ValueError(f"lacks {' and '.join(lacking)}, expected polygons or an RLE")
    size, counts, pixels = rle["size"], rle["counts"], height * width
    if not isinstance(size, list) or [whole(side) for side in size] != [height, width]:
        raise ValueError(f"is of size {_short(size)}, the image is {height} x {width}")
    given = counts if isinstance(counts, list) else compressed_runs(counts) if isinstance(counts, str) else None
    runs = [whole(run) for run in given or ()]
    odd = [run for run, number in zip(given or (), runs, strict=True) if number is None or not 0 <= number <= pixels]
    if given is None or odd:
        raise ValueError(f"holds {_short(odd[0] if odd else counts)}, expected runs of 0 to {pixels} pixels")
    lengths = [run for run in runs if run is not None]
    if sum(lengths) != pixels:
        raise ValueError(f"has {sum(lengths)} pixels, the image {pixels}")
    flat = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(np.uint8)
    return flat.reshape(width, height).T


def compressed_runs(counts: str) -> list[int] | None:
    """The runs of COCO's compressed RLE (``rleFrString`` of its API); None where the text is none."""
    runs: list[int] = []
    place = 0
    while place < len(counts):
        value = shift = 0
        more = True
        while more:
            if place >= len(counts) or not 48 <= ord(counts[place]) < 112 or shift > MOST_SHIFTS:
                return None
            bits = ord(counts[place]) - 48
            value |= (bits & 31) << (5 * shift)
            more, place, shift = bool(bits & 32), place + 1, shift + 1
            if not more and bits & 16:
                value |= -1 << (5 * shift)
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs
