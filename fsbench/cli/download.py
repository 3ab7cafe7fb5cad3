"""``fsbench download``: fetches raw data from its official place or a mirror, or says how a person can."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

EXAMPLE = "Example: fsbench download voc --root data"


def download(
    what: Annotated[
        Literal["voc", "sbd", "coco2014", "fss1000", "fss-1000"],
        typer.Argument(help="voc and sbd (PASCAL-5i), coco2014 (COCO-20i), or fss1000 (also fss-1000)."),
    ],
    root: Annotated[Path, typer.Option(help="The folder that the data is put in.")],
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A folder on a server that has the same files: http(s)://HOST/PATH."),
    ] = None,
    archive: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="An archive you already have, instead of downloading it; repeatable."),
    ] = None,
) -> None:
    """Show the terms, then fetch, verify and unpack raw data; rerun the command to resume."""
    import shlex

    from fsbench.errors import FsbenchError

    if what not in ("fss1000", "fss-1000"):
        from fsbench.download.run import download as run
        from fsbench.download.sources import sources

        run(sources()[what], root, mirror=mirror, by_hand=archive or (), say=typer.echo)
        return

    from fsbench.download.fss import NAME, STEPS, unpack_release

    if mirror is not None:
        raise FsbenchError(
            f"--mirror {mirror}: {what} cannot be fetched from a host: give the archive with --archive {NAME}"
        )
    if not archive:
        typer.echo(STEPS.replace("{root}", shlex.quote(str(root))))
        raise FsbenchError(f"{what}: nothing was downloaded: no program can fetch it, follow the steps printed above")
    if len(archive) > 1:
        raise FsbenchError(f"{archive[1]}: {what} is one archive, {NAME}: give --archive once")
    unpack_release(archive[0], root, typer.echo)
