"""Fusioner: fusion, decoder and head in one module, with weights from a seed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fusioner.decoder import Decoder
from fusioner.fusion import Draws, Fusion, FusionConfig
from fusioner.head import cosine_logits
from fusioner.recipes import Start


class Fusioner(nn.Module):
    """The trained part: everything between the frozen encoders' features and the logits.

    Weights follow from ``config``, ``seed`` and ``start``; the global random state is neither read nor changed. Under
    ``torch.device("meta")`` only shapes are made.
    """

    def __init__(self, config: FusionConfig, seed: int = 0, start: Start = "released") -> None:
        super().__init__()
        self.config = config
        self.fusion = Fusion(config)
        self.decoder = Decoder(config.d_model, config.scales)
        if not self.fusion.cls_emb.is_meta:
            draw_weights(self, torch.Generator().manual_seed(seed), start)

    def forward(
        self,
        visual: Tensor,
        text: Tensor,
        grid: tuple[int, int],
        target: tuple[int, int],
        draws: Draws | None = None,
    ) -> Tensor:
        """Logits of each class, every class alone with the image: B x K x H x W; foreground where above 0.

        ``visual`` is B x N x Dv (N = gh * gw, row by row), ``text`` B x K x Dt, ``target`` (H, W). ``draws``: of
        dropout, needed in training alone.
        """
        v, t = self.fusion(visual, text, draws)
        apart = v.shape[1]  # K, or 1 in late fusion
        return self._logits(v.flatten(0, 1), t.reshape(v.shape[0] * apart, -1, t.shape[-1]), grid, target).reshape(
            *text.shape[:2], *target
        )

    def joint(
        self,
        visual: Tensor,
        text: Tensor,
        grid: tuple[int, int],
        target: tuple[int, int],
        draws: Draws | None = None,
    ) -> Tensor:
        """The variant ``joint``: as ``forward``, but all classes in one pass, so they see one another.

        The logits of a class depend on the others: always pass the same ones.
        """
        v, t = self.fusion.joint(visual, text, draws)
        return self._logits(v, t, grid, target)

    def _logits(self, v: Tensor, t: Tensor, grid: tuple[int, int], target: tuple[int, int]) -> Tensor:
        """M x N x d and M x K x d -> M x K x H x W."""
        maps = zip(self.decoder(v, grid), t, strict=True)
        return torch.stack([cosine_logits(z, names, target, self.config.temperature) for z, names in maps])


@torch.no_grad()
def draw_weights(model: Fusioner, generator: torch.Generator, start: Start = "released") -> None:
    """Initial weights, in the order of ``named_parameters``; ``released``: as in the released code.

    Linears and the class vector: normal of deviation 0.02 cut off at 2, biases 0; the two last matrices: normal of
    deviation d^-0.5 (both from Segmenter's MaskTransformer, arXiv 2105.05633, on which the fusion is built).
    Convolutions: torch's default, uniform within 1 / sqrt(inputs). *Our reading* where the paper is silent.
    ``identity``: ours, for few steps: the two last matrices begin as identity, linears as torch's default.
    """
    for name, parameter in model.named_parameters():
        layer = name.rpartition(".")[0]
        of_linear = isinstance(model.get_submodule(layer), nn.Linear)
        if start == "identity" and name in ("fusion.proj_patch", "fusion.proj_classes"):
            nn.init.eye_(parameter)
        elif name.startswith("decoder.") or (start == "identity" and of_linear):
            bound = 1 / math.sqrt(model.get_parameter(layer + ".weight")[0].numel())
            parameter.uniform_(-bound, bound, generator=generator)
        elif name in ("fusion.proj_patch", "fusion.proj_classes"):
            parameter.normal_(0, model.config.d_model**-0.5, generator=generator)
        elif name == "fusion.cls_emb" or (parameter.dim() > 1):
            nn.init.trunc_normal_(parameter, std=0.02, generator=generator)
        elif name.endswith(".bias"):
            parameter.zero_()
        else:
            parameter.fill_(1)
