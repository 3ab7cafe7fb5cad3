"""Answers a coin toss per pixel: half of the foreground is found, and half of the background is taken for it.

The tosses of a question are the bits of SHAKE-256 over a spelled-out text of what is asked, so neither the order of
the questions nor the size of a batch matters, and a program in any language can toss the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsbench.models.contract import UNTRAINED, Episode, ModelCard, Prompt

if TYPE_CHECKING:
    from torch import Tensor

card = ModelCard(
    name="random",
    prompts="none",
    description="each pixel is foreground with probability 1/2",
    trained_parameters=0,
    total_parameters=0,
    licence="Apache-2.0",
    training={"*": UNTRAINED},
)


def tosses(seed: int, image_id: str, prompt: Prompt, height: int, width: int) -> Tensor:
    """Bool height x width, row by row the bits of SHAKE-256("random|seed|image|class|supports"), high bit first.

    ``supports`` is the SHA-256 (hex) of each support mask's bytes, joined by commas: masks are exact, whereas two
    decoders may disagree about a photograph by a grey level.
    """
    import numpy as np
    import torch

    supports = ",".join(hashlib.sha256(m.cpu().numpy().tobytes()).hexdigest() for m in prompt.support_masks)
    text = f"random|{seed}|{image_id}|{prompt.class_name}|{supports}"
    stream = hashlib.shake_256(text.encode()).digest((height * width + 7) // 8)
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8), count=height * width)
    return torch.from_numpy(bits.reshape(height, width)).bool()


class Random:
    """Each pixel is foreground with probability 1/2."""

    card = card

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
        """One bool mask per episode, K x H x W."""
        import torch

        return [
            torch.stack([tosses(self.seed, e.image_id, p, *e.image.shape[1:]) for p in e.prompts]) for e in episodes
        ]


def build(*, seed: int = 0) -> Random:
    """The model; ``seed`` gives other tosses."""
    return Random(seed)
