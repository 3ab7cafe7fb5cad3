"""How a Fusioner is trained: ``paper``, as published, and ``quick``, for small data and processors.

A recipe is a frozen value; what it says stands in ``training.json`` and decides, with the seed, every weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fsbench.errors import FsbenchError
from fsbench.training.schedules import cosine, warm_up_cosine
from fusioner.views import Views
from fusioner.windows import Looking

RecipeName = Literal["paper", "quick"]
Start = Literal["released", "identity"]

SMALLEST = 32
"""Pixels a side of a view; an elastic distortion smooths over 41 pixels, mirrored at the borders."""


@dataclass(frozen=True)
class Recipe:
    """Sizes, views, loss and schedules.

    ``scales`` and ``start``: as in ``fusion`` and ``model``; ``prompts``: the set of sentences, ``centred``: whether
    the mean of the training classes is taken from every class's vector. ``cut``: how often a batch sees only a part of
    its views, and the least and most cells a side of it; ``flip``: how often a view is mirrored; ``cells``: pixels a
    side of a cell at which the loss is taken, None for the view's own. ``epochs`` hold the ``warm_up`` ones; ``pairs``:
    how many (photograph, class) pairs an epoch draws, with replacement; None for each once, in a shuffled order, unless
    there is ``balance``: a pair is drawn with the weight of its class's number of pairs to the power of minus this (0:
    all alike). Rates are (at the start, peak, end) of the fusion's; decays (at the start, at the end). ``bce`` and
    ``dice`` weigh the two losses. ``average``: decay of the moving average of the weights, 0 for none.
    """

    name: str
    d_model: int
    layers: int
    heads: int
    dropout: float
    drop_path: float
    scales: tuple[int, int, int]
    start: Start
    prompts: str
    centred: bool
    views: Views
    looking: Looking
    cut: tuple[float, int, int]
    flip: float
    cells: int | None
    epochs: int
    warm_up: float
    batch: int
    rate: tuple[float, float, float]
    decay: tuple[float, float]
    decoder_rate: float
    decoder_decay: float
    decoder_schedule: bool
    bce: float
    dice: float
    pairs: int | None
    balance: float
    average: float
    clip_norm: float | None

    def said(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return asdict(self)

    def with_(self, epochs: int | None, batch: int | None, prompts: str | None) -> Recipe:
        """The recipe with another number of epochs or pairs a step, or other sentences; None leaves its own."""
        return replace(self, epochs=epochs or self.epochs, batch=batch or self.batch, prompts=prompts or self.prompts)

    def rates(self, steps_per_epoch: int) -> Any:
        """step -> what is set for the fusion's weights, its biases and 1-d parameters, and the decoder."""
        steps, warm_up = self.epochs * steps_per_epoch, round(self.warm_up * steps_per_epoch)
        start, peak, end = self.rate

        def at(step: int) -> list[Mapping[str, float]]:
            rate = warm_up_cosine(step, steps, warm_up, peak, end, start)
            share = rate / peak if self.decoder_schedule else 1.0
            return [
                {"lr": rate, "weight_decay": cosine(step, steps, *self.decay)},
                {"lr": rate, "weight_decay": 0.0},
                {"lr": self.decoder_rate * share, "weight_decay": self.decoder_decay},
            ]

        return at


def paper(benchmark: str, size: int = 224, views: int = 16) -> Recipe:
    """Fusioner's (section 4.1 and the released code): d 512, 12 layers, AdamW and Adam, 10 + 500 epochs, batch 32.

    Colour jitter 0.5 and 20 degrees on PASCAL-5i and elsewhere, 0.2 and 10 on COCO-20i. Frozen features are of a stated
    number of ``views`` of each photograph, where the released code draws a new one every time.
    """
    coco = benchmark.startswith("coco-20i")
    return Recipe(
        name="paper",
        d_model=512,
        layers=12,
        heads=8,
        dropout=0.0,
        drop_path=0.0,
        scales=(2, 4, 8),
        start="released",
        prompts="openai-imagenet",
        centred=False,
        views=Views(size, views, jitter=0.2 if coco else 0.5, degrees=10 if coco else 20),
        looking=Looking("windows", size, round(size * 149 / 224)),
        cut=(0.0, 0, 0),
        flip=0.0,
        cells=None,
        epochs=510,
        warm_up=10,
        batch=32,
        rate=(0.0, 1e-3, 2e-6),
        decay=(0.01, 0.4),
        decoder_rate=1e-3,
        decoder_decay=0.0,
        decoder_schedule=False,
        bce=1.0,
        dice=0.0,
        pairs=None,
        balance=0.0,
        average=0.0,
        clip_norm=None,
    )


def quick(benchmark: str, size: int = 384, views: int = 1) -> Recipe:
    """Ours, for hundreds of photographs and a few minutes on a processor.

    With frozen features and 15 classes a Fusioner overfits from the second pass on: so it is small and regularised, its
    decoder ends at twice the grid, and it takes 100 steps. Settings were chosen by leaving classes out of the training
    classes (``docs/fusioner.md`` says how, and what else was seen).
    """
    return Recipe(
        name="quick",
        d_model=96,
        layers=3,
        heads=4,
        dropout=0.1,
        drop_path=0.1,
        scales=(1, 1, 2),
        start="identity",
        prompts="scene",
        centred=True,
        views=Views(size, views, jitter=0.3, degrees=0, kind="square"),
        looking=Looking("square", size, size),
        cut=(0.7, 10, 20),
        flip=0.5,
        cells=4,
        epochs=2,
        warm_up=0.2,
        batch=8,
        rate=(0.0, 1e-3, 0.0),
        decay=(0.1, 0.1),
        decoder_rate=1e-3,
        decoder_decay=0.1,
        decoder_schedule=True,
        bce=1.0,
        dice=1.0,
        pairs=400,
        balance=0.5,
        average=0.99,
        clip_norm=1.0,
    )


def recipe_named(name: str, benchmark: str, size: int | None, views: int | None) -> Recipe:
    """The recipe for a benchmark; ``size`` and ``views`` instead of its own. Raises FsbenchError for unusable ones."""
    if name not in ("paper", "quick"):
        raise FsbenchError(f"no recipe {name!r}: choose paper or quick")
    if (size is not None and not SMALLEST <= size <= 4096) or (views is not None and not 1 <= views <= 10_000):
        raise FsbenchError(f"--size {size}, --views {views}: expected {SMALLEST} to 4096 pixels and 1 to 10000 views")
    given = {name: value for name, value in (("size", size), ("views", views)) if value is not None}
    return (paper if name == "paper" else quick)(benchmark, **given)
