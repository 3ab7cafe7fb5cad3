"""``fsbench``: finds the command, and turns every error of a user's into one line and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from fsbench.cli import (
    build,
    compare,
    demo,
    download,
    episodes,
    evaluate,
    list_command,
    merge,
    rescore,
    segment,
    show,
    train,
    verify,
)
from fsbench.errors import FsbenchError
from fsbench.io.untrusted import plain
from fsbench.version import __version__

# typer brings its own copy of click in some versions: take the class from wherever it is
_USAGE: Any = typer.BadParameter.__bases__[0]
UsageError: type[Exception] = _USAGE

INTERRUPTED = 130

app = typer.Typer(
    name="fsbench",
    help="A referee for few-shot and zero-shot segmentation: build benchmarks, evaluate models, check the result.",
    epilog="First steps: fsbench demo",
    no_args_is_help=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(f"fsbench {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


START, RAW, RUN, READ = "Start here", "Benchmarks", "Models", "Results"
"""Panels of ``fsbench --help``, in the order in which a user needs them."""

PANEL_OF_SIBLING = {"fusioner": RUN, "leaderboard": READ, "push": RAW}

app.command("demo", epilog=demo.EXAMPLE, rich_help_panel=START)(demo.demo)
app.command("list", epilog=list_command.EXAMPLE, rich_help_panel=START)(list_command.list_)
app.command("download", epilog=download.EXAMPLE, rich_help_panel=RAW)(download.download)
app.add_typer(build.app, name="build", rich_help_panel=RAW)
app.command("verify", epilog=verify.EXAMPLE, rich_help_panel=RAW)(verify.verify)
app.command("show", epilog=show.EXAMPLE, rich_help_panel=RAW)(show.show)
app.command("episodes", epilog=episodes.EXAMPLE, rich_help_panel=RAW)(episodes.episodes)
app.command("evaluate", epilog=evaluate.EXAMPLE, rich_help_panel=RUN)(evaluate.evaluate)
app.command("segment", epilog=segment.EXAMPLE, rich_help_panel=RUN)(segment.segment)
app.add_typer(train.app, name="train", rich_help_panel=RUN)
app.command("compare", epilog=compare.EXAMPLE, rich_help_panel=READ)(compare.compare)
app.command("rescore", epilog=rescore.EXAMPLE, rich_help_panel=READ)(rescore.rescore)
app.command("merge", epilog=merge.EXAMPLE, rich_help_panel=READ)(merge.merge)


def _add_siblings() -> None:
    from fsbench.plugins import load, registered

    added = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    for name, point in registered("commands").items():
        if name in added:
            continue
        try:
            add_sibling(name, load(point))
        except FsbenchError as error:
            _fail(f"the command {error}", 0)


def add_sibling(name: str, sibling: typer.Typer) -> None:
    """Add what an entry point of ``fsbench.commands`` loads: as a plain command where it has just one."""
    panel = PANEL_OF_SIBLING.get(name, "Of other packages")
    if len(sibling.registered_commands) == 1 and not sibling.registered_groups and sibling.registered_callback is None:
        (only,) = sibling.registered_commands
        assert only.callback is not None
        app.command(name, help=only.help, epilog=only.epilog, rich_help_panel=panel)(only.callback)
    else:
        app.add_typer(sibling, name=name, rich_help_panel=panel)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, 1 (a check failed), 2 (bad usage or input), 130 (interrupted)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot print a sign must not cost a result
    _add_siblings()
    try:
        code = app(args=arguments, prog_name="fsbench", standalone_mode=False)
    except FsbenchError as error:
        code = _fail(str(error), error.exit_code)
    except UsageError as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "fsbench"
        said = getattr(error, "format_message", error.__str__)()
        code = _fail(f"{said} (see '{command} --help')", 2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads on: leave quietly, as other commands do
        code = 1
    except OSError as error:
        code = _fail(f"{error.filename or 'file'}: {error.strerror or error}: check the path and its permissions", 2)
    if code == INTERRUPTED:
        _fail("interrupted; rerun the command to resume", code)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> int:
    rank = f"rank {os.environ.get('RANK', '?')}: " if int(os.environ.get("WORLD_SIZE", "1")) > 1 else ""
    print(f"fsbench: {rank}" + plain(" ".join(message.split())), file=sys.stderr)  # noqa: T201
    return code
