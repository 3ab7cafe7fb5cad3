"""A trainer for tests: two convolutions on frozen features of the tiny benchmark, announced as any other trainer is.

Run as a module it is the command line, for subprocesses and ``torchrun``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor, nn

from fsbench.index.fold_lists import Pair
from fsbench.models.contract import ModelCard
from fsbench.training.feature_store import Feature
from fsbench.training.randomness import generator, shuffled
from fsbench.training.schedules import cosine, warm_up_cosine
from fsbench.training.task import Loss, Setup, Task

EXAMPLE = "Example: fsbench train tiny -b tiny --out run"
VIEWS = ("as it is", "flipped")


class Batch(NamedTuple):
    """``features``: float32 B x 3 x h x w; ``truths``: uint8 B x h x w."""

    features: Tensor
    truths: Tensor


def task(
    setup: Setup,
    *,
    width: Annotated[int, typer.Option(help="Channels.")] = 6,
    epochs: Annotated[int, typer.Option(help="Epochs.")] = 3,
    batch_size: Annotated[int, typer.Option(help="Pairs in a batch.")] = 6,
    dropout: Annotated[float, typer.Option(help="Dropout.")] = 0.0,
    average: Annotated[bool, typer.Option(help="Keep a moving average.")] = False,
    pause: Annotated[float, typer.Option(help="Seconds that a batch takes to make.")] = 0.0,
) -> Task:
    """Train two convolutions.

    They see a photograph's colours at half size.
    """
    data = setup.data
    pairs = (*data.train, *data.held_out)
    views = [(pair, view) for pair in pairs for view in VIEWS]

    def compute(places: Sequence[int]) -> list[dict[str, Tensor]]:
        return [{"map": encoded(data.image(views[place][0][0]), views[place][1])} for place in places]

    kept = setup.features.fill(
        [Feature("tiny-encoder", view, data.image_sha256(pair[0])) for pair, view in views], compute
    )
    place = {of_view: number for number, of_view in enumerate(views)}

    def example(pair: Pair, view: str) -> tuple[Tensor, Tensor]:
        truth = torch.from_numpy(data.truth(*pair))[::2, ::2]
        return kept[place[pair, view]]["map"].float(), truth.flip(1) if view == "flipped" else truth

    def batch(epoch: int, step: int, rank: int, ranks: int) -> Batch:
        time.sleep(pause)
        order = shuffled(len(data.train), "epoch", setup.seed, epoch)
        mine = order[step * batch_size : (step + 1) * batch_size][rank::ranks]
        chosen = torch.randint(2, (len(order),), generator=generator("view", setup.seed, epoch)).tolist()
        examples = [example(data.train[number], VIEWS[chosen[number]]) for number in mine]
        return Batch(torch.stack([f for f, _ in examples]), torch.stack([t for _, t in examples]))

    torch_generator = generator("weights", setup.seed)
    module = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(width, 1, 1))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch_generator) * 0.2)
    module.to(setup.device)

    def loss(of_batch: Batch) -> Loss:
        logits = module(of_batch.features.to(setup.device))[:, 0].float()
        truths = of_batch.truths.to(setup.device)
        counted = truths != 255
        losses = nn.functional.binary_cross_entropy_with_logits(logits, (truths == 1).float(), reduction="none")
        return Loss(losses[counted].sum(), counted.sum())

    def validate() -> dict[str, float]:
        right = total = 0
        for pair in data.held_out:
            features, truth = example(pair, VIEWS[0])
            predicted = module(features[None].to(setup.device))[0, 0].cpu() > 0
            right += int((predicted == (truth == 1)).sum())
            total += truth.numel()
        return {"accuracy": right / total}

    steps = len(data.train) // batch_size * epochs
    return Task(
        module=module,
        card=ModelCard(name="tiny-trained", prompts="text", revision="1", total_parameters=100),
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
        steps_per_epoch=len(data.train) // batch_size,
        batch=batch,
        loss=loss,
        validate=validate,
        selects="accuracy",
        clip_norm=1.0,
        average=(lambda step: 0.9) if average else None,
        metadata={"width": str(width), "encoder": "colours", "views": ", ".join(VIEWS)},
        recipe={"width": width, "views": list(VIEWS)},
    )


def encoded(image: Any, view: str) -> Tensor:
    """float 3 x h/2 x w/2 of a photograph's colours."""
    found = torch.from_numpy(image)[::2, ::2].permute(2, 0, 1).float() / 255
    return found.flip(2) if view == "flipped" else found


def announced(folder: Path) -> Path:
    """``folder``, holding the metadata of a package that announces this trainer; to be put on the path."""
    info = folder / "tiny_trainer-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-trainer\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fsbench.trainers]\ntiny = tests.fsbench.training.small_trainer\n")
    return folder


if __name__ == "__main__":
    from fsbench.cli import train
    from fsbench.cli.main import app, main

    if not any(group.name == "train" for group in app.registered_groups):
        app.add_typer(train.app, name="train")
    if "FSBENCH_TEST_SLEEP" in os.environ:
        time.sleep(float(os.environ["FSBENCH_TEST_SLEEP"]))
    main(sys.argv[1:])
