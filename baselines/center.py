"""Predicts the largest disc that fits in the photograph: the gain of knowing that photographers aim at things.

The disc is centred in the photograph and its diameter is the shorter side; a pixel is inside if its centre is. It has
no parameter to choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines.guess import Guess
from fsbench.models.contract import Episode

if TYPE_CHECKING:
    from torch import Tensor


def disc(height: int, width: int) -> Tensor:
    """Bool height x width: the inscribed disc. In units of half a pixel all is whole, so no rounding can matter.

    >>> disc(4, 6).int().tolist()
    [[0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0], [0, 0, 1, 1, 0, 0]]
    """
    import torch

    down = 2 * torch.arange(height) + 1 - height
    across = 2 * torch.arange(width) + 1 - width
    return down[:, None] ** 2 + across[None, :] ** 2 <= min(height, width) ** 2


def masks(episode: Episode) -> Tensor:
    """Bool K x H x W."""
    return disc(*episode.image.shape[1:]).repeat(len(episode.prompts), 1, 1)


def build() -> Guess:
    """The model; it takes no option."""
    return Guess("center", "the largest disc that fits in the photograph is foreground", masks)
