"""A small Fusioner for tests: encoders without weights and a recipe of a second, in place of the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.training.randomness import generator
from fusioner import encoders, segmenter, trainer
from fusioner.encoders import Origin, TextSpec, VisualSpec
from fusioner.recipes import Recipe, quick
from fusioner.views import Views
from fusioner.windows import Tiling
from tests.fsbench.training import small_trainer

ORIGIN = Origin("Apache-2.0", "https://example.org", "nothing", image_labels="no", image_text="no")
SIZE, STRIDE = 32, 8


class SmallVisual:
    """Mean and deviation of the colours of cells of 8 x 8 pixels; ``encoded`` counts the images of all of them."""

    spec = VisualSpec("small-visual", 8, STRIDE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), ORIGIN)
    parameters = 11
    encoded = 0

    def __init__(self, digest: str = "ab" * 32) -> None:
        self.digest = digest

    def to(self, device: object) -> SmallVisual:
        return self

    def encode(self, images: Tensor) -> Tensor:
        SmallVisual.encoded += len(images)
        self.spec.grid(*images.shape[2:])
        mean = functional.avg_pool2d(images, STRIDE)
        squares = functional.avg_pool2d(images**2, STRIDE)
        deviation = (squares - mean**2).clamp(min=0).sqrt()
        maps = torch.cat([mean, deviation, mean[:, :2] - mean[:, 1:]], 1)
        return functional.normalize(maps.flatten(2).transpose(1, 2), dim=-1)


class SmallText:
    """A vector that follows from a text's letters; all have much in common. ``embedded``: the texts of all of them."""

    spec = TextSpec("small-text", 6, 77, "none", ORIGIN)
    parameters = 13
    embedded: list[str] = []  # noqa: RUF012

    def __init__(self, digest: str = "cd" * 32) -> None:
        self.digest = digest

    def to(self, device: object) -> SmallText:
        return self

    def embed(self, texts: Sequence[str]) -> Tensor:
        SmallText.embedded += texts
        return torch.stack([torch.randn(6, generator=generator("text", text)) + 2 for text in texts])


def small_recipe(**changes: Any) -> Recipe:
    """``quick``, smaller: 8 wide, views of 32 pixels, 2 epochs of 4 steps of 6."""
    small = replace(
        quick("tiny"),
        d_model=8,
        layers=2,
        heads=2,
        prompts="name",
        views=Views(SIZE, 2, jitter=0.3, degrees=0, kind="square"),
        looking=Tiling("square", SIZE, SIZE),
        cut=(0.7, 2, 4),
        batch=6,
        pairs=24,
    )
    return replace(small, **changes)


@contextmanager
def small_encoders(recipe: Recipe | None = None, visual: str = "ab" * 32, text: str = "cd" * 32) -> Iterator[None]:
    """Inside, every encoder is a small one, and every recipe ``recipe``."""

    def loaded(name: str, encoder: Any) -> Any:
        if name != encoder.spec.name:
            raise FsbenchError(f"no encoder {name!r}")
        return encoder

    with pytest.MonkeyPatch.context() as patch:
        for module in (encoders, segmenter):
            patch.setattr(module, "load_visual", lambda name: loaded(name, SmallVisual(visual)))
            patch.setattr(module, "load_text", lambda name: loaded(name, SmallText(text)))
        patch.setattr(trainer, "recipe_named", lambda *_: recipe or small_recipe())
        yield


def train(benchmark: Benchmark, place: Path, recipe: Recipe | None = None, **changes: Any) -> Path:
    """Train fold 1 below ``place``; the folder of the fold."""
    options = {"visual": "small-visual", "text": "small-text", **changes.pop("options", {})}
    with small_encoders(recipe):
        return small_trainer.train(benchmark, place, trainer, "fusioner", options=options, **changes)
