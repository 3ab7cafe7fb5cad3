"""``fsbench train NAME``: every registered trainer is a command; its keywords are flags beside the shared ones."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer
import typer.core

from fsbench.cli import completion
from fsbench.cli.options import Device, IfExists, Root, Threads
from fsbench.errors import FsbenchError
from fsbench.plugins import load, registered

GIB = 2**30


def shared(
    *,
    benchmark: Annotated[
        str,
        typer.Option(
            "-b", "--benchmark", help="A built benchmark's name, or a folder.", autocompletion=completion.benchmarks
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run's folder: fold f is written to OUT/fold{f}.")],
    fold: Annotated[
        str, typer.Option("-f", "--fold", help="The fold to be tested: all, one, or several: 0,2.")
    ] = "all",
    train_list: Annotated[
        str | None, typer.Option(help="Which of the benchmark's train lists. Default: its first.", show_default=False)
    ] = None,
    drop_novel_images: Annotated[
        bool, typer.Option("--drop-novel-images", help="Leave out photographs that show a tested class.")
    ] = False,
    held_out: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the photographs kept for choosing weights.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and augmentation.")] = 0,
    device: Device = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"],
        typer.Option(help="auto is bf16 or fp16 on CUDA, float32 elsewhere."),
    ] = "auto",
    threads: Threads = None,
    workers: Annotated[int, typer.Option(min=0, help="Threads that make batches ahead.")] = 1,
    features: Annotated[
        Path | None, typer.Option(help="Where features are kept. Default: features under FSBENCH_HOME.")
    ] = None,
    features_gib: Annotated[float, typer.Option(min=0.0, help="How large that folder may grow, GiB.")] = 50.0,
    tensorboard: Annotated[bool, typer.Option(help="Log to OUT/fold{f}/tensorboard.")] = True,
    save_seconds: Annotated[float, typer.Option(min=0.0, help="Least time between two states on disk.")] = 60.0,
    if_exists: Annotated[IfExists, typer.Option(help="What to do if the fold exists.")] = "resume",
    root: Root = None,
) -> dict[str, Any]:
    """The flags of every trainer, as ``Request`` takes them."""
    from fsbench.index.benchmark import open_benchmark

    return {
        "benchmark": open_benchmark(benchmark, root=root),
        "out": out,
        "folds": None if fold == "all" else tuple(part.strip() for part in fold.split(",")),
        "train_list": train_list,
        "drop_novel_images": drop_novel_images,
        "held_out": held_out,
        "seed": seed,
        "device": device,
        "precision": precision,
        "threads": threads,
        "workers": workers,
        "features": features,
        "features_bytes": int(features_gib * GIB),
        "tensorboard": tensorboard,
        "save_seconds": save_seconds,
        "if_exists": if_exists,
    }


class Trainers(typer.core.TyperGroup):
    """The trainers of the entry-point group ``fsbench.trainers``, loaded when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(registered("trainers"))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        point = registered("trainers").get(cmd_name)
        return None if point is None else trainer_command(cmd_name, load(point))


def trainer_command(name: str, trainer: Any) -> Any:
    """The command made of ``trainer.task``: the shared flags and its own, its first paragraph as help."""
    theirs = _flags(trainer.task)
    ours = _flags(shared)
    both = sorted(theirs.keys() & ours.keys())
    if both:
        raise FsbenchError(f"trainer {name}: {', '.join(both)}: is a flag of every trainer: call it something else")

    def run(**values: Any) -> None:
        from fsbench.training.run import Request, train_folds

        options = {key: values.pop(key) for key in theirs}
        report(train_folds(trainer, Request(trainer=name, options=options, **shared(**values))))

    flags = {**ours, **theirs}
    run.__signature__ = inspect.Signature(list(flags.values()))  # type: ignore[attr-defined]
    run.__annotations__ = {key: flag.annotation for key, flag in flags.items()}
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    summary = (inspect.getdoc(trainer.task) or "").partition("\n\n")[0]
    alone.command(name, help=summary, epilog=getattr(trainer, "EXAMPLE", None))(run)
    return typer.main.get_command(alone)


def _flags(function: Any) -> dict[str, inspect.Parameter]:
    """The keyword parameters of a function, with their annotations resolved."""
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    return {
        name: parameter.replace(annotation=hints.get(name, str))
        for name, parameter in parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def report(folders: list[Path]) -> None:
    """Say what was trained and what can be done with it (on the first rank)."""
    import os

    if os.environ.get("RANK", "0") != "0":
        return
    from rich.console import Console

    from fsbench.training.report import REPORT, read_report

    console = Console(highlight=False, soft_wrap=True)
    for folder in folders:
        fold = read_report(folder / REPORT)
        console.print(
            f"fold {fold.fold}: {fold.selected_by} {fold.selected_score:.4f} on held-out photographs after epoch "
            f"{fold.selected_epoch + 1} of {len(fold.epochs)}",
            markup=False,
        )
        console.print(f"  checkpoint: {folder}", markup=False)


app = typer.Typer(
    cls=Trainers,
    help="Train a model on the training classes of a benchmark's fold.",
    epilog="Example: fsbench train fusioner -b pascal-5i --fold 0 --out runs/first",
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)


@app.callback()
def _train() -> None:
    """Train a model on the training classes of a benchmark's fold."""
