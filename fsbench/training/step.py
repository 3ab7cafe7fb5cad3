"""One step of a training: the loss, gradients summed over the ranks, and the optimizers' step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from fsbench.errors import FsbenchError
from fsbench.training.precision import autocast, gradient_scaler
from fsbench.training.randomness import torch_seeded
from fsbench.training.task import Setup, Task

if TYPE_CHECKING:
    from torch import Tensor, nn


class StepLoss(NamedTuple):
    """The mean loss of a step over all ranks and the weight it was taken over: scalar tensors, not waited for."""

    mean: Tensor
    weight: Tensor


class Stepper:
    """Takes the steps of a task on this rank. ``average``: the moving average of the weights, empty for none."""

    def __init__(self, task: Task, setup: Setup, precision: str) -> None:
        self.average: dict[str, Tensor] = {}
        if task.average is not None:
            self.average = {name: tensor.detach().clone() for name, tensor in task.module.state_dict().items()}
        self.scaler = gradient_scaler(precision, setup.device)
        self._task, self._setup, self._ranks, self._precision = task, setup, setup.ranks, precision
        self._parameters = [p for p in task.module.parameters() if p.requires_grad]
        self._buffers = [b for b in task.module.buffers() if b.is_floating_point()]

    def step(self, number: int, data: Any) -> StepLoss:
        """Take step ``number`` with this rank's share of its batch."""
        import torch

        task, device = self._task, self._setup.device
        self.set_rates(number)
        task.module.train()
        for optimizer in task.optimizers:
            optimizer.zero_grad()
        seeded = torch_seeded(device, "fsbench-step", self._setup.seed, number, self._ranks.rank)
        with seeded, autocast(self._precision, device):
            loss = task.loss(data)
        total = loss.total.float()
        weight = torch.as_tensor(loss.weight, dtype=torch.float32, device=total.device).detach().clone()
        self._ranks.sum([weight])
        mean = total / weight.clamp(min=torch.finfo(torch.float32).tiny)
        self.scaler.scale(mean).backward()  # type: ignore[no-untyped-call]
        self._sum_over_ranks()
        for optimizer in task.optimizers:
            self.scaler.unscale_(optimizer)
        if task.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, task.clip_norm)
        for optimizer in task.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        if task.average is not None:
            self._update_average(task.average(number))
        of_all = mean.detach().clone()
        self._ranks.sum([of_all])
        return StepLoss(of_all, weight)

    def set_rates(self, number: int) -> dict[str, float]:
        """Set learning rates and the like for step ``number``; returns them by name and group."""
        groups = [group for optimizer in self._task.optimizers for group in optimizer.param_groups]
        rates = self._task.rates(number)
        if len(rates) != len(groups):
            raise FsbenchError(f"rates({number}) gives {len(rates)} groups, the optimizers have {len(groups)}")
        for group, of_group in zip(groups, rates, strict=True):
            group.update(of_group)
        return {f"{name}{place}": value for place, of_group in enumerate(rates) for name, value in of_group.items()}

    def _sum_over_ranks(self) -> None:
        """Make gradients those of the whole batch, and running statistics the mean over the ranks."""
        import torch

        if self._ranks.size == 1:
            return
        for parameter in self._parameters:
            if parameter.grad is None:  # another rank may have one
                parameter.grad = torch.zeros_like(parameter)
        self._ranks.sum([p.grad for p in self._parameters if p.grad is not None])
        with torch.no_grad():
            self._ranks.sum(self._buffers)
            for buffer in self._buffers:
                buffer /= self._ranks.size

    def _update_average(self, decay: float) -> None:
        import torch

        with torch.no_grad():
            for name, tensor in self._task.module.state_dict().items():
                if tensor.is_floating_point():
                    self.average[name].lerp_(tensor, 1 - decay)
                else:
                    self.average[name].copy_(tensor)


@contextmanager
def using_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, the module has ``weights`` (its own if empty); outside, what it had."""
    if not weights:
        yield
        return
    own = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict(weights)
    try:
        yield
    finally:
        module.load_state_dict(own)
