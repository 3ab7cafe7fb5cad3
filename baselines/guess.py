"""A model that looks at nothing: its mask depends on the size and the prompts of an episode alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fsbench.models.contract import UNTRAINED, Episode, ModelCard

if TYPE_CHECKING:
    from torch import Tensor


class Guess:
    """A model that answers every episode with ``masks``: bool K x H x W."""

    def __init__(self, name: str, description: str, masks: Callable[[Episode], Tensor]) -> None:
        self.card = ModelCard(
            name=name,
            prompts="none",
            description=description,
            trained_parameters=0,
            total_parameters=0,
            licence="Apache-2.0",
            training={"*": UNTRAINED},
        )
        self._masks = masks

    def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
        """One bool mask per episode, K x H x W."""
        return [self._masks(episode) for episode in episodes]
