"""The interface of a trainer: its input ``Setup`` and its output ``Task``.

A trainer is a module or an object with a function ``task``; its keyword parameters are its flags on the command line,
annotated for typer (``EXAMPLE``, if present, is shown under ``--help``)::

    def task(setup: Setup, *, width: Annotated[int, typer.Option(help="Channels.")] = 64) -> Task:
        '''Train a small network.'''
        ...

``task`` is called once for each fold, on every rank. It builds the module from the seed of ``setup`` (the same on every
rank), reads data through ``setup.data`` alone, and keeps frozen features in ``setup.features``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fsbench.models.contract import ModelCard

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from fsbench.training.data import TrainingData
    from fsbench.training.feature_store import FeatureStore
    from fsbench.training.ranks import Ranks


@dataclass(frozen=True)
class Setup:
    """The input of a trainer for one fold. ``data`` holds training classes only: see ``TrainingData``."""

    fold: str
    data: TrainingData
    features: FeatureStore
    seed: int
    device: torch.device
    ranks: Ranks


class Loss(NamedTuple):
    """``total``: the sum of the losses (a scalar tensor with gradient) over ``weight`` items (pixels, images).

    The sum of the totals over all ranks divided by the sum of the weights is minimised, so that N ranks with an N-th of
    the batch each take the step of one rank with all of it, however many pixels are void. A loss that is a mean already
    has the weight 1 (or its number of images).
    """

    total: Tensor
    weight: Tensor | float = 1.0


@dataclass(frozen=True)
class Task:
    """One training. Steps count from 0 over the whole run unless noted.

    ``module``: what is trained and saved (all of its ``state_dict``), on the setup's device; frozen encoders stay
    outside. ``card``: the model card; its ``training`` comes from ``data.training_card`` unless it has an entry ``*``,
    digests are filled in. ``optimizers`` hold the module's parameters; ``rates(step)`` gives the values to set before
    the step (``{"lr": 1e-3, "weight_decay": 0.05}``), one dict per parameter group, optimizer after optimizer.

    ``batch(epoch, step, rank, ranks)``: the rank's share of the batch of a step *within* the epoch: a pure function
    of its arguments and the seed; it is called ahead of time in other threads and must draw from
    ``randomness.generator`` alone. ``loss(data)``: under autocast, with the module in training mode; torch's own
    generators are seeded for each step, so that dropout is the same after a kill.

    ``validate()``: finite scores, computed on rank 0 alone with the module in evaluation mode, without gradients, every
    ``validate_every`` epochs and after the last one. ``selects``: the score whose maximum chooses the weights.
    ``clip_norm``: the largest total norm of the gradients. ``average(step)``: the decay of a moving average of the
    weights, which is then validated and kept; None for none.

    ``metadata``: text for the header of ``model.safetensors`` (configuration, encoders' names). ``recipe``: the recipe
    in ``training.json``; plain JSON values. A run resumes only with the same ones.
    """

    module: nn.Module
    card: ModelCard
    optimizers: Sequence[torch.optim.Optimizer]
    rates: Callable[[int], Sequence[Mapping[str, float]]]
    epochs: int
    steps_per_epoch: int
    batch: Callable[[int, int, int, int], Any]
    loss: Callable[[Any], Loss]
    validate: Callable[[], Mapping[str, float]]
    selects: str
    validate_every: int = 1
    clip_norm: float | None = None
    average: Callable[[int], float] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * self.steps_per_epoch


class Trainer(Protocol):
    """An object of the entry-point group ``fsbench.trainers``: it has ``task(setup, *, flags…) -> Task``."""

    @property
    def task(self) -> Callable[..., Task]: ...
