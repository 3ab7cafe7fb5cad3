"""``fsbench build NAME``: every registered builder is a command, and its function's parameters are the flags."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import typer
import typer.core

from fsbench.errors import FsbenchError
from fsbench.plugins import load, registered


class Builders(typer.core.TyperGroup):
    """The builders of the entry-point group ``fsbench.benchmarks``, loaded when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(registered("benchmarks"))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        point = registered("benchmarks").get(cmd_name)
        if point is None:
            return None
        try:
            return builder_command(cmd_name, load(point))
        except FsbenchError as error:
            return broken_command(cmd_name, error)


def builder_command(name: str, builder: Any) -> Any:
    """The command made of ``builder.build``: its signature gives the flags, its first paragraph the help."""

    @functools.wraps(builder.build)
    def run(**options: Any) -> None:
        built = builder.build(**options)
        if built is not None:
            report(built)

    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    summary = (inspect.getdoc(builder.build) or "").partition("\n\n")[0]
    alone.command(name, help=summary, epilog=getattr(builder, "EXAMPLE", None))(run)
    return typer.main.get_command(alone)


def broken_command(name: str, error: FsbenchError) -> Any:
    """The command of a builder that cannot be imported: it says so, and the others still work."""

    def run() -> None:
        raise error

    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    alone.command(name, help=f"Not usable: {error}", context_settings=settings)(run)
    return typer.main.get_command(alone)


def report(benchmark: Any) -> None:
    """Say what was built and what can be done with it."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"built {benchmark.title}", style="bold", markup=False)
    for what, number in benchmark.counts.items():
        console.print(f"  {what.replace('_', ' ')}: {number}")
    for name, digest in vars(benchmark.digests).items():
        console.print(f"  {name} digest: {digest}")
    console.print(f"  folder: {benchmark.folder}", markup=False)
    console.print(f"next: fsbench evaluate -m prototype -b {benchmark.folder}", markup=False)


app = typer.Typer(
    cls=Builders,
    help="Build a benchmark folder from raw data.",
    epilog="Example: fsbench build pascal-5i --root VOCdevkit",
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)


@app.callback()
def _build() -> None:
    """Build a benchmark folder from raw data."""
