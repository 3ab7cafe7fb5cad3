"""Facts of an encoder that are known before any weight is read."""

from __future__ import annotations

from dataclasses import dataclass

from fsbench.errors import FsbenchError
from fsbench.models.contract import YesNo


@dataclass(frozen=True)
class Origin:
    """Where weights come from, and whether they were trained with image labels or image-text pairs (for the card)."""

    licence: str
    url: str
    training: str
    image_labels: YesNo = "unknown"
    image_text: YesNo = "unknown"


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
        if self.only_size not in (None, (height, width)):
            only = " x ".join(map(str, self.only_size or ()))
            raise FsbenchError(f"{self.name}: takes images of {only} alone, not {height} x {width}")
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
