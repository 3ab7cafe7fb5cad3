"""What a training shows while it runs: a progress bar on a terminal, and TensorBoard logs.

Logs hold times of day and are no part of the result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsbench.errors import FsbenchError


@contextmanager
def training_bar(description: str, total: int, done: int, visible: bool) -> Iterator[Callable[[int, str], None]]:
    """Show a bar that starts at ``done``; gives a function of (steps done, text). Silent off a terminal."""
    if not visible or not sys.stderr.isatty():
        yield lambda step, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    text, status = TextColumn("{task.description}"), TextColumn("{task.fields[text]}")
    columns = text, BarColumn(), MofNCompleteColumn(), status, TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total, completed=done, text="")
        yield lambda step, text: bar.update(task, completed=step, text=text)


class Logs:
    """Scalars over steps, in event files below ``folder``; writes nothing where ``folder`` is None.

    ``step``: where the run resumes; TensorBoard hides what a killed run logged from there on.
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
        """Log the values of a step."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still buffered."""
        if self._writer is not None:
            self._writer.close()
