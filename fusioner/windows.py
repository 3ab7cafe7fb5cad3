"""How a photograph of any size is shown to an encoder: in windows, as in the paper, or resized to a square."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field

if TYPE_CHECKING:
    from torch import Tensor

WINDOW, STEP = 224, 149
"""Fusioner's evaluation (released code): windows of 224 at steps of 149, logits averaged where they overlap."""
Side = Annotated[int, Field(gt=0, le=4096)]


class Tile(NamedTuple):
    """One input of the encoder: ``pixels`` float 3 x h x w in 0..1, of which ``valid`` (rows, columns) show the image.

    They show the ``box`` (top, left, height, width) of the photograph, in its own pixels.
    """

    pixels: Tensor
    valid: tuple[int, int]
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Tiling:
    """``windows``: of ``size`` pixels, at steps of ``step``. ``square``: the whole resized to a square of ``size``.

    Raises ValueError where windows would leave gaps.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Literal["windows", "square"] = "windows"
    size: Side = WINDOW
    step: Side = STEP

    def __post_init__(self) -> None:
        if self.step > self.size:
            raise ValueError(f"step {self.step} leaves gaps between windows of {self.size}")

    def tiles(self, image: Tensor) -> Iterator[Tile]:
        """The tiles of ``image`` (uint8 3 x H x W), each a square of ``size``.

        A window's part beyond the photograph is black, whatever the encoder's normalisation makes of it.
        """
        from torch.nn.functional import pad

        height, width = image.shape[1:]
        pixels = image.float() / 255
        if self.kind == "square":
            yield Tile(squared(pixels, self.size), (self.size, self.size), (0, 0, height, width))
            return
        for top in _starts(height, self.size, self.step):
            for left in _starts(width, self.size, self.step):
                window = pixels[:, top : top + self.size, left : left + self.size]
                rows, columns = window.shape[1:]
                padded = pad(window, (0, self.size - columns, 0, self.size - rows))
                yield Tile(padded, (rows, columns), (top, left, rows, columns))


def squared(pixels: Tensor, size: int) -> Tensor:
    """``pixels`` (float C x H x W in 0..1) resized to size x size, bilinear, antialiased."""
    from torch.nn.functional import interpolate

    resized = interpolate(pixels[None], (size, size), mode="bilinear", align_corners=False, antialias=True)
    return resized[0].clamp(0, 1)


def merged(answers: Sequence[tuple[Tile, Tensor]], size: tuple[int, int]) -> Tensor:
    """The mean of the tiles' logits, each K x h x w like its pixels, on the photograph: K x H x W."""
    import torch
    from torch.nn.functional import interpolate

    first = answers[0][1]
    total = first.new_zeros(len(first), *size)
    count = first.new_zeros(size)
    for tile, logits in answers:
        top, left, height, width = tile.box
        own = logits[:, : tile.valid[0], : tile.valid[1]]
        if tile.valid != (height, width):
            own = interpolate(own[None], (height, width), mode="bilinear", align_corners=False)[0]
        total[:, top : top + height, left : left + width] += own
        count[top : top + height, left : left + width] += 1
    return total / torch.clamp(count, min=1)


def _starts(length: int, window: int, step: int) -> list[int]:
    """Where windows start along a side: at steps, the last one flush with the end."""
    return [*range(0, length - window, step), max(length - window, 0)]
