"""``fsbench evaluate``: asks models every question of a protocol and prints the table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Literal

import typer

from fsbench.cli import completion
from fsbench.cli.options import Device, IfExists, Protocol, Root, Threads
from fsbench.errors import FsbenchError

EXAMPLE = "Example: fsbench evaluate -m prototype -m foreground -b pascal-5i -k 1 --out results"


def evaluate(
    model: Annotated[
        list[str],
        typer.Option(
            "-m",
            "--model",
            help="A registered name, module:factory, or predictions:DIR.",
            autocompletion=completion.models,
        ),
    ],
    benchmark: Annotated[
        list[str],
        typer.Option(
            "-b",
            "--benchmark",
            help="A built benchmark's name, or a folder.",
            autocompletion=completion.benchmarks,
        ),
    ],
    fold: Annotated[str, typer.Option("-f", "--fold", help="all, a fold, or several: 0,2.")] = "all",
    protocol: Protocol = None,
    shots: Annotated[
        int | None, typer.Option("-k", "--shots", min=0, help="Default: 1 for models that need masks, else 0.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the episodes' draws.")] = 0,
    run: Annotated[
        int | None, typer.Option(min=0, help="One run of a protocol that is drawn several times. Default: all of them.")
    ] = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Episodes a model is shown at once.")] = 8,
    threads: Threads = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that read and count. Default: up to 8.")] = None,
    cache_mib: Annotated[
        int | None,
        typer.Option(min=0, help="MiB of memory for decoded photographs and masks. Default: 512.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N episodes a fold: a trial, no score.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="key=value for the models, or model:key=value for one of them.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Results folder.")] = Path("results"),
    if_exists: Annotated[IfExists, typer.Option(help="What to do if the record exists.")] = "resume",
    save_predictions: Annotated[
        bool,
        typer.Option("--save-predictions", help="Keep every mask beside the record, as predictions:DIR reads them."),
    ] = False,
    draw_from: Annotated[
        Literal["published", "present"],
        typer.Option(
            help="Papers' protocols on a partial benchmark: draw from the published list, or from the files present."
        ),
    ] = "published",
    contaminated: Annotated[
        bool, typer.Option("--contaminated", help="Accept a model trained on tested classes; marks the record.")
    ] = False,
    root: Root = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print records as JSON, one a line.")] = False,
) -> None:
    """Ask models every question of a protocol, count exactly, and print the table."""
    from dataclasses import replace

    from fsbench.engine.evaluate import check_free, run_plan
    from fsbench.engine.loaded_model import LoadedModel
    from fsbench.engine.plan import Questions, make_plan
    from fsbench.engine.ranks import Ranks
    from fsbench.engine.reading import CACHE_MIB, Reader
    from fsbench.episodes.protocols import default_protocol, protocol_named
    from fsbench.index.benchmark import open_benchmark

    questions = Questions(
        folds=None if fold == "all" else tuple(part.strip() for part in fold.split(",")),
        protocol=protocol,
        shots=shots,
        seed=seed,
        run=run or 0,
        limit=limit,
        draw_from_present=draw_from == "present",
        contaminated=contaminated,
        device=device,
        batch_size=batch_size,
        threads=threads,
        workers=workers,
        cache_mib=CACHE_MIB if cache_mib is None else cache_mib,
    )
    questions.check()
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        models = [LoadedModel.load(spec, options_for(spec, model, option or [])) for spec in model]
    fixed = [one.single for one in models if one.single is not None]
    beside_masks = any(answers.card.prompts in ("mask", "both") for answers in fixed)
    plans = []
    for opened in [open_benchmark(name, root=root) for name in benchmark]:
        runs = (default_protocol(opened.lists) if protocol is None else protocol_named(protocol)).runs
        plans += [
            make_plan(one, opened, replace(questions, run=number), out, beside_masks=beside_masks)
            for one in models
            for number in (range(runs) if run is None else [run])
        ]
    for plan in plans:
        if sum(plan.folder == other.folder for other in plans) > 1:
            raise FsbenchError(f"{plan.folder}: two evaluations have this place: give models other names")
        if if_exists == "error":
            check_free(plan)
    with redirect_stdout(sys.stderr) if as_json else nullcontext():  # a model may print; JSON must stay whole
        records, reader = [], None
        for plan in plans:
            if reader is None or reader.benchmark is not plan.benchmark:
                reader = Reader(plan.benchmark, questions.cache_mib)
            records.append(run_plan(plan, if_exists, save_predictions=save_predictions, reader=reader))
    if not Ranks().first:
        return
    if as_json:
        for record in records:
            typer.echo(record.model_dump_json(by_alias=True))
        return
    from fsbench.cli.console import wide_console
    from fsbench.tables.table import print_tables

    console = wide_console()
    print_tables(records, console)
    for plan in plans:
        console.print(f"record: {plan.folder / 'record.json'}", markup=False, highlight=False, soft_wrap=True)


def options_for(spec: str, models: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    """The options of one model: ``key=value`` is for all models, ``model:key=value`` for the one named."""
    options = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise FsbenchError(f"--option {text}: expected key=value, or model:key=value")
        named, colon, rest = key.rpartition(":")
        if colon and named not in models:
            raise FsbenchError(f"--option {text}: {named!r} is none of the models asked ({', '.join(models)})")
        if not colon or named == spec:
            options[rest] = value
    return options
