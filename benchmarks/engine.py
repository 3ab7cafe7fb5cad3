"""The engine beside the field's loop: episodes, memory, and what a slow model waits for.

    python -m benchmarks.engine [--rounds 3]

Protocol ``hsnet`` on 346 photographs of VOC, as many as fold 0 of PASCAL-5i has (of its classes and the next ones, as
only a part of VOC may be there): 1000 episodes, one worker, one thread, and a model that copies its first support's
mask, so that what is timed is all that is not the model. The field's loop is HSNet's, spelled out: Pillow opens every
photograph of every episode, torchvision resizes it to 400 x 400, makes a tensor and normalises it; masks are resized
by nearest neighbour; ``torch.histc`` counts in float32. Every count must equal the loop's before anything is said.

Models that take 20 and 4 ms an image stand for a GPU: they sleep.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.measured import Limit, Measured, Ratio, real_data, show
from benchmarks.plain_loop import SIZE, plain_loop
from fsbench.benchmarks.pascal import pascal5i
from fsbench.engine.answers import ModelAnswers
from fsbench.engine.batches import cut
from fsbench.engine.evaluate import evaluate
from fsbench.engine.fold_run import FoldRun, answer_batches
from fsbench.engine.reading import Reader
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import protocol_named
from fsbench.index.benchmark import Benchmark
from fsbench.io.resize import resize_nearest
from fsbench.models.contract import Episode, ModelCard
from fsbench.records.counts import CountLog, DoneBatch, read_counts
from fsbench.records.record import Timings

PHOTOGRAPHS = 346
FLOORS = {1: 10.0, 5: 30.0}
"""Shots -> times as fast as the field's loop."""
MEMORY = 1024
"""MiB that an evaluation may take beyond what the model needs."""
SLEEPS = {20: (1.03, 1.06), 4: (1.15, 1.15)}
"""Milliseconds an image -> the most that the run and the whole call may take, in sleeps."""


class Copies:
    """Answers with the first support's mask."""

    card = ModelCard(name="copies-the-support", prompts="mask")

    def segment(self, episodes: Sequence[Episode]) -> list[npt.NDArray[np.bool_]]:
        """One mask an episode."""
        masks = (episode.prompts[0].support_masks[0].numpy() for episode in episodes)
        return [resize_nearest(mask, (SIZE, SIZE))[None] == 1 for mask in masks]


class Sleeps:
    """Takes ``seconds`` an image and finds nothing; ``slept``: in all."""

    card = ModelCard(name="sleeps", prompts="mask")

    def __init__(self, seconds: float) -> None:
        self.seconds, self.slept = seconds, 0.0

    def segment(self, episodes: Sequence[Episode]) -> list[npt.NDArray[np.bool_]]:
        """Empty masks."""
        time.sleep(self.seconds * len(episodes))
        self.slept += self.seconds * len(episodes)
        return [np.zeros((1, SIZE, SIZE), bool) for _ in episodes]


def of_size(benchmark: Benchmark, photographs: int) -> Benchmark:
    """``benchmark`` with a fold 0 of so many photographs that are there, of as many classes as that takes."""
    lists = benchmark.lists
    there = sorted({pair for pairs in lists.lists().values() for pair in pairs if pair[0] in benchmark.present})
    for classes in range(5, len(lists.classes) + 1):
        first: dict[str, int] = {}
        for sample, class_id in there:
            if class_id < classes:
                first.setdefault(sample, class_id)
        if len(first) >= photographs:
            pairs = sorted(first.items())[:photographs]
            folds = {"0": tuple(range(classes))}
            return replace(benchmark, lists=replace(lists, folds=folds, val={"0": tuple(pairs)}, train={}))
    raise SystemExit(f"{benchmark.title}: has fewer than {photographs} photographs")


def run(model: Copies | Sleeps, benchmark: Benchmark, shots: int) -> tuple[Timings, float, list[tuple[int, int]]]:
    """Timings, seconds of the whole call, and (intersection, union) of every episode."""
    with TemporaryDirectory() as out:
        began = time.perf_counter()
        record = evaluate(
            model, benchmark, folds="0", protocol="hsnet", shots=shots, threads=1, workers=1, out=out, device="cpu"
        )
        took = time.perf_counter() - began
        rows = read_counts(next(Path(out).rglob("counts.parquet")))
    return record.timings, took, [(r.intersection, r.predicted + r.truth - r.intersection) for r in rows]


