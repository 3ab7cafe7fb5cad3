"""Encoders of the published shapes with random weights: for measuring speed and for tests where no weights can be had.

Their tokens mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fsbench.errors import FsbenchError
from fusioner.encoders.catalogue import CLIP_MODELS, EFFNET_LEVELS
from fusioner.encoders.spec import VisualEncoder

if TYPE_CHECKING:
    from torch import Tensor


def random_state(shapes: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Float32 tensors of the names and shapes of ``shapes`` (a state dict, of the meta device too), by ``seed``.

    Matrices keep the scale of what goes through them, gains and variances are near 1. Whole numbers are left out.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, tensor in shapes.items():
        if not tensor.is_floating_point():
            continue
        values = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim > 1:
            made[name] = values.mul_(max(1, tensor[0].numel()) ** -0.5)
        elif name.endswith("running_var"):
            made[name] = values.abs_().mul_(0.1).add_(1)
        else:
            made[name] = values.mul_(0.1).add_(1 if name.endswith("weight") else 0)
    return made


def random_visual(name: str, seed: int = 0) -> VisualEncoder:
    """``name`` (not ``effnet-lite2``, whose weights are at hand) with random weights."""
    if name in CLIP_MODELS:
        from fusioner.encoders import clip

        return clip.visual_from(name, random_state(clip.architecture(name).state_dict(), seed), f"seed {seed}")
    if name in EFFNET_LEVELS:
        raise FsbenchError(f"{name}: its weights are in a package: load_visual({name!r})")
    from fusioner.encoders import timm_models

    own = timm_models.network(name).state_dict()
    return timm_models.visual_from(name, own | random_state(own, seed), f"seed {seed}")
