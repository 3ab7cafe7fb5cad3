"""The training loop: steps, validation, the best weights, and resuming after a kill as if never killed.

On the CPU, with the same threads and ranks, a run that was killed any number of times ends with the weights of one
that was not, bit for bit: batches and rates are pure functions of the step, dropout is seeded by the step, and what
carries over is in one file. When it is written has no influence on the result.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsbench.errors import FsbenchError
from fsbench.training.monitor import Logs, training_bar
from fsbench.training.precision import autocast
from fsbench.training.state import Epoch, Reached, load_state, save_state
from fsbench.training.step import StepLoss, Stepper, using_weights
from fsbench.training.task import Setup, Task
from fsbench.training.tensors import read_sealed, write_sealed

READ_LOSS_EVERY = 10
"""Steps between two readings of the loss, each of which waits for the device."""


def best_weights(folder: Path, reached: Reached) -> Path:
    """The file of the weights with the best score so far."""
    return folder / f"best-{reached.best_epoch}.safetensors"


@dataclass
class Loop:
    """Trains a task to the end, from the state on disk if there is one; ``best_weights`` then names the best weights.

    ``run``: what must be equal for a state on disk to be resumed; ``folder``: where the state is; ``logs``: where
    TensorBoard's files go, None for none; ``workers``: threads that make batches ahead (0: none); ``save_seconds``:
    the least time between two states on disk.

    Raises FsbenchError for a state that was altered or is of another run, a loss that is not finite, a task without
    steps, and where ``validate`` does not give finite scores that include the selecting one.
    """

    task: Task
    setup: Setup
    run: Mapping[str, Any]
    folder: Path
    title: str
    logs: Path | None
    precision: str
    workers: int
    save_seconds: float

    def __post_init__(self) -> None:
        task, ranks = self.task, self.setup.ranks
        if min(task.epochs, task.steps_per_epoch, task.validate_every) < 1:
            raise FsbenchError(
                f"{task.epochs} epochs of {task.steps_per_epoch} steps, validated every {task.validate_every}: each "
                "must be 1 or more: give more data, or ask for more"
            )
        self.stepper = Stepper(task, self.setup, self.precision)
        self.state = self.folder / "state.safetensors"
        self.reached = Reached()
        self.unread: list[StepLoss] = []
        if os.path.lexists(self.state):
            self.reached = load_state(self.state, self.run, task.module, task.optimizers, self.stepper.average)
            self.stepper.scaler.load_state_dict(self.reached.scaler)
            if self.reached.best_epoch is not None:  # now rather than after hours of training
                read_sealed(best_weights(self.folder, self.reached))
        ranks.wait()  # nobody writes before all have read
        self.saved_at = time.monotonic()
        self.log = Logs(self.logs if ranks.first else None, self.reached.step)

    def train(self) -> Reached:
        """Take the remaining steps."""
        task, reached = self.task, self.reached
        try:
            with (
                training_bar(self.title, task.steps, reached.step, self.setup.ranks.first) as show,
                self._batches() as batches,
            ):
                for data in batches:
                    self.unread.append(self.stepper.step(reached.step, data))
                    self._after_step()
                    show(reached.step, self._status())
        finally:
            self.log.close()
        return reached

    def _after_step(self) -> None:
        reached, task = self.reached, self.task
        reached.step += 1
        epoch, within = divmod(reached.step, task.steps_per_epoch)
        if within == 0 or reached.step % READ_LOSS_EVERY == 0:
            self._read_losses()
        improved = within == 0 and self._end_epoch(epoch - 1)
        due = time.monotonic() - self.saved_at >= self.save_seconds
        if self.setup.ranks.first and (improved or due or reached.step == task.steps):
            self._save()

    def _read_losses(self) -> None:
        """Read the losses of the steps since the last reading."""
        reached = self.reached
        for step, (mean, weight) in enumerate(self.unread, reached.step - len(self.unread)):
            loss, of_step = float(mean), float(weight)
            if not math.isfinite(loss):
                raise FsbenchError(
                    f"{self.title}: the loss of step {step} is {loss}: use a smaller learning rate, or "
                    "--precision float32"
                )
            reached.total += loss * of_step
            reached.weight += of_step
            self.log.add({"loss": loss}, step)
        if self.unread:
            self.log.add(self.stepper.set_rates(reached.step - 1), reached.step - 1)
        self.unread.clear()

    def _end_epoch(self, epoch: int) -> bool:
        """Record an epoch and validate if it is due; returns whether these weights are the best so far."""
        reached, task = self.reached, self.task
        loss = reached.total / reached.weight if reached.weight else 0.0
        reached.total = reached.weight = 0.0
        scores: dict[str, float] = {}
        improved = False
        due = (epoch + 1) % task.validate_every == 0 or epoch + 1 == task.epochs
        if due and self.setup.ranks.first:
            best = self._best_score()
            with using_weights(task.module, self.stepper.average):
                scores = self._validate()
                improved = best is None or scores[task.selects] > best
                if improved:
                    reached.best_epoch = epoch
                    write_sealed(best_weights(self.folder, reached), task.module.state_dict(), {})
        reached.epochs.append(Epoch(epoch=epoch, loss=loss, scores=scores))
        self.log.add({"epoch/loss": loss, **{f"epoch/{name}": value for name, value in scores.items()}}, epoch)
        return improved

    def _validate(self) -> dict[str, float]:
        import torch

        self.task.module.eval()
        with torch.no_grad(), autocast(self.precision, self.setup.device):
            scores = {name: float(value) for name, value in self.task.validate().items()}
        if self.task.selects not in scores or not all(map(math.isfinite, scores.values())):
            raise FsbenchError(
                f"{self.title}: validating gave {scores}: expected finite numbers, one of them for {self.task.selects}"
            )
        return scores

    def _best_score(self) -> float | None:
        best = self.reached.best_epoch
        return next((e.scores[self.task.selects] for e in self.reached.epochs if e.epoch == best), None)

    def _save(self) -> None:
        self._read_losses()
        now = time.monotonic()
        self.reached.seconds += now - self.saved_at
        self.saved_at = now
        self.reached.scaler = dict(self.stepper.scaler.state_dict())
        task = self.task
        save_state(self.state, self.run, self.reached, task.module, task.optimizers, self.stepper.average)
        for old in self.folder.glob("best-*.safetensors"):
            if old != best_weights(self.folder, self.reached):
                old.unlink()

    def _status(self) -> str:
        """What the progress bar shows: epoch, loss, best score."""
        reached = self.reached
        loss = reached.total / reached.weight if reached.weight else None
        if loss is None and reached.epochs:
            loss = reached.epochs[-1].loss
        best = self._best_score()
        texts = [f"epoch {len(reached.epochs) + 1}/{self.task.epochs}"]
        texts += [] if loss is None else [f"loss {loss:.4f}"]
        texts += [] if best is None else [f"{self.task.selects} {best:.4f}"]
        return " · ".join(texts)

    @contextmanager
    def _batches(self) -> Iterator[Iterator[Any]]:
        """This rank's shares of the remaining batches, made ahead by worker threads."""
        task, ranks = self.task, self.setup.ranks
        steps = range(self.reached.step, task.steps)

        def batch(step: int) -> Any:
            return task.batch(*divmod(step, task.steps_per_epoch), ranks.rank, ranks.size)

        if self.workers == 0:
            yield map(batch, steps)
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="fsbench-batch")
        try:
            yield _ahead(pool, batch, steps, 2 * self.workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ahead(pool: ThreadPoolExecutor, batch: Callable[[int], Any], steps: range, most: int) -> Iterator[Any]:
    waiting: deque[Future[Any]] = deque()
    for step in steps:
        waiting.append(pool.submit(batch, step))
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
