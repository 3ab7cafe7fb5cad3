"""Cosine similarity of every pixel with every class at the target size, without a d-channel map of that size.

The released head upsamples a d-channel map to the target and normalises it there. But upsampling commutes with the dot
product, so the K dot products are upsampled. And the squared norm of an interpolated vector follows from the inner
products of its four neighbours: five numbers a pixel of the small map (with itself, and its neighbours to the right,
below, and on both diagonals) give it at any target size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_NORM = 1e-12
"""A pixel whose vector vanishes has the cosine 0, as in ``functional.normalize``."""


def corners(small: int, large: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Per point of the large side: its two neighbours on the small side (int64) and the weight of the second.

    As in torch's bilinear interpolation with align_corners off.
    """
    where = (torch.arange(large, device=device, dtype=torch.float64) + 0.5) * (small / large) - 0.5
    where = where.clamp(0, small - 1)
    first = where.floor().long()
    return first, (first + 1).clamp(max=small - 1), where - first


class _NeighbourProducts(torch.autograd.Function):
    """Inner products of neighbours in z (h x w x d): itself, right, below, below right, and below left.

    Each is h x w, without the missing neighbours: right h x (w-1), below (h-1) x w, the diagonals (h-1) x (w-1); the
    last holds the products of (y, x+1) with (y+1, x). One matrix product a row, and three a row for the gradient, are
    faster than elementwise passes over z.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(z)
        within = z @ z.transpose(-1, -2)
        between = z[:-1] @ z[1:].transpose(-1, -2)
        wanted = ((within, 0), (within, 1), (between, 0), (between, 1), (between, -1))
        return tuple(products.diagonal(offset, dim1=-2, dim2=-1).contiguous() for products, offset in wanted)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        itself, right, below, falling, rising = gradients
        within = torch.diag_embed(2 * itself) + torch.diag_embed(right, 1) + torch.diag_embed(right, -1)
        between = torch.diag_embed(below) + torch.diag_embed(falling, 1) + torch.diag_embed(rising, -1)
        inward: Tensor = within @ z
        inward[:-1].baddbmm_(between, z[1:])
        inward[1:].baddbmm_(between.transpose(-1, -2), z[:-1])
        return inward


def interpolated_norms(z: Tensor, target: tuple[int, int]) -> Tensor:
    """Euclidean norms of z (h x w x d) interpolated bilinearly to the target: H x W."""
    itself, right, below, falling, rising = _NeighbourProducts.apply(z)
    y0, y1, y = corners(z.shape[0], target[0], z.device)
    x0, x1, x = corners(z.shape[1], target[1], z.device)
    y, x = y.to(z.dtype)[:, None], x.to(z.dtype)

    def at(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        padded = functional.pad(values, (0, z.shape[1] - values.shape[1], 0, z.shape[0] - values.shape[0]))
        return padded.index_select(0, rows).index_select(1, columns)

    squared = (
        ((1 - y) * (1 - x)) ** 2 * at(itself, y0, x0)
        + ((1 - y) * x) ** 2 * at(itself, y0, x1)
        + (y * (1 - x)) ** 2 * at(itself, y1, x0)
        + (y * x) ** 2 * at(itself, y1, x1)
        + 2 * x * (1 - x) * ((1 - y) ** 2 * at(right, y0, x0) + y**2 * at(right, y1, x0))
        + 2 * y * (1 - y) * ((1 - x) ** 2 * at(below, y0, x0) + x**2 * at(below, y0, x1))
        + 2 * y * (1 - y) * x * (1 - x) * (at(falling, y0, x0) + at(rising, y0, x0))
    )
    return squared.clamp(min=SMALLEST_NORM**2).sqrt()


def cosine_logits(z: Tensor, text: Tensor, target: tuple[int, int], temperature: float) -> Tensor:
    """Cosine of each pixel with each class over the temperature: h x w x d and K x d -> K x H x W.

    Foreground where above 0, that is where the sigmoid is above 0.5. In float32 at least, whatever autocast says.
    """
    with torch.autocast(z.device.type, enabled=False):
        if z.dtype in (torch.float16, torch.bfloat16):
            z = z.float()
        text = functional.normalize(text.to(z.dtype), dim=-1)
        dots = (z @ text.T).permute(2, 0, 1)[None]
        dots = functional.interpolate(dots, size=target, mode="bilinear", align_corners=False)[0]
        return dots / (interpolated_norms(z, target) * temperature)
