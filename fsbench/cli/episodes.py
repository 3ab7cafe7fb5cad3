"""``fsbench episodes``: prints the manifest, the exact list of questions of an evaluation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from fsbench.cli.options import Protocol

EXAMPLE = "Example: fsbench episodes pascal-5i --fold 0 --protocol hsnet --shots 1 --seed 0 | sha256sum"


def episodes(
    benchmark: Annotated[
        str, typer.Argument(help="A benchmark's bare name (published lists, no data needed) or a benchmark folder.")
    ],
    fold: Annotated[
        str | None, typer.Option("-f", "--fold", help="The fold. Default: the first.", show_default=False)
    ] = None,
    protocol: Protocol = None,
    shots: Annotated[
        int | None,
        typer.Option("-k", "--shots", min=0, help="Supports per class. Default: 1 where the protocol has any."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    run: Annotated[int, typer.Option(min=0, help="Which run, of protocols that are drawn several times.")] = 0,
    output: Annotated[
        Literal["text", "jsonl"], typer.Option("--format", help="text is what digests are made of.")
    ] = "text",
    draw_from: Annotated[
        Literal["published", "present"],
        typer.Option(help="For a partial folder: draw from the published list, or from the files present."),
    ] = "published",
) -> None:
    """Print the episodes of one fold, one line each: query, 0-based class id, supports."""
    from fsbench.episodes.draws import draw
    from fsbench.episodes.protocols import default_protocol, protocol_named
    from fsbench.index.benchmark import open_benchmark
    from fsbench.index.published import published_lists

    lists = None if os.path.lexists(Path(benchmark) / "benchmark.json") else published_lists(benchmark)
    present = None
    if lists is None:
        opened = open_benchmark(benchmark)
        lists, present = opened.lists, opened.present if opened.partial else None
    named = default_protocol(lists) if protocol is None else protocol_named(protocol)
    if named.rule_only:
        typer.echo(f"fsbench: {named.title}: drawn by the paper's rule; its own episodes cannot be replayed", err=True)
    manifest = draw(
        lists,
        next(iter(lists.folds)) if fold is None else fold,
        named,
        int(named.rule(lists.name).most_shots != 0) if shots is None else shots,
        seed,
        run=run,
        present=present,
        draw_from_present=draw_from == "present",
    )
    text = manifest.text() if output == "text" else manifest.jsonl([c.key for c in lists.classes])
    typer.echo(text, nl=False)
