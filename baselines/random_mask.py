"""Tosses a coin per pixel: half of the foreground is found, and half of the background is taken for foreground.

The tosses for a prompt are the bits of SHAKE-256 over a text that describes it, so neither the order of episodes nor
the batch size matters, and a program in any language can repeat them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from baselines.guess import Guess
from fsbench.models.contract import Episode, Prompt

if TYPE_CHECKING:
    from torch import Tensor


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


def build(*, seed: int = 0) -> Guess:
    """The model; another ``seed`` gives other tosses."""

    def masks(episode: Episode) -> Tensor:
        import torch

        size = episode.image.shape[1:]
        return torch.stack([tosses(seed, episode.image_id, prompt, *size) for prompt in episode.prompts])

    return Guess("random", "each pixel is foreground with probability 1/2", masks)
