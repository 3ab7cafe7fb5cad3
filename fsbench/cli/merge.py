"""``fsbench merge``: joins records of single folds into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: fsbench merge fold0/record.json fold1/record.json --out results"


def merge(
    record: Annotated[list[Path], typer.Argument(help="record.json files, or the folders that hold them.")],
    out: Annotated[Path, typer.Option(help="Results folder; the record gets its usual place below it.")],
) -> None:
    """Join records of different folds into one; everything else must be equal."""
    from fsbench.cli.console import wide_console
    from fsbench.results.merge import merge_records
    from fsbench.tables.table import print_tables

    merged = merge_records(record, out)
    console = wide_console()
    print_tables([merged], console)
    console.print(f"record: {out / merged.folder() / 'record.json'}", markup=False, highlight=False, soft_wrap=True)
