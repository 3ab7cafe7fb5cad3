"""CLIP through open_clip: patch tokens of the image tower, and the unchanged text tower.

Tokens of a ViT are its patch tokens after the final norm, times the projection that CLIP trained for the class token
alone (Fusioner, BMVC 2022, section 3.1; the class token is dropped). Tokens of the ResNet are the cells of its map
before attention pooling, our reading of the paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusioner.encoders.catalogue import CLIP_MODELS, SOURCES, TEXT, VISUAL
from fusioner.encoders.frozen import TextEncoder, VisualEncoder, rows
from fusioner.encoders.spec import TextSpec
from fusioner.encoders.weights import digest, fill, find, read, under

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SPARE = ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size", "attn_mask")
"""Entries of CLIP's checkpoints that the towers don't use."""


class ClipViT(VisualEncoder):
    """Patch tokens of an open_clip ``VisionTransformer``."""

    def _tokens(self, pixels: Tensor) -> Tensor:
        import torch

        net = self._net
        patches = rows(net.conv1(pixels))
        first = net.class_embedding.expand(len(patches), 1, -1)
        x = torch.cat([first, patches], dim=1) + self._positions(*self.spec.grid(*pixels.shape[2:]))
        x = net.ln_post(net.transformer(net.ln_pre(x)))
        return x[:, 1:] @ net.proj  # type: ignore[no-any-return]

    def _positions(self, height: int, width: int) -> Tensor:
        """(1 + height * width) x C; resized as open_clip does for another size (bicubic, antialiased)."""
        import torch
        from torch.nn.functional import interpolate

        known: Tensor = self._net.positional_embedding
        side = self._net.grid_size
        if (height, width) == tuple(side):
            return known
        grid = known[1:].reshape(1, *side, -1).permute(0, 3, 1, 2)
        grid = interpolate(grid, (height, width), mode="bicubic", antialias=True, align_corners=False)
        return torch.cat([known[:1], rows(grid)[0]])


class ClipResNet(VisualEncoder):
    """Cells of the last map of an open_clip ``ModifiedResNet``."""

    def _tokens(self, pixels: Tensor) -> Tensor:
        net = self._net
        return rows(net.layer4(net.layer3(net.layer2(net.layer1(net.stem(pixels))))))


class ClipText(TextEncoder):
    """open_clip's ``encode_text``; longer texts are cut at 77 tokens."""

    def __init__(self, spec: TextSpec, net: torch.nn.Module, sha256: str) -> None:
        import open_clip

        super().__init__(spec, net, sha256)
        self._tokenizer: Any = open_clip.get_tokenizer(CLIP_MODELS[spec.name])

    def _pooled(self, texts: list[str]) -> Tensor:
        return self._net.encode_text(self._tokenizer(texts).to(self._device))  # type: ignore[no-any-return]


def architecture(name: str) -> torch.nn.Module:
    """open_clip's whole network for ``name``, without weights (on the meta device)."""
    import open_clip
    import torch

    with torch.device("meta"):
        return open_clip.CLIP(**open_clip.get_model_config(CLIP_MODELS[name]))  # type: ignore[no-any-return]


def image_tower(name: str) -> torch.nn.Module:
    """The image tower of ``architecture(name)``."""
    net: Any = architecture(name)
    if name == "clip-rn101":
        net.visual.attnpool = None
    return net.visual  # type: ignore[no-any-return]


def text_tower(name: str) -> torch.nn.Module:
    """The text tower of ``architecture(name)``, with its causal mask."""
    import torch

    net: Any = architecture(name)
    del net.visual, net.logit_scale
    side = net.context_length
    net.attn_mask = torch.full((side, side), float("-inf")).triu_(1)
    return net  # type: ignore[no-any-return]


def load_visual(name: str, given: Path | None) -> VisualEncoder:
    """The image tower with weights of a whole CLIP (names of open_clip); raises FsbenchError where they do not fit."""
    path = find(SOURCES[name], given)
    net = image_tower(name)
    fill(net, under(read(path), "visual."), str(path), spare=("attnpool.",) if name == "clip-rn101" else ())
    kind = ClipResNet if name == "clip-rn101" else ClipViT
    return kind(VISUAL[name], net, digest(net.state_dict()))


def load_text(name: str, given: Path | None) -> ClipText:
    """The text tower with weights of a whole CLIP (names of open_clip); raises FsbenchError where they do not fit."""
    path = find(SOURCES[name], given)
    net = text_tower(name)
    fill(net, read(path), str(path), spare=("visual.", *SPARE))
    return ClipText(TEXT[name], net, digest(net.state_dict()))
