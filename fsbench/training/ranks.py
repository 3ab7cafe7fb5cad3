"""Data parallel: the processes that ``torchrun`` started, each with its share of every batch.

Gloo on CPU, NCCL on CUDA. Nothing is sharded: every rank holds the module, gradients are summed, rank 0 writes.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PATIENCE = timedelta(hours=24)
"""How long a rank waits for the others, which may be computing features or validating."""


@dataclass(frozen=True)
class Ranks:
    """This process's ``rank`` among ``size``; with one rank, ``wait`` and ``sum`` do nothing."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the rank that validates, writes and prints."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait for all ranks."""
        if self.size > 1:
            import torch.distributed as dist

            dist.barrier()

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one dtype and device by their sums over the ranks, in one message."""
        if self.size == 1 or not tensors:
            return
        import torch
        import torch.distributed as dist

        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, summed in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(summed.view_as(tensor))


@contextmanager
def all_ranks(device: str) -> Iterator[tuple[Ranks, torch.device]]:
    """The ranks of this run and this rank's device; models must be freed before the context ends.

    Under ``torchrun`` with ``cuda`` each rank takes the card of its local number. (Gloo sometimes aborts at exit unless
    models are freed and a barrier is passed before the group is destroyed.)
    """
    import torch

    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks(), torch.device(device)
        return
    import torch.distributed as dist

    own = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if device == "cuda" else torch.device(device)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(dist.get_rank(), size), own
        gc.collect()
        dist.barrier()
    finally:
        dist.destroy_process_group()
