"""The progress bar of a training, with its loss and the time left; silent where standard error is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[int, str], None]


@contextmanager
def training_bar(description: str, total: int, done: int, shown: bool) -> Iterator[Show]:
    """Show a bar that begins at ``done``; gives a function of (steps done by now, what to say beside it)."""
    if not shown or not sys.stderr.isatty():
        yield lambda step, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total, completed=done, said="")
        yield lambda step, text: bar.update(task, completed=step, said=text)
