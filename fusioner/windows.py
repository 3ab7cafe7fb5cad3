"""How a photograph of any size is shown to an encoder: in windows, as the paper has it, or resized to a square."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

WINDOW, STEP = 224, 149
"""Fusioner's evaluation (released code): windows of 224 at steps of 149, logits averaged where they overlap."""


class Look(NamedTuple):
    """One look at a photograph: ``pixels`` float 3 x h x w in 0..1, of which ``seen`` (rows, columns) show it.

    They show the ``box`` (top, left, height, width) of the photograph, in its own pixels.
    """

    pixels: Tensor
    seen: tuple[int, int]
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Looking:
    """``windows``: of ``size`` pixels, at steps of ``step``. ``square``: the whole resized to a square of ``size``."""

    kind: Literal["windows", "square"] = "windows"
    size: int = WINDOW
    step: int = STEP

    def looks(self, image: Tensor) -> Iterator[Look]:
        """The looks at ``image`` (uint8 3 x H x W), each a square of ``size``.

        A window's part beyond the photograph is black, whatever the encoder's normalisation makes of it.
        """
        height, width = image.shape[1:]
        pixels = image.float() / 255
        if self.kind == "square":
            yield Look(squared(pixels, self.size), (self.size, self.size), (0, 0, height, width))
            return
        for top in _starts(height, self.size, self.step):
            for left in _starts(width, self.size, self.step):
                part = pixels[:, top : top + self.size, left : left + self.size]
                seen = part.shape[1], part.shape[2]
                yield Look(_padded(part, self.size, self.size), seen, (top, left, *seen))


def squared(pixels: Tensor, size: int) -> Tensor:
    """``pixels`` (float C x H x W in 0..1) resized to size x size, bilinear, smoothed where it shrinks."""
    from torch.nn.functional import interpolate

    resized = interpolate(pixels[None], (size, size), mode="bilinear", align_corners=False, antialias=True)
    return resized[0].clamp(0, 1)


def together(parts: list[tuple[Look, Tensor]], size: tuple[int, int]) -> Tensor:
    """Logits K x h x w of each look, as large as its pixels, to logits K x H x W of the photograph: their mean."""
    import torch
    from torch.nn.functional import interpolate

    first = parts[0][1]
    total = first.new_zeros(len(first), *size)
    looked = first.new_zeros(size)
    for look, logits in parts:
        top, left, height, width = look.box
        own = logits[:, : look.seen[0], : look.seen[1]]
        if look.seen != (height, width):
            own = interpolate(own[None], (height, width), mode="bilinear", align_corners=False)[0]
        total[:, top : top + height, left : left + width] += own
        looked[top : top + height, left : left + width] += 1
    return total / torch.clamp(looked, min=1)


def _starts(length: int, window: int, step: int) -> list[int]:
    """Where windows begin along a side: at steps, the last one flush with the end."""
    if length <= window:
        return [0]
    starts = list(range(0, length - window, step))
    return [*starts, length - window]


def _padded(pixels: Tensor, height: int, width: int) -> Tensor:
    from torch.nn.functional import pad

    return pad(pixels, (0, width - pixels.shape[2], 0, height - pixels.shape[1]))
