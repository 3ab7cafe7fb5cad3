"""DINO, MoCo v3 and any other model of timm with a dense map: its last map or patch tokens, after the final norm.

The class token and registers are dropped. Vision transformers take any size that is a multiple of the patch, their
positions resized by timm (bicubic).
"""

from __future__ import annotations

import inspect
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbench.errors import FsbenchError
from fusioner.encoders.catalogue import HUB, SOURCES, VISUAL, hub_source
from fusioner.encoders.frozen import VisualEncoder, rows
from fusioner.encoders.spec import Origin, VisualSpec
from fusioner.encoders.weights import Source, digest, fill, find, read, under

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "timm:"
NAMED = {"dino-vit-b-16": "vit_base_patch16_224.dino", "moco-v3-vit-b-16": "vit_base_patch16_224"}
"""Our name -> timm's; that of ``timm:NAME`` is NAME."""
MOCO = ("module.base_encoder.", "base_encoder.", "module.momentum_encoder.", "momentum_encoder.", "module.")
"""Prefixes of the encoder in MoCo v3's checkpoints; its own linear evaluation takes the first."""
DINO = ("backbone.", "module.backbone.", "module.")
"""Prefixes of the encoder in DINO's full checkpoints, and in those of training with several GPUs."""


class TimmVisual(VisualEncoder):
    """The last map of a timm model."""

    def _tokens(self, pixels: Tensor) -> Tensor:
        return rows(_last_map(self._net, pixels))


def _last_map(net: Any, pixels: Tensor) -> Tensor:
    """B x C x h x w, normed as for a classifier."""
    maps = net.forward_intermediates(pixels, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True)
    return maps[-1]  # type: ignore[no-any-return]


def network(name: str) -> Any:
    """timm's network behind ``name``, without classifier, with timm's random weights, for any size if possible.

    Raises FsbenchError for a model that timm does not have or that has no dense map.
    """
    import timm
    import torch

    model = NAMED.get(name, name.removeprefix(PREFIX))
    if not timm.is_model(model.partition(".")[0]):
        raise FsbenchError(f"{name}: timm {timm.__version__} has no model {model!r}: see timm.list_models()")
    try:
        with torch.device("meta"):
            takes = inspect.signature(type(timm.create_model(model, num_classes=0)).__init__).parameters
        wanted: dict[str, Any] = {"dynamic_img_size": True, "strict_img_size": False}
        with torch.random.fork_rng(devices=[]):
            net = timm.create_model(model, num_classes=0, **{k: v for k, v in wanted.items() if k in takes})
    except RuntimeError as error:  # an unknown tag after the point
        raise FsbenchError(f"{name}: timm {timm.__version__}: {error}: see timm.list_pretrained()") from error
    if not hasattr(net, "forward_intermediates") or not hasattr(net, "feature_info"):
        raise FsbenchError(f"{name}: this model of timm has no dense map (no forward_intermediates): choose another")
    return net.eval().requires_grad_(False)


@lru_cache(maxsize=16)
def spec(name: str) -> VisualSpec:
    """The spec of ``timm:NAME``, found by running the network on the meta device."""
    import torch

    with torch.device("meta"):
        net = network(name)
        config = net.pretrained_cfg
        stride = int(net.feature_info[-1]["reduction"])
        height, width = (-(-side // stride) * stride for side in config["input_size"][1:])
        width_of, fits = _probe(net, height, width, stride)
        if not fits:
            raise FsbenchError(f"{name}: its last map is not one cell for {stride} x {stride} pixels: choose another")
        free = _probe(net, height + stride, width + 3 * stride, stride)[1]
    origin = Origin(
        config.get("license") or "unknown",
        HUB + config["hf_hub_id"] if config.get("hf_hub_id") else config.get("origin_url") or "unknown",
        f"timm's tag {config['tag']!r}" if config.get("tag") else "unknown",
    )
    mean, std = ((float(a), float(b), float(c)) for a, b, c in (config["mean"], config["std"]))
    return VisualSpec(name, width_of, stride, mean, std, origin, None if free else (height, width))


def _probe(net: Any, height: int, width: int, stride: int) -> tuple[int, bool]:
    """Channels of the map of an image of this size, and whether it has a cell for each stride x stride pixels."""
    import torch

    try:
        shape = _last_map(net, torch.empty(1, 3, height, width, device="meta")).shape
    except (AssertionError, RuntimeError, ValueError):  # how networks refuse a size
        return 0, False
    return shape[1], tuple(shape[2:]) == (height // stride, width // stride)


def _holds_all(net: Any) -> bool:
    """Whether the state dict holds every tensor of the network, so that it can be built on the meta device."""
    import torch

    tensors = {name for name, _ in (*net.named_parameters(), *net.named_buffers())}
    loose = any(isinstance(value, torch.Tensor) for module in net.modules() for value in vars(module).values())
    return not loose and tensors <= net.state_dict().keys()


def load_visual(name: str, given: Path | None) -> TimmVisual:
    """The network behind ``name``; raises FsbenchError where the weights do not fit.

    timm's own conversion of official checkpoints with other names is applied first, where the model has one.
    """
    import torch

    known = VISUAL.get(name) or spec(name)
    path = find(source(name) if given is None else Source(name, "", ""), given)
    with torch.device("meta"):
        net = network(name)
    if not _holds_all(net):
        net = network(name)
    weights: Any = under(read(path), *(MOCO if name == "moco-v3-vit-b-16" else DINO))
    convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    if convert:
        weights = convert(weights, net)
    heads = net.pretrained_cfg.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    fill(net, weights, str(path), spare=(*(f"{head}." for head in heads), "head.", "head_dist."))
    return TimmVisual(known, net, digest(net.state_dict()))


def source(name: str) -> Source:
    """Where the weights behind ``name`` are published."""
    if name in SOURCES:
        return SOURCES[name]
    import timm

    config: Any = timm.get_pretrained_cfg(name.removeprefix(PREFIX))
    file = config.hf_hub_filename or "model.safetensors"
    if config.hf_hub_id:
        return hub_source(name, config.hf_hub_id.rstrip("/"), file)
    return Source(name, config.url or config.origin_url or "the page of its authors", file)
