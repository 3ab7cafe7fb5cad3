"""Mixed precision: autocast in the forward pass, and a gradient scaler where float16 needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsbench.errors import FsbenchError

if TYPE_CHECKING:
    import torch

CHOICES = ("auto", "float32", "bf16", "fp16")


def resolve_precision(precision: str, device: torch.device) -> str:
    """``auto``: on CUDA bf16 if the card supports it, else fp16; float32 elsewhere. Raises FsbenchError if unknown."""
    import torch

    if precision not in CHOICES:
        raise FsbenchError(f"--precision {precision}: choose one of {', '.join(CHOICES)}")
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "float32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context of a forward pass in float32, bf16 or fp16."""
    import torch

    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "float32")


def gradient_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Scales gradients under fp16 and passes them on otherwise."""
    import torch

    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
