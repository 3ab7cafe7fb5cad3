"""Arguments and flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fsbench.cli import completion

BuiltBenchmark = Annotated[
    str,
    typer.Argument(help="A name under FSBENCH_HOME, or a benchmark folder.", autocompletion=completion.benchmarks),
]
Device = Annotated[str, typer.Option(help="auto (cuda, mps, cpu), cpu, cuda, cuda:N, mps.")]
IfExists = Literal["resume", "error", "replace"]
"""What to do where the output exists."""
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Protocol = Annotated[
    str | None,
    typer.Option(
        help="See 'fsbench list protocols'. Default: fsbench-v1; on Mosaic-4 mosaic4-v1.",
        show_default=False,
        autocompletion=completion.protocols,
    ),
]
RecordPath = Annotated[Path, typer.Argument(help="A record.json, or the folder that holds it.")]
Root = Annotated[Path | None, typer.Option(help="Where the raw data is now, if it was moved.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch. Default: all; one under torchrun.")]
