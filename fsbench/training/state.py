"""The state of a training on disk: one safetensors file with every tensor, and the rest as JSON in its header.

The file is written atomically, so weights, moments and step always belong together; it is sealed, so an altered byte
is noticed. Nothing is pickled: the optimizers' states are named tensors and numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fsbench.errors import FsbenchError
from fsbench.training.tensors import read_sealed, write_sealed

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SCHEMA = "fsbench-training-state/1"


class Epoch(BaseModel):
    """A finished epoch, from 0: the mean loss, and the scores if it was validated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: int
    loss: float
    scores: dict[str, float] = Field(default_factory=dict)


class Reached(BaseModel):
    """How far a training is: ``step`` steps are done; those of the current epoch have the loss ``total / weight``."""

    model_config = ConfigDict(extra="forbid")

    step: int = 0
    total: float = 0.0
    weight: float = 0.0
    best_epoch: int | None = None
    epochs: list[Epoch] = Field(default_factory=list)
    seconds: float = 0.0
    scaler: dict[str, float] = Field(default_factory=dict)
    numbers: list[dict[str, float]] = Field(default_factory=list)


def save_state(
    path: Path,
    run: Mapping[str, Any],
    reached: Reached,
    module: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    average: Mapping[str, Tensor],
) -> None:
    """Write everything that a killed run needs to resume.

    An optimizer's state is tensors and numbers, both named ``parameter's index.name``.
    """
    import torch

    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.items()}
    reached.numbers = []
    for place, optimizer in enumerate(optimizers):
        states = optimizer.state_dict()["state"]
        values = {f"{index}.{name}": value for index, of in states.items() for name, value in of.items()}
        tensors |= {f"optimizer{place}.{k}": value for k, value in values.items() if isinstance(value, torch.Tensor)}
        reached.numbers.append({k: v for k, v in values.items() if not (v is None or isinstance(v, torch.Tensor))})
    header = {"schema": SCHEMA, "run": json.dumps(run, sort_keys=True), "reached": reached.model_dump_json()}
    write_sealed(path, tensors, header)


def load_state(
    path: Path,
    run: Mapping[str, Any],
    module: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    average: Mapping[str, Tensor],
) -> Reached:
    """Put module, optimizers and ``average`` where ``save_state`` left them; returns how far that was.

    Raises FsbenchError for a file that is damaged, altered or of another run, and says what differs.
    """
    tensors, header = read_sealed(path)
    try:
        if header.get("schema") != SCHEMA:
            raise FsbenchError(f"{path}: schema is {header.get('schema')!r}, expected {SCHEMA!r}: --if-exists replace")
        check_same_run(path, json.loads(header["run"]), run)
        reached = Reached.model_validate_json(header["reached"])
        module.load_state_dict(_under("module.", tensors))
        for place, optimizer in enumerate(optimizers):
            states: dict[int, dict[str, Any]] = {}
            for key, value in (_under(f"optimizer{place}.", tensors) | reached.numbers[place]).items():
                index, _, name = key.partition(".")
                states.setdefault(int(index), {})[name] = value
            optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
        for name, tensor in average.items():
            tensor.copy_(tensors[f"average.{name}"])
    except (KeyError, IndexError, ValueError, RuntimeError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise FsbenchError(f"{path}: does not fit this module and optimizers ({why}): --if-exists replace") from error
    return reached


def check_same_run(path: Path, was: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Raise FsbenchError, naming the first thing that differs, where a file is from another run."""
    now = json.loads(json.dumps(run))
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            raise FsbenchError(
                f"{path}: is from another run ({name} was {str(was.get(name))[:60]!r}, this run's is "
                f"{str(now.get(name))[:60]!r}): use the same, another --out, or --if-exists replace"
            )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
