"""``fsbench download``: fetches raw data from its official place, or says how a person can."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: fsbench download voc --root data"


class What(StrEnum):
    """What is downloaded."""

    VOC = "voc"
    SBD = "sbd"
    COCO2014 = "coco2014"
    FSS1000 = "fss1000"


def download(
    what: Annotated[What, typer.Argument(help="voc and sbd (PASCAL-5i), coco2014 (COCO-20i), or fss1000.")],
    root: Annotated[Path, typer.Option(help="The folder that the data is put in.")],
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A folder on a server that has the same files: http(s)://HOST/PATH."),
    ] = None,
) -> None:
    """Show the terms, then fetch, verify and unpack raw data; the same command goes on where it was stopped."""
    import shlex

    from fsbench.download.run import download as run
    from fsbench.download.sources import FSS1000, sources
    from fsbench.errors import FsbenchError

    if what is What.FSS1000:
        typer.echo(FSS1000.replace("{root}", shlex.quote(str(root))))
        raise FsbenchError("fss1000: nothing was downloaded: no program can fetch it, follow the steps printed above")
    run(sources()[what.value], root, mirror=mirror, say=typer.echo)
