"""What trainings need in tests: encoders without weights and a recipe of a second, put where the real ones are."""

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
from fsbench.training.run import Request, train_folds
from fusioner import encoders, segmenter, trainer
from fusioner.encoders import Origin, TextSpec, VisualSpec
from fusioner.recipes import Recipe, quick
from fusioner.views import Views
from fusioner.windows import Looking

ORIGIN = Origin("Apache-2.0", "https://example.org", "nothing", image_labels="no", image_text="no")
PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
SIZE, STRIDE = 32, 8


class TinyVisual:
    """Mean and deviation of the colours of cells of 8 x 8 pixels; ``encoded`` counts the images of all of them."""

    spec = VisualSpec("tiny-visual", 8, STRIDE, *PLAIN, ORIGIN)
    parameters = 11
    encoded = 0

    def __init__(self, digest: str = "ab" * 32) -> None:
        self.digest = digest

    def to(self, device: object) -> TinyVisual:
        return self

    def encode(self, images: Tensor) -> Tensor:
        TinyVisual.encoded += len(images)
        self.spec.grid(*images.shape[2:])
        mean = functional.avg_pool2d(images, STRIDE)
        squares = functional.avg_pool2d(images**2, STRIDE)
        deviation = (squares - mean**2).clamp(min=0).sqrt()
        maps = torch.cat([mean, deviation, mean[:, :2] - mean[:, 1:]], 1)
        return functional.normalize(maps.flatten(2).transpose(1, 2), dim=-1)


class TinyText:
    """A vector a text that follows from its letters; all have much in common. ``embedded``: the texts so far."""

    spec = TextSpec("tiny-text", 6, 77, "none", ORIGIN)
    parameters = 13

    def __init__(self, digest: str = "cd" * 32) -> None:
        self.digest = digest
        self.embedded: list[str] = []

    def to(self, device: object) -> TinyText:
        return self

    def embed(self, texts: Sequence[str]) -> Tensor:
        self.embedded += texts
        return torch.stack([torch.randn(6, generator=generator("text", text)) + 2 for text in texts])


def tiny_recipe(**changes: Any) -> Recipe:
    """``quick``, smaller: 8 wide, views of 32 pixels, 2 epochs of 4 steps of 6."""
    small = replace(
        quick("tiny"),
        d_model=8,
        layers=2,
        heads=2,
        prompts="name",
        views=Views(SIZE, 2, jitter=0.3, degrees=0, kind="square"),
        looking=Looking("square", SIZE, SIZE),
        cut=(0.7, 2, 4),
        batch=6,
        pairs=24,
    )
    return replace(small, **changes)


@contextmanager
def tiny_encoders(recipe: Recipe | None = None, visual: str = "ab" * 32, text: str = "cd" * 32) -> Iterator[None]:
    """Inside, every encoder is a tiny one, and every recipe ``recipe``."""
    plan = recipe or tiny_recipe()
    with pytest.MonkeyPatch.context() as patch:
        for module in (encoders, segmenter):
            patch.setattr(module, "load_visual", lambda name: loaded(name, TinyVisual(visual)))
            patch.setattr(module, "load_text", lambda name: loaded(name, TinyText(text)))
        patch.setattr(trainer, "recipe_named", lambda *_: plan)
        yield


def loaded(name: str, encoder: Any) -> Any:
    if name != encoder.spec.name:
        raise FsbenchError(f"no encoder {name!r}")
    return encoder


def train(benchmark: Benchmark, place: Path, recipe: Recipe | None = None, **changes: Any) -> Path:
    """Train fold 1 below ``place``; the folder of the fold."""
    options = {"visual": "tiny-visual", "text": "tiny-text", **changes.pop("options", {})}
    said: dict[str, Any] = {"folds": ["1"], "threads": 1, "device": "cpu", "tensorboard": False}
    said |= {"features": place / "features", **changes}
    with tiny_encoders(recipe):
        return train_folds(trainer, Request("fusioner", benchmark, place / "run", options=options, **said))[0]
