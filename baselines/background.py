"""Answers "background" everywhere: intersection 0, so an IoU of 0, and the background's IoU of FB-IoU for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsbench.models.contract import UNTRAINED, Episode, ModelCard

if TYPE_CHECKING:
    from torch import Tensor

card = ModelCard(
    name="background",
    prompts="none",
    description="no pixel is foreground",
    trained_parameters=0,
    total_parameters=0,
    licence="Apache-2.0",
    training={"*": UNTRAINED},
)


class Background:
    """No pixel is foreground."""

    card = card

    def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
        """One bool mask per episode, K x H x W."""
        import torch

        return [torch.zeros(len(e.prompts), *e.image.shape[1:], dtype=torch.bool) for e in episodes]


def build() -> Background:
    """The model; it takes no option."""
    return Background()
