"""Models for tests: small, deterministic, and wrong in every way a model can be."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from fsbench.models.contract import Episode, ModelCard


class Bright:
    """Foreground where the photograph is brighter than its mean; a real answer that depends on every pixel.

    ``batches``: after how many it is interrupted.
    """

    def __init__(self, seconds: float = 0.0, batches: int | None = None) -> None:
        self.card = ModelCard(name="bright", prompts="none", total_parameters=0)
        self.seconds = seconds
        self.batches = batches
        self.seen: list[list[str]] = []

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        if len(self.seen) == self.batches:
            raise KeyboardInterrupt
        time.sleep(self.seconds)
        self.seen.append([episode.image_id for episode in episodes])
        answers = []
        for episode in episodes:
            grey = episode.image.float().mean(dim=0)
            answers.append((grey - grey.mean())[None])
        return answers


class Talking(Bright):
    """As ``Bright``, but says hello to whoever listens."""

    def __init__(self) -> None:
        super().__init__()
        self.card = ModelCard(name="talking", prompts="none")

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        print("hello")
        return super().segment(episodes)


class Masked(Bright):
    """As ``Bright``, but asks for support masks."""

    def __init__(self) -> None:
        super().__init__()
        self.card = ModelCard(name="masked", prompts="mask")


class Wrong:
    """Answers with whatever it was given to answer with."""

    def __init__(self, answer: Callable[[Sequence[Episode]], Any]) -> None:
        self.card = ModelCard(name="wrong", prompts="none")
        self._answer = answer

    def segment(self, episodes: Sequence[Episode]) -> Any:
        return self._answer(episodes)


def digest(text: str) -> str:
    """SHA-256 (hex) of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
