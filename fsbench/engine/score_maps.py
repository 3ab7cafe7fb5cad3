"""Score maps to masks and labels at another size, on the device where the scores are.

The arithmetic is spelled out: columns first, then rows, one multiplication or addition at a time, each rounded as
IEEE 754 says. So a CPU of any kind and a GPU give the same masks, which the kernels of ``interpolate`` do not: they
fuse operations, each in its own way. Masks come back with a bit a pixel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fsbench.io.resize import Size

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Masks = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]


def score_masks(scores: Tensor, target: Size) -> Masks:
    """Where float scores K x H' x W', resized to ``target``, are above 0: bool K x h x w."""
    above = resize_bilinear(scores, target) > 0
    if above.device.type == "cpu":
        masks: Masks = above.numpy()
        return masks
    packed = _pack_bits(above).cpu().numpy()
    return np.unpackbits(packed, count=above.numel()).view(np.bool_).reshape(tuple(above.shape))


def score_labels(scores: Tensor, target: Size) -> Labels:
    """The place + 1 of the largest positive score, of equal ones the first, else 0: uint8 h x w."""
    import torch

    resized = resize_bilinear(scores, target)
    largest = resized.amax(dim=0)
    falling = torch.arange(len(resized), 0, -1, dtype=torch.int16, device=resized.device)[:, None, None]
    first = len(resized) - ((resized == largest) * falling).amax(dim=0)  # argmax promises no order of equal ones
    labels: Labels = torch.where(largest > 0, first + 1, 0).to(torch.uint8).cpu().numpy()
    return labels


def resize_bilinear(scores: Tensor, target: Size) -> Tensor:
    """Float K x H' x W' resized to ``target``: the rule of ``interpolate(mode="bilinear", align_corners=False)``."""
    (height, width), kind, device = scores.shape[1:], scores.dtype, scores.device
    if width != target[1]:
        left, right, of_left, of_right = _axis(width, target[1], kind, device)
        scores = scores.index_select(2, left).mul_(of_left).add_(scores.index_select(2, right).mul_(of_right))
    if height != target[0]:
        upper, lower, of_upper, of_lower = (axis.view(-1, 1) for axis in _axis(height, target[0], kind, device))
        above, below = scores.index_select(1, upper[:, 0]), scores.index_select(1, lower[:, 0])
        scores = above.mul_(of_upper).add_(below.mul_(of_lower))
    return scores


@lru_cache(maxsize=4096)
def _axis(size: int, target: int, kind: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each of ``target`` places: the two source places it lies between, and their weights."""
    import torch

    exact: Any = np.float64 if kind == torch.float64 else np.float32
    places = (np.arange(target, dtype=exact) + exact(0.5)) * (exact(size) / exact(target)) - exact(0.5)
    places = np.maximum(places, exact(0))
    before = np.minimum(places.astype(np.int64), size - 1)
    after = np.minimum(before + 1, size - 1)
    weight = np.clip(places - before.astype(exact), exact(0), exact(1))
    first, second, of_first, of_second = map(torch.from_numpy, (before, after, exact(1) - weight, weight))
    return first.to(device), second.to(device), of_first.to(device), of_second.to(device)


def _pack_bits(above: Tensor) -> Tensor:
    """Bools as uint8, eight a byte, the first the highest bit, as ``numpy.packbits``."""
    import torch
    from torch.nn.functional import pad

    bits = above.reshape(-1).to(torch.uint8)
    eights = pad(bits, (0, -len(bits) % 8)).view(-1, 8)
    powers = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=bits.device)
    return (eights * powers).sum(dim=1, dtype=torch.uint8)
