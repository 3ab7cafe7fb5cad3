"""From fused visual tokens to a dense map: four 3x3 convolutions with instance norm, between which the grid doubles.

Fusioner (arXiv 2210.15138, section 3.4 and its released code). Most of the model's work is in convolutions of upsampled
maps. A 3x3 convolution is a sum of nine shifted 1x1 convolutions, and a 1x1 convolution commutes with bilinear
upsampling: so the nine products are taken at the small size, a quarter of the multiplications, and their results are
upsampled, shifted and added. Shifting and upsampling along one side is one constant matrix (``upsampling_taps``).

An instance norm cancels a bias before it: the biases of the four convolutions are parameters of the released model that
change nothing. They are kept and get zero gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsbench.errors import FsbenchError
from fusioner.fusion import undrawn

EPSILON = 1e-5
"""Of the instance norms: torch's default, as in the released code."""
BAND = 16
"""Rows of a large map that are multiplied at a time: few enough for a CPU's cache, measured."""


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept may be wanted in training next
def upsampling_taps(size: int, device: torch.device) -> Tensor:
    """float32 2n x 3n: bilinear upsampling of n points to 2n (align_corners off), shifted by each of three taps, added.

    Row i, column 3-tap-major ``tap * n + j``: how much of point j, multiplied by tap 0, 1 or 2 of a convolution with
    zero padding, comes to output i.
    """
    up = functional.interpolate(torch.eye(size)[None], scale_factor=2, mode="linear", align_corners=False)[0].T
    padded = functional.pad(up, (0, 0, 1, 1))
    return torch.cat([padded[tap : tap + 2 * size] for tap in range(3)], dim=1).to(device)


def taps_of(weight: Tensor) -> Tensor:
    """A convolution's weight, o x c x 3 x 3, as nine 1x1 convolutions: 3 (down) x c x 3 (across) o."""
    return weight.permute(2, 1, 3, 0).flatten(2).contiguous()


def upsampled_conv(x: Tensor, taps: Tensor, band: int = BAND) -> Tensor:
    """``conv2d(upsample2x(x), weight, padding=1)`` of one map, h x w x c -> 2h x 2w x o, at a quarter of the products.

    ``taps`` is ``taps_of(weight)``. A map of more than two bands of rows is done band by band.
    """
    h, w, _ = x.shape
    down, across = (upsampling_taps(n, x.device) for n in (h, w))
    down = down.reshape(2 * h, 3, h)
    across = across.reshape(2 * w, 3, w).transpose(1, 2).flatten(1)  # columns: point, then tap
    bands = []
    step = h if h <= 2 * band else band
    for first in range(0, h, step):
        last = min(first + step, h)
        low, high = max(first - 1, 0), min(last + 1, h)  # a row's outputs need its neighbours
        products = torch.matmul(x[low:high].flatten(0, 1)[None], taps)  # 3 (down) x rows w x 3 (across) o
        here = down[2 * first : 2 * last, :, low:high].flatten(1).to(products.dtype)
        rows = here @ products.reshape(here.shape[1], -1)  # 2 rows x w 3 o
        rows = rows.reshape(here.shape[0], 3 * w, -1)
        # not matmul, which would turn and copy ``rows`` where gradients are wanted
        bands.append(torch.bmm(across.to(rows.dtype).expand(len(rows), -1, -1), rows))
    return bands[0] if len(bands) == 1 else torch.cat(bands)


def plain_conv(x: Tensor, weight: Tensor) -> Tensor:
    """``conv2d(x, weight, padding=1)`` of one map, h x w x c -> h x w x o."""
    return functional.conv2d(x.permute(2, 0, 1)[None], weight, padding=1)[0].permute(1, 2, 0)


class _Normed(torch.autograd.Function):
    """Instance norm and ReLU of h x w x c; its gradient takes a quarter of the time of torch's own for this layout."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        # of one image, batch norm with its own statistics is instance norm
        image = x.permute(2, 0, 1)[None]
        whitened, _, scale = torch.native_batch_norm(image, None, None, None, None, True, 0.0, EPSILON)
        whitened = whitened[0].permute(1, 2, 0)
        ctx.save_for_backward(whitened, scale)
        return whitened.relu()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        whitened, scale = ctx.saved_tensors
        passed = torch.ops.aten.threshold_backward(gradient, whitened, 0)
        mean = passed.mean((0, 1), dtype=scale.dtype)
        along = (passed * whitened).mean((0, 1), dtype=scale.dtype)
        scale, mean, along = (value.to(passed.dtype) for value in (scale, mean, along))
        inward: Tensor = passed.addcmul_(whitened, along, value=-1).sub_(mean).mul_(scale)
        return inward


def normed(x: Tensor) -> Tensor:
    """Instance norm without affine, then ReLU, of one map, h x w x c."""
    out: Tensor = _Normed.apply(x)
    return out


class Decoder(nn.Module):
    """Tokens on a grid to a map of the same width, larger by the last of ``scales``; weights are drawn by ``Fusioner``.

    ``scales`` as in ``FusionConfig``: the paper's are (2, 4, 8).
    """

    def __init__(self, width: int, scales: tuple[int, int, int] = (2, 4, 8)) -> None:
        super().__init__()
        self.doubles = [after == 2 * before for before, after in zip((1, *scales), scales, strict=False)]
        self.conv_0, self.conv_1, self.conv_2, self.conv_3 = (
            undrawn(nn.Conv2d, width, width, 3, padding=1) for _ in range(4)
        )
        self.conv_4 = undrawn(nn.Conv2d, width, width, 1)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Iterator[Tensor]:
        """M x N x d, row by row of the grid (gh, gw) -> M maps (8gh x 8gw x d) before the last upsampling.

        Maps come one by one to save memory, channels last. Raises FsbenchError for a grid of one point, which has no
        instance norm.
        """
        if grid[0] * grid[1] < 2:
            raise FsbenchError(f"the grid is {grid[0]} x {grid[1]}: one point cannot be normalised: use a larger image")
        convs = (self.conv_0, self.conv_1, self.conv_2, self.conv_3)
        unused = torch.stack([conv.bias.sum() for conv in convs if conv.bias is not None]).sum() * 0
        stages = list(zip(convs[1:], self.doubles, strict=True))
        taps = [taps_of(conv.weight) if doubled else conv.weight for conv, doubled in stages]
        for image in tokens:
            x = normed(plain_conv(image.reshape(*grid, -1), self.conv_0.weight))
            for of_stage, doubled in zip(taps, self.doubles, strict=True):
                x = normed(upsampled_conv(x, of_stage) if doubled else plain_conv(x, of_stage))
            yield functional.linear(x, self.conv_4.weight.flatten(1), self.conv_4.bias) + unused


def full_size(decoded: Tensor, target: tuple[int, int]) -> Tensor:
    """The last step of the released decoder: one map, h x w x d -> d x H x W, bilinear. Large: only for comparisons."""
    return functional.interpolate(decoded.permute(2, 0, 1)[None], size=target, mode="bilinear", align_corners=False)[0]
