"""The loop: step after step, validating, keeping the best weights, and able to go on after a kill as if never killed.

On the CPU, with the same threads and ranks, a run that was killed any number of times ends with the weights of one
that was not, bit for bit: batches are pure functions of the step, rates too, dropout is seeded by the step, and what
carries over is in one file. When it is written has no influence on the result.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbench.errors import FsbenchError
from fsbench.training.bar import training_bar
from fsbench.training.logs import Logs
from fsbench.training.precision import Precision
from fsbench.training.ranks import Ranks
from fsbench.training.state import Epoch, Reached, load_state, save_state
from fsbench.training.step import Stepped, Stepper, holding
from fsbench.training.task import Task
from fsbench.training.tensors import read_sealed, write_sealed

if TYPE_CHECKING:
    import torch

LOOK_EVERY = 10
"""Steps between two looks at the loss, each of which waits for the device."""


@dataclass(frozen=True)
class Conditions:
    """Under which a task is run. ``run``: what must be equal for a state on disk to be gone on with.

    ``folder``: where the state is kept; ``logs``: where TensorBoard's files are, None for none; ``workers``: threads
    that make batches ahead (0: none); ``save_seconds``: the least time between two states on disk.
    """

    run: Mapping[str, Any]
    folder: Path
    title: str
    seed: int
    device: torch.device
    logs: Path | None = None
    ranks: Ranks = field(default_factory=Ranks)
    precision: str = "float32"
    workers: int = 1
    save_seconds: float = 60.0


def train(task: Task, under: Conditions) -> Reached:
    """Train to the end, from the state on disk if there is one; the best weights are then in ``best_weights``.

    Raises FsbenchError for a state that was altered or is of another run, a loss that is no number, a task without
    steps, and where ``validate`` does not give finite scores with the one that selects.
    """
    if min(task.epochs, task.steps_per_epoch, task.validate_every) < 1:
        raise FsbenchError(
            f"{task.epochs} epochs of {task.steps_per_epoch} steps, validated every {task.validate_every}: each must "
            "be 1 or more: give more data, or ask for more"
        )
    return _Loop(task, under).run()


def best_weights(folder: Path, reached: Reached) -> Path:
    """The file of the weights with the best score so far."""
    return folder / f"best-{reached.best_epoch}.safetensors"


class _Loop:
    def __init__(self, task: Task, under: Conditions) -> None:
        self.task, self.under = task, under
        self.precision = Precision(under.precision, under.device)
        self.stepper = Stepper(task, under.device, under.ranks, self.precision, under.seed)
        self.state = under.folder / "state.safetensors"
        self.reached = Reached()
        self.unseen: list[Stepped] = []
        if os.path.lexists(self.state):
            self.reached = load_state(self.state, under.run, task.module, task.optimizers, self.stepper.average)
            self.precision.restore(self.reached.scaler)
            if self.reached.best_epoch is not None:  # now rather than after hours of training
                read_sealed(best_weights(under.folder, self.reached))
        under.ranks.wait()  # nobody writes before all have read
        self.saved_at = time.monotonic()

    def run(self) -> Reached:
        task, under = self.task, self.under
        logs = Logs(under.logs if under.ranks.first else None, self.reached.step)
        try:
            with (
                training_bar(under.title, task.steps, self.reached.step, under.ranks.first) as show,
                _batches(task, self.reached.step, under) as batches,
            ):
                for data in batches:
                    self.unseen.append(self.stepper.step(self.reached.step, data))
                    self._after_step(logs)
                    show(self.reached.step, self._said())
        finally:
            logs.close()
        return self.reached

    def _after_step(self, logs: Logs) -> None:
        reached, task = self.reached, self.task
        reached.step += 1
        epoch, left = divmod(reached.step, task.steps_per_epoch)
        improved = False
        if left == 0 or reached.step % LOOK_EVERY == 0:
            self._look(logs)
        if left == 0:
            improved = self._end_epoch(epoch - 1, logs)
        due = time.monotonic() - self.saved_at >= self.under.save_seconds
        if self.under.ranks.first and (improved or due or reached.step == task.steps):
            self._save(logs)

    def _look(self, logs: Logs) -> None:
        """Read the losses since the last look."""
        reached = self.reached
        first = reached.step - len(self.unseen)
        for step, (mean, weight) in enumerate(self.unseen, first):
            loss, of_step = float(mean), float(weight)
            if not math.isfinite(loss):
                raise FsbenchError(
                    f"{self.under.title}: the loss of step {step} is {loss}: use a smaller learning rate, or "
                    "--precision float32"
                )
            reached.total += loss * of_step
            reached.weight += of_step
            logs.add({"loss": loss}, step)
        if self.unseen:
            logs.add(self.stepper.set_rates(reached.step - 1), reached.step - 1)
        self.unseen.clear()

    def _end_epoch(self, epoch: int, logs: Logs) -> bool:
        """Close the books of an epoch and validate if it is due; whether these weights are the best so far."""
        reached, task = self.reached, self.task
        loss = reached.total / reached.weight if reached.weight else 0.0
        reached.total = reached.weight = 0.0
        scores: dict[str, float] = {}
        improved = False
        due = (epoch + 1) % task.validate_every == 0 or epoch + 1 == task.epochs
        if due and self.under.ranks.first:
            best = self._best_score()
            with holding(task.module, self.stepper.average):
                scores = self._validated()
                improved = best is None or scores[task.selects] > best
                if improved:
                    reached.best_epoch = epoch
                    write_sealed(best_weights(self.under.folder, reached), task.module.state_dict(), {})
        reached.epochs.append(Epoch(epoch=epoch, loss=loss, scores=scores))
        logs.add({"epoch/loss": loss, **{f"epoch/{name}": value for name, value in scores.items()}}, epoch)
        return improved

    def _validated(self) -> dict[str, float]:
        import torch

        self.task.module.eval()
        with torch.no_grad(), self.precision.autocast():
            scores = {name: float(value) for name, value in self.task.validate().items()}
        if self.task.selects not in scores or not all(map(math.isfinite, scores.values())):
            raise FsbenchError(
                f"{self.under.title}: validating gave {scores}: expected finite numbers, one of them for "
                f"{self.task.selects}"
            )
        return scores

    def _best_score(self) -> float | None:
        scores = {epoch.epoch: epoch.scores for epoch in self.reached.epochs}
        best = self.reached.best_epoch
        return None if best is None else scores[best][self.task.selects]

    def _save(self, logs: Logs) -> None:
        self._look(logs)
        now = time.monotonic()
        self.reached.seconds += now - self.saved_at
        self.saved_at = now
        self.reached.scaler = self.precision.state()
        save_state(
            self.state, self.under.run, self.reached, self.task.module, self.task.optimizers, self.stepper.average
        )
        for old in self.under.folder.glob("best-*.safetensors"):
            if old != best_weights(self.under.folder, self.reached):
                old.unlink()

    def _said(self) -> str:
        reached = self.reached
        loss = reached.total / reached.weight if reached.weight else None
        if loss is None and reached.epochs:
            loss = reached.epochs[-1].loss
        best = self._best_score()
        parts = [f"epoch {len(reached.epochs) + 1}/{self.task.epochs}"]
        parts += [] if loss is None else [f"loss {loss:.4f}"]
        parts += [] if best is None else [f"{self.task.selects} {best:.4f}"]
        return " · ".join(parts)


@contextmanager
def _batches(task: Task, start: int, under: Conditions) -> Iterator[Iterator[Any]]:
    """This rank's shares of the batches from step ``start`` on, made ahead by worker threads."""
    rank, size = under.ranks.rank, under.ranks.size

    def batch(step: int) -> Any:
        return task.batch(*divmod(step, task.steps_per_epoch), rank, size)

    if under.workers == 0:
        yield map(batch, range(start, task.steps))
        return
    pool = ThreadPoolExecutor(under.workers, thread_name_prefix="fsbench-batch")
    try:
        yield _ahead(pool, batch, range(start, task.steps), 2 * under.workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ahead(pool: ThreadPoolExecutor, batch: Any, steps: range, most: int) -> Iterator[Any]:
    waiting: deque[Future[Any]] = deque()
    for step in steps:
        waiting.append(pool.submit(batch, step))
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
