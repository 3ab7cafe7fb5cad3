"""``fsbench leaderboard``: tables, pages and checks. Nothing slow is imported before it is used."""

from __future__ import annotations

import typer

from leaderboard.cli import badge, build, check, diff, export

app = typer.Typer(
    help="Tables, a site and a badge from a folder of records, and checks of submitted records.",
    no_args_is_help=True,
)


@app.callback()
def _leaderboard() -> None:
    pass


app.command("export", epilog=export.EXAMPLE)(export.export)
app.command("build", epilog=build.EXAMPLE)(build.build)
app.command("badge", epilog=badge.EXAMPLE)(badge.badge)
app.command("check", epilog=check.EXAMPLE)(check.check)
app.command("diff", epilog=diff.EXAMPLE)(diff.diff)
