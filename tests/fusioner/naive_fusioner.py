"""Fusioner the plain way, as released: a second implementation that shares no line with ours, and golden files by it.

It works on a dictionary of weights. Attention is spelled out, convolutions run on upsampled maps, and cosine similarity
is taken on d-channel maps of the target size. ``benchmarks/fusioner_speed.py`` measures against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]
Pair = tuple[int, int]


def _linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _layer_norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])


def _attention(weights: Weights, name: str, x: Tensor, heads: int) -> Tensor:
    b, n, d = x.shape
    q, k, v = _linear(weights, f"{name}.qkv", x).reshape(b, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    shares = (q @ k.transpose(-2, -1) * (d // heads) ** -0.5).softmax(dim=-1)
    return _linear(weights, f"{name}.proj", (shares @ v).transpose(1, 2).reshape(b, n, d))


def fused(weights: Weights, visual: Tensor, text: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """B x N x Dv, B x K x Dt -> B x N x d, B x K x d, all tokens together."""
    v = _layer_norm(weights, "fusion.visual_proj.0", visual)
    v = _layer_norm(weights, "fusion.visual_proj.2", _linear(weights, "fusion.visual_proj.1", v))
    t = _linear(weights, "fusion.text_proj.1", _layer_norm(weights, "fusion.text_proj.0", text))
    x = torch.cat((v, t + weights["fusion.cls_emb"]), dim=1)
    layers = len([name for name in weights if name.endswith(".attn.qkv.bias")])
    for block in (f"fusion.blocks.{layer}" for layer in range(layers)):
        x = x + _attention(weights, f"{block}.attn", _layer_norm(weights, f"{block}.norm1", x), heads)
        wide = functional.gelu(_linear(weights, f"{block}.mlp.fc1", _layer_norm(weights, f"{block}.norm2", x)))
        x = x + _linear(weights, f"{block}.mlp.fc2", wide)
    x = _layer_norm(weights, "fusion.norm", x)
    n = visual.shape[1]
    return x[:, :n] @ weights["fusion.proj_patch"], x[:, n:] @ weights["fusion.proj_classes"]


def decoded(weights: Weights, tokens: Tensor, grid: Pair, target: Pair) -> Tensor:
    """B x N x d -> B x d x H x W."""
    x = tokens.transpose(1, 2).reshape(tokens.shape[0], -1, *grid)
    for stage, times in enumerate((2, 4, 8)):
        x = functional.conv2d(
            x, weights[f"decoder.conv_{stage}.weight"], weights[f"decoder.conv_{stage}.bias"], padding=1
        )
        x = functional.relu(functional.instance_norm(x))
        size = (grid[0] * times, grid[1] * times)
        x = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
    x = functional.conv2d(x, weights["decoder.conv_3.weight"], weights["decoder.conv_3.bias"], padding=1)
    x = functional.conv2d(
        functional.relu(functional.instance_norm(x)), weights["decoder.conv_4.weight"], weights["decoder.conv_4.bias"]
    )
    return functional.interpolate(x, size=target, mode="bilinear", align_corners=False)


def outputs(
    weights: Weights,
    visual: Tensor,
    text: Tensor,
    grid: Pair,
    target: Pair,
    heads: int,
    temperature: float = 0.07,
) -> dict[str, Tensor]:
    """Everything a golden file holds, all classes passing together."""
    fused_visual, fused_text = fused(weights, visual, text, heads)
    maps = decoded(weights, fused_visual, grid, target)
    pixels, names = functional.normalize(maps, dim=1), functional.normalize(fused_text, dim=-1)
    logits = torch.einsum("bdhw,bkd->bkhw", pixels, names) / temperature
    return {"fused_visual": fused_visual, "fused_text": fused_text, "decoded": maps, "logits": logits}


def random_weights(d: int, layers: int, visual_dim: int, text_dim: int, seed: int) -> dict[str, Tensor]:
    """Weights under their released names, none of them zero or one, so that every one of them counts."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, mean: float = 0.0, deviation: float = 0.2) -> Tensor:
        return mean + deviation * torch.randn(shape, generator=draw)

    def norm(name: str, width: int) -> dict[str, Tensor]:
        return {f"{name}.weight": normal(width, mean=1.0), f"{name}.bias": normal(width)}

    def linear(name: str, outputs: int, inputs: int, *kernel: int) -> dict[str, Tensor]:
        fan = inputs * (kernel[0] ** 2 if kernel else 1)
        weight = normal(outputs, inputs, *kernel, deviation=fan**-0.5)
        return {f"{name}.weight": weight, f"{name}.bias": normal(outputs)}

    weights = {"fusion.cls_emb": normal(1, d)}
    weights |= {f"fusion.{name}": normal(d, d, deviation=d**-0.5) for name in ("proj_patch", "proj_classes")}
    for block in (f"fusion.blocks.{layer}" for layer in range(layers)):
        weights |= norm(f"{block}.norm1", d) | norm(f"{block}.norm2", d)
        weights |= linear(f"{block}.attn.qkv", 3 * d, d) | linear(f"{block}.attn.proj", d, d)
        weights |= linear(f"{block}.mlp.fc1", 4 * d, d) | linear(f"{block}.mlp.fc2", d, 4 * d)
    weights |= norm("fusion.visual_proj.0", visual_dim) | linear("fusion.visual_proj.1", d, visual_dim)
    weights |= norm("fusion.visual_proj.2", d) | norm("fusion.text_proj.0", text_dim)
    weights |= linear("fusion.text_proj.1", d, text_dim) | norm("fusion.norm", d)
    for stage in range(4):
        weights |= linear(f"decoder.conv_{stage}", d, d, 3, 3)
    return weights | linear("decoder.conv_4", d, d, 1, 1)


def write_golden(
    path: Path,
    *,
    d: int = 8,
    layers: int = 2,
    heads: int = 2,
    visual_dim: int = 6,
    text_dim: int = 5,
    batch: int = 2,
    classes: int = 1,
    grid: int | Pair = 3,
    target: int | Pair = 20,
    temperature: float = 0.07,
    seed: int = 0,
    changed: Mapping[str, np.ndarray] | None = None,
    without: tuple[str, ...] = (),
) -> Path:
    """A golden file of any sizes, by the plain way; ``changed`` arrays replace its own, ``without`` are left out."""
    weights = random_weights(d, layers, visual_dim, text_dim, seed)
    pairs = [side if isinstance(side, tuple) else (side, side) for side in (grid, target)]
    draw = torch.Generator().manual_seed(seed + 1)
    visual = functional.normalize(torch.randn(batch, pairs[0][0] * pairs[0][1], visual_dim, generator=draw), dim=-1)
    text = functional.normalize(torch.randn(batch, classes, text_dim, generator=draw), dim=-1)
    meta = {"d_model": d, "layers": layers, "heads": heads, "grid": grid, "target": target}
    meta |= {"temperature": temperature, "visual_dim": visual_dim, "text_dim": text_dim}
    made = weights | {"visual": visual, "text": text}
    made |= outputs(weights, visual, text, pairs[0], pairs[1], heads, temperature)
    arrays = {"meta": np.array(str(meta)), **{name: value.numpy() for name, value in made.items()}, **(changed or {})}
    np.savez(path, **{name: array for name, array in arrays.items() if name not in without})
    return path
