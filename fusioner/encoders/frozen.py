"""The two kinds of encoders: images to patch tokens, and texts to vectors.

Encoders are frozen. They are no ``nn.Module``s, so that a model that holds one neither trains nor saves it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from fsbench.errors import FsbenchError
from fusioner.encoders.spec import TextSpec, VisualSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TEXTS_AT_ONCE = 256
"""Texts embedded in one pass, to bound memory."""


class Encoder:
    """A frozen network. ``digest``: SHA-256 of its weights (see ``weights.digest``)."""

    def __init__(self, net: torch.nn.Module, digest: str) -> None:
        import torch

        self._net: Any = net.eval().requires_grad_(False)
        self._device = torch.device("cpu")
        self.digest = digest

    @property
    def parameters(self) -> int:
        """The number of weights, all of them frozen."""
        return sum(p.numel() for p in self._net.parameters())

    def to(self, device: str | torch.device) -> Self:
        """Move to ``device``, where outputs are from then on."""
        import torch

        self._net.to(device)
        self._device = torch.device(device)
        return self


class VisualEncoder(Encoder, ABC):
    """Images to patch tokens of length 1; a family implements ``_tokens``."""

    def __init__(self, spec: VisualSpec, net: torch.nn.Module, digest: str) -> None:
        super().__init__(net, digest)
        self.spec = spec

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (float Bx3xHxW in 0..1, RGB) to L2-normalised float32 tokens B x N x width, row by row.

        N is rows times columns of ``spec.grid(H, W)``; no gradients. Raises FsbenchError for images of another kind or
        of a size that ``spec.grid`` refuses.
        """
        import torch
        from torch.nn.functional import normalize

        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise FsbenchError(
                f"{self.spec.name}: expected float images B x 3 x H x W in 0..1, not {images.dtype} of shape "
                f"{tuple(images.shape)}"
            )
        self.spec.grid(images.shape[2], images.shape[3])
        with torch.no_grad():  # inference_mode would bar the tokens from training what comes after
            pixels = images.to(self._device, torch.float32, non_blocking=True)
            mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.spec.mean, self.spec.std))
            return normalize(self._tokens((pixels - mean) / std).float(), dim=-1)

    @abstractmethod
    def _tokens(self, pixels: Tensor) -> Tensor:
        """Normalised pixels, float32 Bx3xHxW, to tokens B x N x width of any length."""


class TextEncoder(Encoder, ABC):
    """Texts to vectors; a family implements ``_pooled``."""

    def __init__(self, spec: TextSpec, net: torch.nn.Module, digest: str) -> None:
        super().__init__(net, digest)
        self.spec = spec

    def embed(self, texts: Sequence[str]) -> Tensor:
        """T texts to float32 T x width, of any length; no gradients."""
        import torch

        batches = [list(texts[i : i + TEXTS_AT_ONCE]) for i in range(0, len(texts), TEXTS_AT_ONCE)]
        with torch.no_grad():
            vectors = [self._pooled(batch) for batch in batches]
        return torch.cat(vectors) if vectors else torch.zeros(0, self.spec.width, device=self._device)

    @abstractmethod
    def _pooled(self, texts: list[str]) -> Tensor:
        """1 to TEXTS_AT_ONCE texts to T x width."""


def rows(feature_map: Tensor) -> Tensor:
    """A map B x C x h x w as tokens B x hw x C, row by row."""
    return feature_map.flatten(2).transpose(1, 2)
