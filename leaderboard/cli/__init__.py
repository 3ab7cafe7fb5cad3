"""``fsbench leaderboard``: tables, pages and checks. Nothing slow is imported before it is used."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Tables, a site and a badge from a folder of records, and checks of records that are handed in.",
    no_args_is_help=True,
)


@app.callback()
def _leaderboard() -> None:
    pass
