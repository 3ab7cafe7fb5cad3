"""Episodes for tests: pictures drawn here, an object of one texture on a ground of another."""

from __future__ import annotations

import torch
from torch import Tensor

from fsbench.models.contract import Episode, Prompt


def photograph(height: int, width: int, seed: int = 0) -> Tensor:
    """uint8 3 x height x width of noise."""
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def scene(height: int, width: int, top: int, left: int, side: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A red chequered square on green stripes with a little noise, and its mask (uint8, 0 and 1)."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    mask = ((rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)).to(torch.uint8)
    ground = torch.stack(
        [columns * 0 + rows * 0 + 40, 120 + 60 * (columns // 6 % 2) + rows * 0, rows * 0 + columns * 0 + 70]
    )
    thing = torch.stack(
        [150 + 100 * ((rows // 8 + columns // 8) % 2), rows * 0 + columns * 0 + 30, rows * 0 + columns * 0 + 40]
    )
    image = torch.where(mask.bool(), thing, ground) + photograph(height, width, seed) // 16
    return image.clamp(0, 255).to(torch.uint8), mask


def prompt(*supports: tuple[Tensor, Tensor], name: str = "cat") -> Prompt:
    """A prompt of (photograph, mask) pairs."""
    return Prompt(name, tuple(image for image, _ in supports), tuple(mask for _, mask in supports))


def episode(image: Tensor, *prompts: Prompt, image_id: str = "q") -> Episode:
    return Episode(image, image_id, prompts)
