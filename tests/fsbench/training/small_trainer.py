"""A trainer for tests: two convolutions on frozen features, registered as any other trainer is."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
import torch
import typer
from torch import Tensor, nn

from fsbench.index.benchmark import Benchmark
from fsbench.index.fold_lists import Pair
from fsbench.models.contract import ModelCard
from fsbench.training.feature_store import Feature
from fsbench.training.randomness import generator, shuffled
from fsbench.training.run import Request, train_folds
from fsbench.training.schedules import cosine, warm_up_cosine
from fsbench.training.task import Loss, Setup, Task

EXAMPLE = "Example: fsbench train small -b small --out run"
VIEWS = ("plain", "flipped")


class Batch(NamedTuple):
    """``features``: float32 B x 3 x h x w; ``truths``: uint8 B x h x w."""

    features: Tensor
    truths: Tensor


def task(
    setup: Setup,
    *,
    width: Annotated[int, typer.Option(help="Channels.")] = 6,
    epochs: Annotated[int, typer.Option(help="Epochs.")] = 2,
    batch_size: Annotated[int, typer.Option(help="Pairs in a batch.")] = 6,
    dropout: Annotated[float, typer.Option(help="Dropout.")] = 0.0,
    average: Annotated[bool, typer.Option(help="Keep a moving average.")] = False,
    pause: Annotated[float, typer.Option(help="Seconds that a batch takes to make.")] = 0.0,
) -> Task:
    """Train two convolutions.

    Their input is a photograph's colours at half size.
    """
    data = setup.data
    views = [(pair, view) for pair in (*data.train, *data.held_out) for view in VIEWS]

    def compute(places: Sequence[int]) -> list[dict[str, Tensor]]:
        images = [(data.image(views[p][0][0]), views[p][1]) for p in places]
        maps = [(torch.from_numpy(image)[::2, ::2].permute(2, 0, 1).float() / 255, view) for image, view in images]
        return [{"map": colours.flip(2) if view == "flipped" else colours} for colours, view in maps]

    wanted = [Feature("colours", view, data.image_sha256(pair[0])) for pair, view in views]
    kept = setup.features.fill(wanted, compute)
    place = {of_view: number for number, of_view in enumerate(views)}

    def example(pair: Pair, view: str) -> tuple[Tensor, Tensor]:
        truth = torch.from_numpy(data.truth(*pair))[::2, ::2]
        return kept[place[pair, view]]["map"].float(), truth.flip(1) if view == "flipped" else truth

    def batch(epoch: int, step: int, rank: int, ranks: int) -> Batch:
        time.sleep(pause)
        order = shuffled(len(data.train), "epoch", setup.seed, epoch)
        mine = order[step * batch_size : (step + 1) * batch_size][rank::ranks]
        drawn = torch.randint(2, (len(order),), generator=generator("view", setup.seed, epoch)).tolist()
        examples = [example(data.train[number], VIEWS[drawn[number]]) for number in mine]
        return Batch(torch.stack([f for f, _ in examples]), torch.stack([t for _, t in examples]))

    weights = generator("weights", setup.seed)
    module = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(width, 1, 1))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=weights) * 0.2)
    module.to(setup.device)

    def loss(of_batch: Batch) -> Loss:
        logits = module(of_batch.features.to(setup.device))[:, 0].float()
        truths = of_batch.truths.to(setup.device)
        counted = truths != 255
        losses = nn.functional.binary_cross_entropy_with_logits(logits, (truths == 1).float(), reduction="none")
        return Loss(losses[counted].sum(), counted.sum())

    def validate() -> dict[str, float]:
        examples = [example(pair, VIEWS[0]) for pair in data.held_out]
        right = [(module(f[None].to(setup.device))[0, 0].cpu() > 0) == (truth == 1) for f, truth in examples]
        return {"accuracy": float(torch.stack(right).double().mean())}

    steps_per_epoch = len(data.train) // batch_size
    steps = steps_per_epoch * epochs
    return Task(
        module=module,
        card=ModelCard(name="small-trained", prompts="text", revision="1", total_parameters=100),
        optimizers=[
            torch.optim.AdamW([{"params": p, "weight_decay": 0.0} for p in module[0].parameters()]),
            torch.optim.Adam(module[3].parameters()),
        ],
        rates=lambda step: [
            {"lr": warm_up_cosine(step, steps, 5, 0.02, 0.001), "weight_decay": cosine(step, steps, 0.01, 0.1)},
            {"lr": warm_up_cosine(step, steps, 5, 0.02, 0.001)},
            {"lr": 0.01},
        ],
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch=batch,
        loss=loss,
        validate=validate,
        selects="accuracy",
        clip_norm=1.0,
        average=(lambda step: 0.9) if average else None,
        metadata={"width": str(width), "encoder": "colours"},
        recipe={"width": width, "views": list(VIEWS)},
    )


def train(benchmark: Benchmark, place: Path, trainer: Any = None, name: str = "small", **changes: Any) -> Path:
    """Train fold 1 (by default with this trainer) into ``place/run``; the folder of the (first) fold."""
    settings: dict[str, Any] = {"threads": 1, "device": "cpu", "tensorboard": False, "folds": ["1"]}
    settings |= {"features": place / "features", **changes}
    trainer = trainer or sys.modules[__name__]
    return train_folds(trainer, Request(name, benchmark, place / "run", **settings))[0]


def register(folder: Path) -> Path:
    """Write the metadata of a package with this trainer to ``folder``, which is to be put on the path."""
    info = folder / "small_trainer-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: small-trainer\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fsbench.trainers]\nsmall = tests.fsbench.training.small_trainer\n")
    return folder


def watch_reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """A list that grows by (sample, None) for each photograph that is read, and by (sample, class id) for each mask."""
    read: list[tuple[str, int | None]] = []

    def watch(name: str) -> None:
        method = getattr(Benchmark, name)
        monkeypatch.setattr(Benchmark, name, lambda self, *of: (read.append((*of, None)[:2]), method(self, *of))[1])

    watch("image")
    watch("truth")
    monkeypatch.setattr(Benchmark, "labels", lambda *_: pytest.fail("labels were read"))
    return read