def beside_the_loop(benchmark: Benchmark, shots: int, rounds: int, episodes: int) -> list[Measured]:
    """Ours, all 1000 episodes, beside the loop's first ``episodes``, in turns."""
    protocol = protocol_named("hsnet")
    manifest = draw(benchmark.lists, "0", protocol, shots, 0)
    ours, plain = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        counted = plain_loop(benchmark, manifest.questions[:episodes])
        plain.append(1e3 * (time.perf_counter() - began) / episodes)
        timings, _, rows = run(Copies(), benchmark, shots)
        ours.append(1e3 * timings.seconds / len(manifest.questions))
        if rows[:episodes] != counted:
            raise SystemExit(f"{shots} shots: the counts are not those of the field's loop")
    name = f"an episode of hsnet, {shots} shot{'s' if shots > 1 else ''}, {PHOTOGRAPHS} photographs"
    return [
        Ratio(
            name=name,
            ours=statistics.median(ours),
            plain=statistics.median(plain),
            unit="ms",
            floor=FLOORS[shots],
            note="HSNet's loop",
        )
    ]


def peak_mib() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def memory(benchmark: Benchmark, seeds: int) -> list[Measured]:
    """What an evaluation takes, and what ``seeds`` times as many episodes take beyond it."""
    before = peak_mib()
    run(Copies(), benchmark, 5)
    once = peak_mib()
    protocol, reader = protocol_named("hsnet"), Reader(benchmark)
    with TemporaryDirectory() as folder, CountLog(Path(folder) / "log", {}) as log:
        for seed in range(seeds):
            fold = FoldRun(
                reader, protocol, draw(benchmark.lists, "0", protocol, 1, seed), ModelAnswers(Copies()), 8, 1
            )
            batches = cut(fold.manifest, 8)
            answer_batches(fold, batches, _At(log, seed * len(batches)), lambda n: None)
        asked = sum(len(done.rows) for done in log.done.values())
    grown = max(peak_mib() - once, 0.1)
    return [
        Limit(name="memory of an evaluation beyond the model", ours=once - before, unit="MiB", limit=MEMORY),
        Limit(name=f"memory of {asked:,} episodes beyond 1,000", ours=grown, unit="MiB", limit=64),
    ]


class _At(CountLog):
    """A log whose batches are numbered from ``first`` in ``log``."""

    def __init__(self, log: CountLog, first: int) -> None:
        self.log, self.first, self.done = log, first, {}

    def append(self, batch: int, done: DoneBatch) -> None:
        self.log.append(self.first + batch, done)


def waiting(benchmark: Benchmark, milliseconds: int, episodes: int) -> list[Measured]:
    """How long the run and the whole call take, in sleeps; two cores, the default number of workers."""
    model = Sleeps(milliseconds / 1e3)
    began = time.perf_counter()
    seconds = 0.0
    with TemporaryDirectory() as out:
        for seed in range(-(-episodes // 1000)):
            record = evaluate(
                model,
                benchmark,
                folds="0",
                protocol="hsnet",
                shots=1,
                seed=seed,
                limit=min(1000, episodes),
                out=out,
                device="cpu",
            )
            seconds += record.timings.seconds
    took = time.perf_counter() - began
    most_run, most_call = SLEEPS[milliseconds]
    name = f"a model of {milliseconds} ms an image, {model.slept / model.seconds:,.0f} episodes"
    return [
        Limit(name=f"{name}: the run", ours=seconds / model.slept, unit="sleeps", limit=most_run),
        Limit(name=f"{name}: the whole call", ours=took / model.slept, unit="sleeps", limit=most_call),
    ]


def all_of(rounds: int, quick: bool) -> list[Measured]:
    """Everything, of a part of VOC."""
    root = real_data("VOCdevkit") / "VOC2012"
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder, redirect_stderr(StringIO()):
        pascal = pascal5i.build(root, Path(folder) / "pascal-5i", partial=True)
        benchmark = of_size(pascal, PHOTOGRAPHS)
        measured = memory(benchmark, 2 if quick else 30)
        for shots, episodes in ((1, 10), (5, 4)) if quick else ((1, 300), (5, 100)):
            measured += beside_the_loop(benchmark, shots, rounds, episodes)
        for milliseconds in SLEEPS:
            measured += waiting(benchmark, milliseconds, 20 if quick else 2000)
    return measured


def measure(quick: bool = False) -> list[Measured]:
    """Of a part of VOC."""
    return all_of(1 if quick else 3, quick)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    show(all_of(parser.parse_args().rounds, quick=False))


if __name__ == "__main__":
    main()
