"""What an encoder is to Fusioner: facts that are known before any weight is read, and two small protocols.

Encoders are frozen. They are not ``nn.Module``s, so that a model which holds one neither trains nor saves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

from fsbench.errors import FsbenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Told = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Origin:
    """Where weights come from and what they have seen, for the model card.

    ``image_labels``, ``image_text``: whether the weights were trained with class labels of images, and with pairs of
    image and text.
    """

    licence: str
    url: str
    training: str
    image_labels: Told = "unknown"
    image_text: Told = "unknown"


@dataclass(frozen=True)
class VisualSpec:
    """A visual encoder: ``width`` channels a token, one token for each cell of ``stride`` x ``stride`` pixels.

    ``mean`` and ``std`` normalise pixels in 0..1. ``only_size`` (height, width) is set where the network takes no other
    size; most take any whose sides are multiples of the stride.
    """

    name: str
    width: int
    stride: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    origin: Origin
    only_size: tuple[int, int] | None = None

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tokens; raises FsbenchError for a size that the encoder does not take."""
        if self.only_size is not None and (height, width) != self.only_size:
            raise FsbenchError(f"{self.name}: takes images of {self.only_size[0]} x {self.only_size[1]} alone, "
                               f"not {height} x {width}")  # fmt: skip
        if min(height, width) < self.stride or height % self.stride or width % self.stride:
            raise FsbenchError(
                f"{self.name}: an image of {height} x {width}: height and width must be multiples of {self.stride}"
            )
        return height // self.stride, width // self.stride


@dataclass(frozen=True)
class TextSpec:
    """A text encoder: ``width`` numbers a text, of which at most ``max_tokens`` tokens are read."""

    name: str
    width: int
    max_tokens: int
    pooling: str
    origin: Origin


@runtime_checkable
class VisualEncoder(Protocol):
    """Images to patch tokens of length 1. ``digest``: SHA-256 of the weights (see ``weights.digest``)."""

    @property
    def spec(self) -> VisualSpec: ...

    @property
    def digest(self) -> str: ...

    @property
    def parameters(self) -> int: ...

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (float Bx3xHxW in 0..1, RGB) to L2-normalised float32 tokens B x N x width, row by row.

        N is rows times columns of ``spec.grid(H, W)``. Runs without gradients.
        """
        ...

    def to(self, device: str | torch.device) -> Self: ...


@runtime_checkable
class TextEncoder(Protocol):
    """Texts to vectors. ``digest``: SHA-256 of the weights (see ``weights.digest``)."""

    @property
    def spec(self) -> TextSpec: ...

    @property
    def digest(self) -> str: ...

    @property
    def parameters(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Tensor:
        """T texts to float32 T x width, of any length. Runs without gradients."""
        ...

    def to(self, device: str | torch.device) -> Self: ...
