"""``fsbench leaderboard build``: a static site from a folder of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: fsbench leaderboard build results --out site --with-published"


def build(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="The folder of records.")],
    out: Annotated[Path, typer.Option(help="Where the site is written; an older site there is replaced.")],
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Show published numbers too, apart from measured ones.")
    ] = False,
    benchmark: Annotated[
        list[str] | None,
        typer.Option("-b", "--benchmark", help="A local benchmark. Default: those under FSBENCH_HOME."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Where the benchmark's raw data lies now, if it was moved.")] = None,
) -> None:
    """Write a static site: open index.html, or put the folder on any web server. Needs no network."""
    from fsbench.errors import FsbenchError
    from fsbench.progress import progress
    from leaderboard.boards import make_boards
    from leaderboard.cli.selection import read_and_report
    from leaderboard.site.build import build_site, check_target, one_build, page_count
    from leaderboard.site.galleries import Galleries
    from leaderboard.site.local_benchmarks import find_benchmarks
    from leaderboard.site.pages import Site

    with one_build(out):
        check_target(out, results)
        read = read_and_report(results)
        if not read.entries:
            raise FsbenchError(f"{results}: holds no record that can be shown: evaluate again, or give another folder")
        site = Site(read, make_boards(read.entries), with_published)
        galleries = Galleries(find_benchmarks(site, benchmark or (), root))
        with progress("pages", page_count(site)) as advance:
            built = build_site(site, out, advance, galleries)
    typer.echo(
        f"{out}: {built.pages} pages of {len(read.entries)} records on {len(site.boards)} boards "
        f"({built.files} files, {built.size / 1e6:.1f} MB). Open {out / 'index.html'}."
    )
