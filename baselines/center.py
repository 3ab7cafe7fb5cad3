"""Answers the largest disc that fits in the photograph: what is gained by knowing that photographers aim at things.

The disc's centre is the photograph's, its diameter the shorter side; a pixel is inside if its own centre is. There
is nothing to choose, so nothing was chosen by looking at a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsbench.models.contract import UNTRAINED, Episode, ModelCard

if TYPE_CHECKING:
    from torch import Tensor

card = ModelCard(
    name="center",
    prompts="none",
    description="the largest disc that fits in the photograph is foreground",
    trained_parameters=0,
    total_parameters=0,
    licence="Apache-2.0",
    training={"*": UNTRAINED},
)


def disc(height: int, width: int) -> Tensor:
    """Bool height x width: the inscribed disc. In units of half a pixel all is whole, so no rounding can matter.

    >>> disc(4, 6).int().tolist()
    [[0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0], [0, 0, 1, 1, 0, 0]]
    """
    import torch

    down = 2 * torch.arange(height) + 1 - height
    across = 2 * torch.arange(width) + 1 - width
    return down[:, None] ** 2 + across[None, :] ** 2 <= min(height, width) ** 2


class Center:
    """A centred disc is foreground."""

    card = card

    def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
        """One bool mask per episode, K x H x W."""
        return [disc(*e.image.shape[1:]).repeat(len(e.prompts), 1, 1) for e in episodes]


def build() -> Center:
    """The model; it takes no option."""
    return Center()
