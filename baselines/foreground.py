"""Answers "foreground" everywhere: its IoU is the share of the pixels that the class covers, the floor of any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsbench.models.contract import UNTRAINED, Episode, ModelCard

if TYPE_CHECKING:
    from torch import Tensor

card = ModelCard(
    name="foreground",
    prompts="none",
    description="every pixel is foreground",
    trained_parameters=0,
    total_parameters=0,
    licence="Apache-2.0",
    training={"*": UNTRAINED},
)


class Foreground:
    """Every pixel is foreground."""

    card = card

    def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
        """One bool mask per episode, K x H x W."""
        import torch

        return [torch.ones(len(e.prompts), *e.image.shape[1:], dtype=torch.bool) for e in episodes]


def build() -> Foreground:
    """The model; it takes no option."""
    return Foreground()
