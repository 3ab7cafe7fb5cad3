"""``fsbench demo``: the main job in a few minutes, with no download and no data of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fsbench.index.benchmark import Benchmark

EXAMPLE = "Example: fsbench demo --out fsbench-demo"

MODELS = ("background", "foreground", "center", "random", "prototype")
PICTURED = "prototype"
PICTURES = 6
FIRST = "0"
"""The fold whose classes the mosaics are of."""


def demo(
    out: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("fsbench-demo"),
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that draw, read and count.")] = None,
) -> None:
    """Build the embedded benchmark toy and a Mosaic-4 of it, evaluate several models, print the tables."""
    import time

    from fsbench.benchmarks.toy.build import build as build_toy
    from fsbench.cli.answers_sheet import answers_sheet
    from fsbench.cli.console import wide_console
    from fsbench.engine.evaluate import run_plan
    from fsbench.engine.loaded_model import LoadedModel
    from fsbench.engine.plan import Questions, make_plan
    from fsbench.tables.table import print_tables

    console = wide_console()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    began = time.perf_counter()
    say("1. Building the embedded benchmark: 48 classes, 480 pictures drawn by fsbench itself …")
    benchmark = build_toy(out=out / "toy", workers=workers)
    say(f"2. Evaluating {', '.join(MODELS)}: every question of fsbench-v1, four folds of unseen classes …")
    models = {name: LoadedModel.load(name) for name in MODELS}
    asked = [(name, 1) for name in MODELS] + [(PICTURED, 5)]
    plans = {
        (name, shots): make_plan(models[name], benchmark, Questions(shots=shots, workers=workers), out / "results")
        for name, shots in asked
    }
    records = [run_plan(plan) for plan in plans.values()]
    say("3. Mosaic-4 of the twelve classes of fold 0: each mosaic asked for an object, or for one that is not there …")
    mosaics = mosaics_of(benchmark, out, workers)
    for name in MODELS:
        plan = make_plan(models[name], mosaics, Questions(shots=1, workers=workers), out / "results")
        plans[f"{name} on mosaics", 1] = plan
        records.append(run_plan(plan))
    say("4. Training a small Fusioner, which is asked by text: for each fold on the 36 classes of the others …")
    run = trained(benchmark, out, workers)
    say("5. Evaluating it on classes it never saw, and on their mosaics …")
    fusioner = LoadedModel.load(f"fusioner:{run / 'fold{fold}'}")
    by_fold = LoadedModel.load(f"fusioner:{run / f'fold{FIRST}'}")
    for loaded, of_name in ((fusioner, benchmark), (by_fold, mosaics)):
        plan = make_plan(loaded, of_name, Questions(shots=0, workers=workers), out / "results")
        plans[f"fusioner on {of_name.lists.name}", 0] = plan
        records.append(run_plan(plan))
    picture = out / "answers.png"
    plan = plans[PICTURED, 1]
    step = len(plan.manifests["0"].questions) // PICTURES
    answers_sheet(plan, "0", [5 + step * place for place in range(PICTURES)], picture)
    say("")
    print_tables(records, console)
    say(f"\nDone in {time.perf_counter() - began:.0f} s. Everything is in {out}:")
    say(f"  {out / 'toy'}: the benchmark; its pictures in {out / 'toy' / 'raw'}")
    say(f"  {mosaics.folder}: Mosaic-4 of them, as a recipe; its pictures are composed as they are asked")
    say(f"  {run}: the Fusioner of each fold, with its card")
    say(f"  {picture}: what {PICTURED} was shown, what is true, what it answered")
    for plan in plans.values():
        say(f"  {plan.folder / 'record.json'}")
    say(f"Check the benchmarks: fsbench verify {out / 'toy'}; fsbench verify {mosaics.folder}")
    say(f"Look at them:        fsbench show {mosaics.folder} --out mosaics.png")
    say(f"All of it as pages:  fsbench leaderboard build {out / 'results'} --out {out / 'site'}")
    say(f"Your own model:      fsbench evaluate -m your_module:your_factory -b {out / 'toy'} -k 1")


def trained(benchmark: Benchmark, out: Path, workers: int | None) -> Path:
    """The folder of a Fusioner for each fold of the benchmark, by the trainer that is registered for it."""
    from fsbench.plugins import load, registered
    from fsbench.training.run import Request, train_folds

    trainer = load(registered("trainers")["fusioner"])
    options = {"visual": "effnet-lite2", "text": "minilm", "recipe": "quick", "size": 224}
    run = out / "fusioner"
    features = out / "features"
    train_folds(
        trainer,
        Request(
            "fusioner", benchmark, run, options=options, features=features, tensorboard=False, workers=workers or 1
        ),
    )
    return run


def mosaics_of(benchmark: Benchmark, out: Path, workers: int | None) -> Benchmark:
    """Mosaic-4 of the classes of the benchmark's first fold, in ``out``, by the builder that is registered for it."""
    from fsbench.io.files import write_text
    from fsbench.plugins import load, registered

    classes = out / "mosaic4-classes.txt"
    keys = [benchmark.lists.classes[class_id].key for class_id in benchmark.lists.folds[FIRST]]
    write_text(classes, "".join(f"{key}\n" for key in keys))
    builder = load(registered("benchmarks")["mosaic4"])
    built: Benchmark = builder.build(benchmark.roots["root"], out / "mosaic4", classes=classes, workers=workers)
    return built
