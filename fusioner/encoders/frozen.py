"""What every encoder here shares: it is frozen, knows its normalisation, and answers with tokens of length 1."""

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


class _Frozen:
    def __init__(self, net: torch.nn.Module, digest: str) -> None:
        import torch

        self._net: Any = net.eval().requires_grad_(False)
        self._device = torch.device("cpu")
        self.digest = digest

    @property
    def parameters(self) -> int:
        """How many weights it has, all of them frozen."""
        return sum(p.numel() for p in self._net.parameters())

    def to(self, device: str | torch.device) -> Self:
        """Works on ``device`` from here on, and answers there."""
        import torch

        self._net.to(device)
        self._device = torch.device(device)
        return self


class FrozenVisual(_Frozen, ABC):
    """A ``VisualEncoder``; a family says in ``_tokens`` how its network makes them."""

    def __init__(self, spec: VisualSpec, net: torch.nn.Module, digest: str) -> None:
        super().__init__(net, digest)
        self.spec = spec

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (float Bx3xHxW in 0..1, RGB) to L2-normalised float32 tokens B x N x width, row by row.

        Raises FsbenchError for images of another kind or of a size that ``spec.grid`` refuses.
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
            pixels = images.to(self._device, torch.float32)
            mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.spec.mean, self.spec.std))
            return normalize(self._tokens((pixels - mean) / std), dim=-1)

    @abstractmethod
    def _tokens(self, pixels: Tensor) -> Tensor:
        """Normalised pixels, float32 Bx3xHxW, to tokens B x N x width of any length."""


class FrozenText(_Frozen, ABC):
    """A ``TextEncoder``; a family says in ``_pooled`` how a batch of texts becomes vectors."""

    def __init__(self, spec: TextSpec, net: torch.nn.Module, digest: str) -> None:
        super().__init__(net, digest)
        self.spec = spec

    def embed(self, texts: Sequence[str]) -> Tensor:
        """T texts to float32 T x width, of any length."""
        import torch

        batches = [list(texts[i : i + TEXTS_AT_ONCE]) for i in range(0, len(texts), TEXTS_AT_ONCE)]
        with torch.no_grad():
            made = [self._pooled(batch) for batch in batches]
        return torch.cat(made) if made else torch.zeros(0, self.spec.width, device=self._device)

    @abstractmethod
    def _pooled(self, texts: list[str]) -> Tensor:
        """At most TEXTS_AT_ONCE texts, one or more, to T x width."""


def rows(feature_map: Tensor) -> Tensor:
    """A map B x C x h x w as tokens B x hw x C, row by row."""
    return feature_map.flatten(2).transpose(1, 2)
