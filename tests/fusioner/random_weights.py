"""Random weights of published shapes, for tests without real ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def random_images(*shape: int) -> Tensor:
    """Images B x 3 x H x W in 0..1."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def random_state(shapes: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Float32 tensors of the names and shapes of ``shapes`` (a state dict, of the meta device too), by ``seed``.

    Matrices keep the scale of their input, gains and variances are near 1. Integers are left out.
    """
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
