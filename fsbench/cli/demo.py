"""``fsbench demo``: the main job in a few minutes, with no download and no data of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fsbench.index.benchmark import Benchmark

EXAMPLE = "Example: fsbench demo --out fsbench-demo"

GUESSES = ("background", "foreground", "center", "random")
LOOKS = "prototype"
FOLD = "0"
"""The fold whose classes the mosaics show half of, and on whose other 36 classes the Fusioner is trained."""
PICTURES = 6


def demo(
    out: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("fsbench-demo"),
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that draw, read and count.")] = None,
) -> None:
    """Build the benchmark toy and a Mosaic-4 of it, evaluate several models, train one, print the tables."""
    import time

    from fsbench.benchmarks.toy.build import build as build_toy
    from fsbench.cli.answers_sheet import answers_sheet
    from fsbench.cli.console import wide_console
    from fsbench.engine.evaluate import run_plan
    from fsbench.engine.loaded_model import LoadedModel
    from fsbench.engine.plan import Plan, Questions, make_plan
    from fsbench.records.record import Record
    from fsbench.tables.table import print_tables

    console = wide_console()
    began = time.perf_counter()
    folders: list[Path] = []

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    def evaluated(model: LoadedModel, benchmark: Benchmark, shots: int, fold: str | None = None) -> tuple[Plan, Record]:
        questions = Questions(folds=None if fold is None else (fold,), shots=shots, workers=workers)
        plan = make_plan(model, benchmark, questions, out / "results")
        folders.append(plan.folder)
        return plan, run_plan(plan)

    say("1. Building the benchmark toy: 48 classes, 480 pictures drawn by fsbench itself …")
    toy = build_toy(out=out / "toy", workers=workers)
    say("2. What a guess is worth: every question of fsbench-v1, four folds of 12 classes …")
    models = {name: LoadedModel.load(name) for name in (*GUESSES, LOOKS)}
    records = [evaluated(models[name], toy, 1)[1] for name in GUESSES]
    print_tables(records, console)
    say(f"3. A model that looks: {LOOKS}, frozen ImageNet features, 1 support, and 5 on fold {FOLD} …")
    plan, record = evaluated(models[LOOKS], toy, 1)
    records += [record, evaluated(models[LOOKS], toy, 5, FOLD)[1]]
    say(f"4. Mosaic-4 of half the classes of fold {FOLD}: is the named object found, or one of the other three? …")
    mosaics = mosaics_of(toy, out, workers)
    records += [evaluated(models[name], mosaics, 1)[1] for name in ("foreground", LOOKS)]
    say(f"5. Training a small Fusioner, which is asked by text, without the classes of fold {FOLD} …")
    run = trained(toy, out, workers)
    fusioner = LoadedModel.load(f"fusioner:{run / f'fold{FOLD}'}")
    records += [evaluated(fusioner, toy, 0, FOLD)[1], evaluated(fusioner, mosaics, 0)[1]]
    picture = out / "answers.png"
    step = len(plan.manifests[FOLD].questions) // PICTURES
    answers_sheet(plan, FOLD, [5 + step * place for place in range(PICTURES)], picture)
    say("")
    print_tables(records, console)
    say(f"\nDone in {time.perf_counter() - began:.0f} s. Everything is in {out}:")
    say(f"  {out / 'toy'}: the benchmark; its pictures are in {out / 'toy' / 'raw'}")
    say(f"  {mosaics.folder}: Mosaic-4 of them, as a recipe; its pictures are composed when they are asked")
    say(f"  {run}: the Fusioner of fold {FOLD}, with its card")
    say(f"  {picture}: what {LOOKS} was shown, what is true, what it answered")
    for folder in folders:
        say(f"  {folder / 'record.json'}")
    say(f"Check the benchmarks: fsbench verify {out / 'toy'}; fsbench verify {mosaics.folder}")
    say(f"Look at them:         fsbench show {mosaics.folder} --out mosaics.png")
    say(f"All of it as pages:   fsbench leaderboard build {out / 'results'} --out {out / 'site'}")
    say(f"Your own model:       fsbench evaluate -m your_module:your_factory -b {out / 'toy'} -k 1")


def trained(benchmark: Benchmark, out: Path, workers: int | None) -> Path:
    """The folder of a Fusioner trained without the classes of ``FOLD``, by the trainer that is registered for it."""
    from fsbench.plugins import load, registered
    from fsbench.training.run import Request, train_folds

    run = out / "fusioner"
    request = Request(
        "fusioner",
        benchmark,
        run,
        folds=(FOLD,),
        options={"visual": "effnet-lite2", "text": "minilm", "recipe": "quick", "size": 224, "epochs": 1},
        features=out / "features",
        tensorboard=False,
        workers=workers or 1,
    )
    train_folds(load(registered("trainers")["fusioner"]), request)
    return run


def mosaics_of(benchmark: Benchmark, out: Path, workers: int | None) -> Benchmark:
    """Mosaic-4 of every second class of the fold ``FOLD``, in ``out``, by the builder that is registered for it."""
    from fsbench.io.files import write_text
    from fsbench.plugins import load, registered

    classes = out / "mosaic4-classes.txt"
    keys = [benchmark.lists.classes[class_id].key for class_id in benchmark.lists.folds[FOLD][::2]]
    write_text(classes, "".join(f"{key}\n" for key in keys))
    builder = load(registered("benchmarks")["mosaic4"])
    built: Benchmark = builder.build(benchmark.roots["root"], out / "mosaic4", classes=classes, workers=workers)
    return built
