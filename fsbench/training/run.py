"""Trains every requested fold into ``RUN/fold{f}/``, or resumes it, or finds it finished."""

from __future__ import annotations

import inspect
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.models.registry import foreign
from fsbench.parallel import processors
from fsbench.records.environment import environment, resolve_device
from fsbench.training.data import HELD_OUT, training_data
from fsbench.training.feature_store import FeatureStore
from fsbench.training.loop import Loop
from fsbench.training.output import check_free, clear, exclusive, finish, remove_state
from fsbench.training.precision import resolve_precision
from fsbench.training.ranks import Ranks, all_ranks
from fsbench.training.report import REPORT, SCHEMA, check_finished
from fsbench.training.state import check_same_run
from fsbench.training.task import Setup, Trainer

if TYPE_CHECKING:
    import torch

GIB = 2**30

IfExists = Literal["resume", "error", "replace"]


@dataclass(frozen=True)
class Request:
    """The arguments of ``fsbench train``. ``options``: the trainer's own.

    ``folds``: None for all. ``train_list``: None for the benchmark's first. ``features``: the feature store's folder,
    None for ``FSBENCH_HOME/features``; ``features_bytes``: how large it may grow.
    """

    trainer: str
    benchmark: Benchmark
    out: Path
    folds: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    train_list: str | None = None
    drop_novel_images: bool = False
    held_out: float = HELD_OUT
    precision: str = "auto"
    threads: int | None = None
    workers: int = 1
    features: Path | None = None
    features_bytes: int = 50 * GIB
    tensorboard: bool = True
    save_seconds: float = 60.0
    if_exists: IfExists = "resume"


def train_folds(trainer: Trainer, request: Request) -> list[Path]:
    """Train every requested fold, one after the other; returns the folders ``RUN/fold{f}``.

    Under ``torchrun`` every rank calls this. With ``if_exists="resume"`` a finished fold is left alone and a killed one
    resumes. Raises FsbenchError for an unknown fold, list, device or precision, a folder in use or with another run,
    and for what the trainer, the data and the feature store refuse.
    """
    import torch

    options = _options(trainer, request)
    lists = request.benchmark.lists
    folds = [lists.check_fold(fold) for fold in request.folds or lists.folds]
    folders = {fold: request.out / f"fold{fold}" for fold in dict.fromkeys(folds)}
    before = torch.get_num_threads()
    threads = request.threads or max(1, processors() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    torch.set_num_threads(threads)
    try:
        with all_ranks(resolve_device(request.device)) as (ranks, device):
            if request.if_exists == "error":
                check_free(folders.values())
            ranks.wait()
            for fold, folder in folders.items():
                with exclusive(folder, ranks):
                    _train_fold(trainer, request, options, fold, folder, ranks, device, threads)
                    ranks.wait()
    finally:
        torch.set_num_threads(before)
    return list(folders.values())


def _options(trainer: Trainer, request: Request) -> dict[str, Any]:
    """The trainer's options with defaults; raises FsbenchError for one that is unknown or missing."""
    parameters = inspect.signature(trainer.task).parameters
    flags = {name: p.default for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    unknown = [name for name in request.options if name not in flags]
    if unknown:
        known = ", ".join(flags) or "none"
        raise FsbenchError(f"trainer {request.trainer}: no option {unknown[0]!r}: it takes {known}")
    options = {**flags, **request.options}
    missing = [name for name, value in options.items() if value is inspect.Parameter.empty]
    if missing:
        raise FsbenchError(f"trainer {request.trainer}: needs the option {missing[0]!r}")
    return options


def _train_fold(
    trainer: Trainer,
    request: Request,
    options: Mapping[str, Any],
    fold: str,
    folder: Path,
    ranks: Ranks,
    device: torch.device,
    threads: int,
) -> None:
    data = training_data(
        request.benchmark,
        fold,
        train_list=request.train_list,
        drop_novel_images=request.drop_novel_images,
        held_out=request.held_out,
    )
    report = folder / REPORT
    precision = resolve_precision(request.precision, device)
    run: dict[str, Any] = {
        "schema": SCHEMA,
        "trainer": request.trainer,
        "options": {name: _plain(value) for name, value in options.items()},
        "seed": request.seed,
        "fold": fold,
        "benchmark": {
            "title": request.benchmark.title,
            "lists": request.benchmark.lists.digest(),
            "train_list": data.train_list,
            "drop_novel_images": request.drop_novel_images,
            "held_out": request.held_out,
            "data": data.digest,
        },
        "conditions": {"device": device.type, "precision": precision, "threads": threads, "ranks": ranks.size},
    }
    replace = request.if_exists == "replace"
    if os.path.lexists(report) and not replace:
        finished = check_finished(folder).contents()
        check_same_run(report, {name: finished[name] for name in run}, run)
        if ranks.first:
            remove_state(folder)
            print(  # noqa: T201
                f"fsbench: {report}: exists already, nothing was run (--if-exists replace runs it again)",
                file=sys.stderr,
            )
        return
    ranks.wait()
    if replace and ranks.first:
        clear(folder)
    ranks.wait()
    with FeatureStore(request.features, max_bytes=request.features_bytes, ranks=ranks) as features:
        setup = Setup(fold, data, features, request.seed, device, ranks)
        with foreign(f"trainer {request.trainer}, fold {fold}: raised"):
            task = trainer.task(setup, **options)
            run |= {"recipe": dict(task.recipe), "metadata": dict(task.metadata)}
            run = json.loads(json.dumps(run, allow_nan=False))
            title = f"{task.card.name} · {request.benchmark.title} · fold {fold}"
            logs = folder / "tensorboard" if request.tensorboard else None
            state, every = folder / "state", request.save_seconds
            reached = Loop(task, setup, run, state, title, logs, precision, request.workers, every).train()
    if ranks.first:
        run["environment"] = environment(str(device), threads, 1).model_dump(mode="json", exclude={"batch_size"})
        finish(folder, task, setup, reached, run)


def _plain(value: Any) -> Any:
    """An option's value as a JSON value."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    plain = isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if value is None or plain else str(value)
