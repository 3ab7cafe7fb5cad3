"""TensorBoard logs of a training. They hold times of day and are no part of the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsbench.errors import FsbenchError


class Logs:
    """Scalars over steps, in event files below ``folder``; writes nothing where ``folder`` is None.

    ``step``: where the run goes on; what an earlier, killed run logged from there on is hidden by TensorBoard.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise FsbenchError(f"tensorboard is not installed ({error}): install it, or --no-tensorboard") from error
        self._writer = SummaryWriter(str(folder), purge_step=step)

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Log values of a step."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is not written yet."""
        if self._writer is not None:
            self._writer.close()
