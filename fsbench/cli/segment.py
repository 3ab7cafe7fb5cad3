"""``fsbench segment``: tries a text-prompted model out on one photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fsbench.cli import completion
from fsbench.cli.options import Device, Json
from fsbench.errors import FsbenchError

EXAMPLE = "Example: fsbench segment photo.jpg cat sofa -m fusioner:run/fold0 --out overlay.png"


def segment(
    photograph: Annotated[Path, typer.Argument(help="A photograph.")],
    names: Annotated[list[str], typer.Argument(help="The classes to look for, one or more.")],
    model: Annotated[
        str,
        typer.Option(
            "-m",
            "--model",
            help="A registered name or module:factory; it must answer to text.",
            autocompletion=completion.models,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="The picture to write.")],
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="A label map to write: value 1 is the first class, 0 none."),
    ] = None,
    device: Device = "auto",
    option: Annotated[list[str] | None, typer.Option(help="key=value for the model.")] = None,
    as_json: Json = False,
) -> None:
    """Paint the classes that a model finds in a photograph: a trial, no score."""
    import json
    import sys
    from contextlib import nullcontext, redirect_stdout

    from fsbench.cli.evaluate import options_for
    from fsbench.engine.segment import segment as ask
    from fsbench.io.files import atomic_write, check_writable
    from fsbench.io.locks import one_writer
    from fsbench.io.palette import palette_image
    from fsbench.pictures.overlay import share_text

    outputs = [path for path in (out, labels) if path is not None]
    for path in outputs:
        if path.suffix.lower() != ".png" or path.is_dir():
            raise FsbenchError(f"{path}: expected the name of a file that ends in .png")
        if path.resolve() == photograph.resolve():
            raise FsbenchError(f"{path}: is the photograph itself: choose another name")
    if labels is not None and labels.resolve() == out.resolve():
        raise FsbenchError(f"{out}: is given for both --out and --labels: choose two names")
    if not photograph.is_file():
        raise FsbenchError(f"{photograph}: is not there: expected a photograph")
    for path in outputs:
        check_writable(path.parent)
    options = options_for(model, [model], option or [])
    with one_writer(out), one_writer(labels):
        with redirect_stdout(sys.stderr) if as_json else nullcontext():  # a model may print; JSON must stay whole
            found = ask(model, photograph, names, device=device, options=options)
        pictures = {out: found.overlay()}
        if labels is not None:
            pictures[labels] = palette_image(found.labels, len(found.names))
        for path, picture in pictures.items():
            with atomic_write(path) as temporary:
                picture.save(temporary, format="PNG")
    if as_json:
        height, width = found.labels.shape
        report = {"model": found.model, "height": height, "width": width, "shares": found.shares(), "overlay": str(out)}
        typer.echo(json.dumps(report if labels is None else {**report, "labels": str(labels)}, ensure_ascii=False))
        return
    longest = max(map(len, found.names))
    for name, share in found.shares().items():
        typer.echo(f"{name:{longest}s}  {share_text(share):>6s}")
    for path in outputs:
        typer.echo(f"written: {path}")
