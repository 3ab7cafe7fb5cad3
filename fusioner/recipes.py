"""How a Fusioner is trained: ``paper``, as published, and ``quick``, for small data and CPUs.

A recipe is recorded in ``training.json`` and decides, with the seed, every weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fsbench.errors import FsbenchError
from fsbench.training.schedules import cosine, warm_up_cosine
from fusioner.views import Views
from fusioner.windows import Tiling

RecipeName = Literal["paper", "quick"]
Start = Literal["released", "identity"]

SMALLEST = 32
"""Pixels a side of a view; an elastic distortion smooths over 41 pixels, mirrored at the borders."""


@dataclass(frozen=True)
class Recipe:
    """Sizes, views, loss and schedules; the defaults are the paper's (section 4.1 and the released code).

    ``scales`` and ``start``: as in ``fusion`` and ``model``; ``prompts``: the set of sentences, ``centred``: whether
    the mean of the training classes is subtracted from class vectors; ``looking``: how photographs are tiled after
    training. ``cut``: how often a batch sees crops of its views, and the fewest and most cells a side of a crop;
    ``flip``: how often a view is flipped; ``cells``: pixels a side of a cell at which the loss is taken, None for the
    view's own. ``epochs`` include the ``warm_up`` ones; ``pairs``: the number of (photograph, class) pairs an epoch
    draws with replacement; None for each once, shuffled, unless ``balance`` is set: a pair is drawn with the weight of
    its class's number of pairs to the power of -``balance`` (0: uniform). ``rate``: (start, peak, end) of the fusion's;
    ``decay``: (start, end). ``bce`` and ``dice`` weigh the two losses. ``average``: decay of the moving average of the
    weights, 0 for none.
    """

    name: str
    d_model: int = 512
    layers: int = 12
    heads: int = 8
    dropout: float = 0.0
    drop_path: float = 0.0
    scales: tuple[int, int, int] = (2, 4, 8)
    start: Start = "released"
    prompts: str = "openai-imagenet"
    centred: bool = False
    views: Views = field(kw_only=True)
    looking: Tiling = field(kw_only=True)
    cut: tuple[float, int, int] = (0.0, 0, 0)
    flip: float = 0.0
    cells: int | None = None
    epochs: int = 510
    warm_up: float = 10
    batch: int = 32
    rate: tuple[float, float, float] = (0.0, 1e-3, 2e-6)
    decay: tuple[float, float] = (0.01, 0.4)
    decoder_rate: float = 1e-3
    decoder_decay: float = 0.0
    decoder_schedule: bool = False
    bce: float = 1.0
    dice: float = 0.0
    pairs: int | None = None
    balance: float = 0.0
    average: float = 0.0
    clip_norm: float | None = None

    def override(self, epochs: int | None, batch: int | None, prompts: str | None) -> Recipe:
        """The recipe with other epochs, batch size or prompts; None keeps its own."""
        return replace(self, epochs=epochs or self.epochs, batch=batch or self.batch, prompts=prompts or self.prompts)

    def rates(self, steps_per_epoch: int) -> Any:
        """step -> rates of the fusion's weights, its biases and 1-d parameters, and the decoder."""
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
    """Fusioner's: colour jitter 0.5 and 20 degrees on PASCAL-5i and elsewhere, 0.2 and 10 on COCO-20i.

    Frozen features are of a fixed number of ``views`` of each photograph, where the released code draws a new one every
    time.
    """
    coco = benchmark.startswith("coco-20i")
    augmented = Views(size, views, jitter=0.2 if coco else 0.5, degrees=10 if coco else 20)
    return Recipe("paper", views=augmented, looking=Tiling("windows", size, round(size * 149 / 224)))


def quick(benchmark: str, size: int = 384, views: int = 1) -> Recipe:
    """Ours, for hundreds of photographs and a few minutes on a CPU.

    With frozen features and 15 classes a Fusioner overfits from the second pass on: so it is small and regularised, its
    decoder ends at twice the grid, and it takes 100 steps. Settings were chosen by leaving classes out of the training
    classes (see ``docs/fusioner.md``).
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
        looking=Tiling("square", size, size),
        cut=(0.7, 10, 20),
        flip=0.5,
        cells=4,
        epochs=2,
        warm_up=0.2,
        batch=8,
        rate=(0.0, 1e-3, 0.0),
        decay=(0.1, 0.1),
        decoder_decay=0.1,
        decoder_schedule=True,
        dice=1.0,
        pairs=400,
        balance=0.5,
        average=0.99,
        clip_norm=1.0,
    )


def recipe_named(name: str, benchmark: str, size: int | None, views: int | None) -> Recipe:
    """The recipe for a benchmark, with ``size`` and ``views`` if given; raises FsbenchError for unusable ones."""
    if name not in ("paper", "quick"):
        raise FsbenchError(f"no recipe {name!r}: choose paper or quick")
    if (size is not None and not SMALLEST <= size <= 4096) or (views is not None and not 1 <= views <= 10_000):
        raise FsbenchError(f"--size {size}, --views {views}: expected {SMALLEST} to 4096 pixels and 1 to 10000 views")
    given = {name: value for name, value in (("size", size), ("views", views)) if value is not None}
    return (paper if name == "paper" else quick)(benchmark, **given)
