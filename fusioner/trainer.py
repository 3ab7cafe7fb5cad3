"""``fsbench train fusioner``: the training task; fsbench runs the loop.

The frozen encoders run once for every view of a photograph, and their features are kept. Each step draws (photograph,
class) pairs of training classes and a view of each. Frozen encoders are never saved.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from fsbench.errors import FsbenchError
from fsbench.models.contract import ModelCard, YesNo
from fsbench.training.randomness import number
from fsbench.training.task import Loss, Setup, Task
from fusioner.recipes import Recipe, RecipeName, recipe_named

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fusioner.encoders import TextEncoder, VisualEncoder
    from fusioner.model import Fusioner
    from fusioner.view_features import ViewFeatures

EXAMPLE = "Example: fsbench train fusioner -b pascal-5i --visual effnet-lite2 --text minilm --recipe quick --out run"

URL = "https://arxiv.org/abs/2210.15138"
OFFLINE = frozenset({"effnet-lite2", "minilm"})
"""Encoders in packages, so that everything runs offline; a Fusioner with one of them is an example."""


class Batch(NamedTuple):
    """``tokens``: B x N x Dv on a ``grid``; ``text``: B x 1 x Dt; ``truths``: uint8 B x H x W.

    ``seed``: of the step's dropout; ``place``: of these examples in the step, as in ``fusion.Draws``.
    """

    tokens: Tensor
    grid: tuple[int, int]
    text: Tensor
    truths: Tensor
    seed: int
    place: tuple[int, int, int]


def task(
    setup: Setup,
    *,
    visual: Annotated[str, typer.Option(help="Visual encoder: a name, timm:NAME, or NAME=PATH.")],
    text: Annotated[str, typer.Option(help="Text encoder: a name, hf:NAME, or NAME=PATH.")],
    fusion: Annotated[
        Literal["early", "late"], typer.Option(help="Where words meet pixels: in the transformer, or after it.")
    ] = "early",
    recipe: Annotated[RecipeName, typer.Option(help="paper: as published. quick: small data, no GPU.")] = "paper",
    prompts: Annotated[
        str | None, typer.Option(help="Set of sentences about a class. Default: the recipe's.", show_default=False)
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of a view, pixels. Default: the recipe's.", show_default=False)
    ] = None,
    views: Annotated[
        int | None, typer.Option(help="Augmented views a photograph. Default: the recipe's.", show_default=False)
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the recipe's.", show_default=False)] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Pairs a step. Default: the recipe's.", show_default=False)
    ] = None,
) -> Task:
    """Train Fusioner on frozen features, never on a tested class or photograph.

    Any visual encoder goes with any text encoder. Weights are chosen by held-out photographs of training classes.
    """
    import torch

    from fusioner.checkpoint import Meta
    from fusioner.encoders import load_text, load_visual, prompt_set
    from fusioner.fusion import Draws, FusionConfig
    from fusioner.model import Fusioner
    from fusioner.steps import Steps, losses
    from fusioner.text_centering import ClassVectors
    from fusioner.view_features import ViewFeatures

    data = setup.data
    plan = recipe_named(recipe, data.benchmark_name, size, views).override(epochs, batch_size, prompts)
    if plan.batch < setup.ranks.size:
        raise FsbenchError(f"--batch-size {plan.batch}: each of {setup.ranks.size} ranks needs a pair: give more pairs")
    visual_encoder, text_encoder = load_visual(visual), load_text(text)
    config = FusionConfig(
        visual_dim=visual_encoder.spec.width,
        text_dim=text_encoder.spec.width,
        d_model=plan.d_model,
        layers=plan.layers,
        heads=plan.heads,
        fusion=fusion,
        dropout=plan.dropout,
        drop_path=plan.drop_path,
        scales=plan.scales,
    )
    visual_encoder.to(setup.device)
    features = ViewFeatures(setup, visual_encoder, plan.views)
    names = tuple(c.name for c in data.classes)
    centred_on = names if plan.centred else ()
    class_vectors = ClassVectors(text_encoder, prompt_set(plan.prompts), centred_on)
    text_of = {c.id: class_vectors(c.name) for c in data.classes}
    module = Fusioner(config, number("fusioner-weights", setup.seed), plan.start).to(setup.device)
    target = (plan.views.size, plan.views.size)
    steps = Steps(plan, data.train, setup.seed)

    def batch(epoch: int, step: int, rank: int, ranks: int) -> Batch:
        of_step = steps.examples(epoch, step)
        examples = of_step[rank::ranks]
        grid = steps.crop_size(epoch, step, features.grid)
        crops = [steps.crop(one, *features(one.pair, one.view), features.grid, grid) for one in examples]
        return Batch(
            torch.stack([tokens for tokens, _ in crops]),
            grid,
            torch.stack([text_of[one.pair[1]] for one in examples])[:, None],
            torch.stack([truth for _, truth in crops]),
            number("fusioner-dropout", setup.seed, epoch, step, 0),  # 0 was a rank: runs of one keep their weights
            (rank, ranks, len(of_step)),
        )

    def loss(of_batch: Batch) -> Loss:
        tokens, text = of_batch.tokens.to(setup.device), of_batch.text.to(setup.device)
        draws = Draws(torch.Generator().manual_seed(of_batch.seed), of_batch.place)
        height, width = of_batch.truths.shape[1:]
        logits = module(tokens, text, of_batch.grid, (height, width), draws)[:, 0]
        return losses(logits.float(), of_batch.truths.to(setup.device), plan.bce, plan.dice)

    def validate() -> dict[str, float]:
        return {"held-out mIoU": held_out_miou(module, setup, features, text_of, target)}

    meta = Meta(
        fold=setup.fold,
        fold_classes=tuple(c.name for c in data.tested_classes),
        trained_on=names,
        visual=visual_encoder.spec.name,
        visual_sha256=visual_encoder.digest,
        text=text_encoder.spec.name,
        text_sha256=text_encoder.digest,
        prompts=plan.prompts,
        centred_on=centred_on,
        sizes=config,
        eyes=plan.looking,
    )
    return Task(
        module=module,
        card=_card(setup, plan, visual_encoder, text_encoder, fusion, sum(p.numel() for p in module.parameters())),
        optimizers=_optimizers(module),
        rates=plan.rates(steps.per_epoch),
        epochs=plan.epochs,
        steps_per_epoch=steps.per_epoch,
        batch=batch,
        loss=loss,
        validate=validate,
        selects="held-out mIoU",
        clip_norm=plan.clip_norm,
        average=(lambda step: min(plan.average, (1 + step) / (10 + step))) if plan.average else None,
        metadata=meta.header(),
        recipe=asdict(plan),
    )


def held_out_miou(
    module: Fusioner, setup: Setup, features: ViewFeatures, text_of: dict[int, Tensor], target: tuple[int, int]
) -> float:
    """mIoU over training classes on the plain views of held-out photographs."""
    inter: Counter[int] = Counter()
    union: Counter[int] = Counter()
    for pair in setup.data.held_out:
        tokens, truth = features(pair, 0)
        text = text_of[pair[1]][None, None].to(setup.device)
        found = module(tokens[None].to(setup.device), text, features.grid, target)[0, 0].cpu() > 0
        true, counted = truth == 1, truth != 255
        inter[pair[1]] += int((found & true).sum())
        union[pair[1]] += int(((found | true) & counted).sum())
    ious = [inter[c] / union[c] for c in sorted(union) if union[c]]
    return sum(ious) / len(ious) if ious else 0.0


def _optimizers(module: Fusioner) -> list[torch.optim.Optimizer]:
    """AdamW on the fusion (no decay on biases and 1-d parameters) and the decoder; betas 0.9 and 0.999.

    The paper's Adam on the decoder is AdamW with the recipe's zero decay.
    """
    import torch

    fusion = list(module.get_submodule("fusion").parameters())
    decayed, plain = [p for p in fusion if p.dim() > 1], [p for p in fusion if p.dim() <= 1]
    return [
        torch.optim.AdamW([{"params": decayed}, {"params": plain}], betas=(0.9, 0.999)),
        torch.optim.AdamW(module.get_submodule("decoder").parameters(), betas=(0.9, 0.999)),
    ]


def _card(setup: Setup, plan: Recipe, visual: VisualEncoder, text: TextEncoder, fusion: str, trained: int) -> ModelCard:
    frozen = visual.spec, text.spec
    variant = [fusion] if plan.name == "paper" else [fusion, plan.name]
    name = "-".join(["fusioner", *(spec.name for spec in frozen), *variant]).lower()
    trainings = "; ".join(f"frozen {spec.name}: {spec.origin.training}" for spec in frozen)
    seen = {
        "novel_image_labels_seen": _either(*(spec.origin.image_labels for spec in frozen)),
        "novel_image_text_seen": _either(*(spec.origin.image_text for spec in frozen)),
        "threshold_selected_by": "fixed: sigmoid 0.5",
    }
    return ModelCard(
        name=re.sub(r"[^a-z0-9._-]+", "-", name)[:74],
        prompts="text",
        description=f"Fusioner ({fusion} fusion, recipe {plan.name}); {trainings}",
        total_parameters=trained + visual.parameters + text.parameters,
        licence="; ".join(["Apache-2.0", *(f"{spec.name}: {spec.origin.licence}" for spec in frozen)]),
        url=URL,
        example=any(spec.name in OFFLINE for spec in frozen),
        training={"*": setup.data.training_card().model_copy(update=seen)},
    )


def _either(a: YesNo, b: YesNo) -> YesNo:
    """Whether either of two frozen encoders has seen something: yes wins over unknown, unknown over no."""
    return "yes" if "yes" in (a, b) else "unknown" if "unknown" in (a, b) else "no"
