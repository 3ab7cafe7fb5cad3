"""Two ranks beside one, under ``torchrun`` on this machine: a model that computes, one thread a rank.

    python -m benchmarks.scaling [--rounds 2]

The model encodes every photograph of every episode with EfficientNet-Lite2 and keeps nothing, on ``toy``, all folds, in
turns. (``prototype`` keeps features: of two ranks each encodes most photographs, so it gains less; it stands beside.)
What is compared is the run, from the first photograph to the last count; the whole command, with what every rank does
alone (starting Python, loading the encoder), stands beside it. All records must be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from baselines.effnet import Encoder
from benchmarks.measured import ROOT, Measured, Ratio, show
from fsbench.benchmarks.toy.build import build
from fsbench.models.contract import Episode, ModelCard
from fsbench.parallel import processors

RANKS = 2
FLOOR = 1.7
"""Times as fast as one rank."""


class Computes:
    """Says where the features of the query and of its supports are alike in the mean; what it says does not matter."""

    card = ModelCard(name="computes", prompts="mask")

    def __init__(self) -> None:
        self._encoder = Encoder()

    def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
        """Float 1 x h x w each."""
        answers = []
        for episode in episodes:
            fine, _, _ = self._encoder._maps(episode.image, 512)
            for image in episode.prompts[0].support_images:
                fine = fine - self._encoder._maps(image, 512)[0].mean()
            answers.append(fine.mean(dim=0, keepdim=True))
        return answers


def run(model: str, ranks: int, toy: Path, out: Path, episodes: int) -> tuple[float, float, dict[str, Any]]:
    """Seconds of the run and of the whole command, and the record without its timings."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command += ["-m", "fsbench", "evaluate", "-m", model, "-b", str(toy), f"--limit={episodes}"]
    command += ["--threads=1", "--device=cpu", f"--out={out}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{ranks} ranks: {done.stderr[-1000:]}")
    record = json.loads(next(out.rglob("record.json")).read_bytes())
    return record.pop("timings")["seconds"], took, record


def timed(rounds: int, episodes: int) -> list[Measured]:
    """One rank and two, in turns."""
    if processors() < RANKS:
        raise SystemExit(f"{RANKS} ranks need {RANKS} processors")
    measured: list[Measured] = []
    with TemporaryDirectory() as folder:
        toy = Path(folder) / "toy"
        build(None, toy)
        for name, model, floor in (
            ("a model that computes", "benchmarks.scaling:Computes", FLOOR),
            ("prototype, which keeps features", "prototype", None),
        ):
            runs: dict[int, list[tuple[float, float]]] = {1: [], RANKS: []}
            records = []
            for turn in range(rounds):
                for ranks, of_ranks in runs.items():
                    out = Path(folder) / f"{model}-{ranks}-{turn}"
                    seconds, whole, record = run(model, ranks, toy, out, episodes)
                    of_ranks.append((seconds, whole))
                    records.append(record)
            if any(record != records[0] for record in records):
                raise SystemExit(f"{model}: the records of one rank and of {RANKS} differ")
            ours, plain = (list(map(statistics.median, zip(*runs[n], strict=True))) for n in (RANKS, 1))
            for what, place, promised in ((name, 0, floor), (f"{name}: the whole command", 1, None)):
                said = f"{RANKS} ranks, {what}"
                measured.append(
                    Ratio(name=said, ours=ours[place], plain=plain[place], unit="s", floor=promised, note="one rank")
                )
    return measured


def measure(quick: bool = False) -> list[Measured]:
    """On ``toy``."""
    return timed(1, 8) if quick else timed(2, 120)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    show(timed(parser.parse_args().rounds, 120))


if __name__ == "__main__":
    main()
