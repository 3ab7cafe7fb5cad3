"""Two ranks beside one, under ``torchrun`` on this machine: a model that computes, one thread a rank.

    python -m benchmarks.scaling [--rounds 3]

``prototype`` on the first 120 episodes of ``toy``'s fold 0, in turns. What is compared is the run, from the first
photograph to the last count; the whole command, with what every rank does alone (starting Python, loading the encoder),
stands beside it. All records must be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measured import ROOT, Measured, Ratio, show
from fsbench.benchmarks.toy.build import build
from fsbench.parallel import processors

RANKS = 2
FLOOR = 1.7
"""Times as fast as one rank."""


def run(ranks: int, toy: Path, out: Path, episodes: int) -> tuple[float, float, dict[str, Any]]:
    """Seconds of the run and of the whole command, and the record without its timings."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command += ["-m", "fsbench", "evaluate", "-m", "prototype", "-b", str(toy), "--fold=0", f"--limit={episodes}"]
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
    seconds: dict[int, list[float]] = {1: [], RANKS: []}
    whole: dict[int, list[float]] = {1: [], RANKS: []}
    records = []
    with TemporaryDirectory() as folder:
        toy = Path(folder) / "toy"
        build(None, toy)
        for turn in range(rounds):
            for ranks in (1, RANKS):
                of_run, of_all, record = run(ranks, toy, Path(folder) / f"{ranks}-{turn}", episodes)
                seconds[ranks].append(of_run)
                whole[ranks].append(of_all)
                records.append(record)
    if any(record != records[0] for record in records):
        raise SystemExit("the records of one rank and of two differ")
    name = f"{RANKS} ranks of prototype"
    run_of, all_of = ({n: statistics.median(t) for n, t in times.items()} for times in (seconds, whole))
    return [
        Ratio(name=name, ours=run_of[RANKS], plain=run_of[1], unit="s", floor=FLOOR, note="one rank"),
        Ratio(name=f"{name}, the whole command", ours=all_of[RANKS], plain=all_of[1], unit="s", note="one rank"),
    ]


def measure(quick: bool = False) -> list[Measured]:
    """On ``toy``."""
    return timed(1, 8) if quick else timed(3, 120)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    show(timed(parser.parse_args().rounds, 120))


if __name__ == "__main__":
    main()
