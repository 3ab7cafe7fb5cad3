"""The files of a trained fold, each written atomically, and the one run that may write them.

``model.safetensors`` has the weights, ``card.json`` the model card, ``training.json`` the report (``report.py``); it is
written last, so a fold that has one is finished. ``state/`` exists only during training, ``tensorboard/`` has the logs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsbench.errors import FsbenchError
from fsbench.io.files import remove_temporary_files, sha256_file, write_text
from fsbench.io.locks import LOCK, building
from fsbench.models.contract import ModelCard
from fsbench.records.environment import peak_memory_mib
from fsbench.training.loop import best_weights
from fsbench.training.ranks import Ranks
from fsbench.training.report import CARD, CHECKPOINT, REPORT, write_report
from fsbench.training.state import Reached
from fsbench.training.task import Setup, Task
from fsbench.training.tensors import read_sealed, write_tensors


def check_free(folders: Iterable[Path]) -> None:
    """Raise FsbenchError where one of the folders is not empty."""
    for folder in folders:
        if any(path.name != LOCK for path in folder.glob("*")):
            raise FsbenchError(f"{folder}: exists already: use --if-exists resume or replace, or another --out")


def finish(folder: Path, task: Task, setup: Setup, reached: Reached, run: Mapping[str, Any]) -> None:
    """Write the checkpoint, the card and the report, in this order; then remove the state."""
    weights, _ = read_sealed(best_weights(folder / "state", reached))
    checkpoint, card = folder / CHECKPOINT, folder / CARD
    write_tensors(checkpoint, weights, task.metadata)
    digest = sha256_file(checkpoint)
    write_text(card, _card(task, setup, digest).model_dump_json(indent=1) + "\n")
    data = setup.data
    report = {
        **run,
        "data": {
            "train_pairs": len(data.train),
            "train_images": len({sample for sample, _ in data.train}),
            "held_out_pairs": len(data.held_out),
            "held_out_images": len({sample for sample, _ in data.held_out}),
            "images_refused": data.refused,
            "novel_images_dropped": data.novel_images_dropped,
        },
        "steps": reached.step,
        "selected_by": task.selects,
        "selected_epoch": reached.best_epoch,
        "epochs": reached.epochs,
        "checkpoint_sha256": digest,
        "checkpoint_bytes": checkpoint.stat().st_size,
        "card_sha256": sha256_file(card),
        "timings": {"seconds": round(reached.seconds, 1), "peak_memory_mib": peak_memory_mib()},
    }
    write_report(folder, report)
    remove_state(folder)


def remove_state(folder: Path) -> None:
    """Remove what only an unfinished run needs; a run killed right after its report leaves it behind."""
    if (folder / "state").is_dir():
        shutil.rmtree(folder / "state")


def _card(task: Task, setup: Setup, digest: str) -> ModelCard:
    """The task's card, completed with digest, training data and the selecting score.

    The training is under ``*``, because these weights saw these classes whatever fold they are tested on: evaluating a
    checkpoint on a fold other than its own is then refused.
    """
    training = task.card.training.get("*") or setup.data.training_card()
    photographs = len({sample for sample, _ in setup.data.held_out})
    selected_by = f"{task.selects} on {photographs} held-out photographs of training classes"
    training = training.model_copy(update={"checkpoint_sha256": digest, "checkpoint_selected_by": selected_by})
    trained = sum(p.numel() for p in task.module.parameters() if p.requires_grad)
    update = {"training": {"*": training}, "weights_sha256": digest, "trained_parameters": trained}
    return ModelCard(**{**task.card.model_dump(), **update})


@contextmanager
def exclusive(folder: Path, ranks: Ranks) -> Iterator[None]:
    """Lock other runs out of the folder; remove partial files of killed ones."""
    if not ranks.first:
        yield
        return
    with building(folder):
        remove_temporary_files(folder / "state")
        yield


def clear(folder: Path) -> None:
    """Remove an earlier run; its report first, so that no partial run looks finished."""
    for name in (REPORT, CARD, CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    for name in ("state", "tensorboard"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
