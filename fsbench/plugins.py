"""Plugins: models, benchmarks, trainers and commands that packages (and fsbench) register as entry points.

Nothing is imported before it is used, and this module imports next to nothing, because every command starts here.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fsbench.errors import FsbenchError


def registered(group: str) -> dict[str, EntryPoint]:
    """Name -> entry point of ``fsbench.models``, ``.benchmarks``, ``.trainers`` or ``.commands``, sorted by name."""
    return {point.name: point for point in sorted(entry_points(group=f"fsbench.{group}"), key=lambda p: p.name)}


def load(point: EntryPoint) -> Any:
    """The object of an entry point; raises FsbenchError if its package does not import."""
    try:
        return point.load()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise FsbenchError(f"{point.name}: {point.value} does not import ({reason}): reinstall its package") from error
