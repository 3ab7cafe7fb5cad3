"""Command-line flags that several builders share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path | None, typer.Option(help="The benchmark folder. Default: its name under FSBENCH_HOME.")]
Partial = Annotated[
    bool, typer.Option("--partial", help="Build from the files that are present; the benchmark is marked as partial.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Reading threads.")]
