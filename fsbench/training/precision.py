"""Mixed precision: autocast in the forward pass, and a gradient scaler where float16 needs one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fsbench.errors import FsbenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CHOICES = ("auto", "float32", "bf16", "fp16")


def resolve_precision(precision: str, device: torch.device) -> str:
    """``auto``: on CUDA bf16 where the card has it, else fp16; float32 elsewhere. Raises FsbenchError if unknown."""
    import torch

    if precision not in CHOICES:
        raise FsbenchError(f"--precision {precision}: choose one of {', '.join(CHOICES)}")
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "float32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


class Precision:
    """How a step computes its gradients; ``name`` is one of float32, bf16, fp16."""

    def __init__(self, name: str, device: torch.device) -> None:
        import torch

        self.name = name
        self._device = device.type
        self._dtype = torch.float16 if name == "fp16" else torch.bfloat16
        self._scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> Any:
        """The context of a forward pass."""
        import torch

        return torch.autocast(self._device, self._dtype, enabled=self.name != "float32")

    def backward(self, loss: Tensor) -> None:
        """Gradients of the (scaled) loss."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def unscale(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Bring gradients back to size, for clipping."""
        for optimizer in optimizers:
            self._scaler.unscale_(optimizer)

    def step(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Take the step, unless float16 gradients ran over."""
        for optimizer in optimizers:
            self._scaler.step(optimizer)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """Plain numbers, for ``restore``."""
        return dict(self._scaler.state_dict())

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``."""
        self._scaler.load_state_dict(state)
