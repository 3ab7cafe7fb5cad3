"""Scores and records of COCO-20i at full size: all 82,573 val pairs, answers made up, 10,000 draws.

    python -m benchmarks.full_size_scores [--pairs 82573]

Each is timed in a process of its own: the scores alone, with the most memory of that process; a record written, scores
and digest included; it read back and checked; ``fsbench rescore`` and ``fsbench compare`` as commands, start included;
and a log of 80,000 rows read, from which a killed run resumes.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from benchmarks.measured import Limit, Measured, show

PAIRS = 82_573
SCORE_SECONDS, SCORE_GIB, RECORD_SECONDS, COMPARE_SECONDS, LOG_SECONDS = 7.7, 0.3, 20, 20, 5
BATCH = 8

Result = TypeVar("Result")


def write(folder: Path, pairs: int, right: float) -> float:
    """Write the record of a model that finds this share of the pixels in the middle; seconds without making it up."""
    from fsbench.index.published import published_lists
    from tests.fsbench.results.saved_records import Episode, write_stored

    lists = published_lists("coco-20i")
    assert lists is not None
    truths, answers = np.random.RandomState(20), np.random.RandomState([20, int(1000 * right)])
    asked: dict[str, list[Episode]] = {}
    for fold, of_fold in lists.val.items():
        here = list(islice(of_fold, max(1, len(of_fold) * pairs // PAIRS)))
        n = len(here)
        valid = np.full(n, 640 * 480 * 19 // 20)
        truth = (np.clip(np.exp(truths.normal(math.log(0.06), 1.3, n)), 0.001, 0.9) * valid).astype(np.int64)
        found = right ** answers.uniform(0.2, 2.5, n)
        intersection = (truth * found).astype(np.int64)
        beside = np.minimum(truth * (1 - found) * answers.uniform(0, 1.5, n), valid - truth).astype(np.int64)
        counts = (column.tolist() for column in (intersection, intersection + beside, truth, valid))
        asked[fold] = [(*pair, *row) for pair, row in zip(here, zip(*counts, strict=True), strict=True)]
    began = time.perf_counter()
    write_stored(folder, asked, lists.folds)
    return time.perf_counter() - began


def read(folder: Path) -> float:
    """Seconds to read a record, check that its scores follow from its counts, and read its replicates."""
    from fsbench.results.read_back import read_checked, read_replicates

    began = time.perf_counter()
    read_replicates(read_checked(folder))
    return time.perf_counter() - began


def score(folder: Path) -> tuple[float, float]:
    """Seconds to score the counts of a record, and the most memory that the process held, GiB."""
    import resource

    from fsbench.results.read_back import read_checked

    stored = read_checked(folder)
    began = time.perf_counter()
    stored.scores(stored.protocol, imagewise=False)
    seconds = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, most / (2**30 if sys.platform == "darwin" else 2**20)


def read_log(folder: Path, rows: int) -> float:
    """Seconds to read a log of some of a record's rows, in batches."""
    from fsbench.records.counts import CountLog, DoneBatch, read_counts
    from fsbench.records.score_stats import NO_SCORES

    counts, path = read_counts(folder / "counts.parquet")[:rows], folder / "log"
    with CountLog(path, {}) as log:
        for batch in range(-(-len(counts) // BATCH)):
            log.append(batch, DoneBatch(counts[batch * BATCH :][:BATCH], 1.0, 0.5, [], NO_SCORES))
    began = time.perf_counter()
    with CountLog(path, {}) as log:
        assert len(log.done) == -(-len(counts) // BATCH)
    return time.perf_counter() - began


def command(*arguments: str) -> float:
    """Seconds of an ``fsbench`` command; ends the run if it fails."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "fsbench", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def apart(function: Callable[..., Result], *arguments: object) -> Result:
    """What ``function`` gives in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measured(pairs: int) -> list[Measured]:
    """All of it, of this many pairs."""
    with TemporaryDirectory() as folder:
        a, b = Path(folder) / "a", Path(folder) / "b"
        written = apart(write, a, pairs, 0.5)
        apart(write, b, pairs, 0.51)
        seconds, most = apart(score, a)
        took = apart(read, a), command("rescore", os.fspath(a)), command("compare", os.fspath(a), os.fspath(b))
        log = apart(read_log, a, min(pairs, 80_000))
    note = f"of {pairs} pairs"
    return [
        Limit(name="scores, 10,000 draws", ours=seconds, unit="s", limit=SCORE_SECONDS, note=note),
        Limit(name="scores, memory", ours=most, unit="GiB", limit=SCORE_GIB, note=note),
        Limit(name="record scored and written", ours=written, unit="s", limit=RECORD_SECONDS, note=note),
        Limit(name="record read and checked", ours=took[0], unit="s", note=note),
        Limit(name="fsbench rescore", ours=took[1], unit="s", limit=COMPARE_SECONDS, note=note),
        Limit(name="fsbench compare", ours=took[2], unit="s", limit=COMPARE_SECONDS, note=note),
        Limit(name="log of a killed run read", ours=log, unit="s", limit=LOG_SECONDS, note=note),
    ]


def measure(quick: bool = False) -> list[Measured]:
    """Of all pairs."""
    return measured(800 if quick else PAIRS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    show(measured(parser.parse_args().pairs))


if __name__ == "__main__":
    main()
