"""The frozen encoder of ``prototype``: EfficientNet-Lite2 with a cache of its features, as supports recur."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from fsbench.models.effnet import (
    DEVIATION,
    LICENCE,
    MEAN,
    PARAMETERS,
    WEIGHTS_SHA256,
    feature_maps,
    fold_norms,
    network,
    weights_file,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LICENCE", "PARAMETERS", "WEIGHTS_SHA256", "Encoder", "weights_file"]

CACHED_BYTES = 512 * 2**20
"""Memory of the cache: the features of about 600 photographs of 500 x 375."""


class Encoder:
    """Encodes photographs one by one, so that batch-mates cannot change a feature; caches them by pixel digest."""

    def __init__(self) -> None:
        import torch

        self._net: Any = fold_norms(network()).to(memory_format=torch.channels_last)
        self._device = "cpu"
        self._kept: OrderedDict[str, tuple[Tensor, ...]] = OrderedDict()
        self._kept_bytes = 0

    def to(self, device: str) -> None:
        """Move the network to ``device``; another device clears the cache."""
        if device == self._device:
            return
        self._net.to(device)
        self._device = device
        self._kept.clear()
        self._kept_bytes = 0

    def encode(self, image: Tensor, longest: int) -> tuple[Tensor, ...]:
        """The three float maps of ``feature_maps``, C x ceil(H / stride) x ceil(W / stride), of a uint8 3xHxW image.

        An image whose longer side exceeds ``longest`` pixels is first shrunk to it.
        """
        pixels = image.cpu().contiguous().numpy()
        key = hashlib.sha256(f"{longest} {tuple(image.shape)} ".encode() + pixels.tobytes()).hexdigest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        maps = self._maps(image, longest)
        self._kept[key] = maps
        self._kept_bytes += _size(maps)
        while self._kept_bytes > CACHED_BYTES and len(self._kept) > 1:
            self._kept_bytes -= _size(self._kept.popitem(last=False)[1])
        return maps

    def _maps(self, image: Tensor, longest: int) -> tuple[Tensor, ...]:
        from torch.nn.functional import interpolate

        x = (image.to(self._device, non_blocking=True).float()[None] - MEAN) / DEVIATION
        height, width = image.shape[1:]
        if max(height, width) > longest:
            scale = longest / max(height, width)
            size = max(1, round(height * scale)), max(1, round(width * scale))
            x = interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        return tuple(features[0] for features in feature_maps(self._net, x))


def _size(maps: tuple[Tensor, ...]) -> int:
    return sum(m.numel() * m.element_size() for m in maps)
