"""The console that tables are printed on: as wide as a table needs where the output is no terminal."""

from __future__ import annotations

import sys

from rich.console import Console


def wide_console() -> Console:
    """Standard output; 190 columns where it is a file or a pipe, so that no column is cut."""
    return Console() if sys.stdout.isatty() else Console(width=190)
