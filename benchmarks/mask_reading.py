"""How long a mask takes to read and decode at random, through ``Benchmark.truth``: the limit is 0.5 ms.

python benchmarks/mask_reading.py BENCHMARK [--reads 5000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from fsbench.index.benchmark import open_benchmark


def main() -> None:
    """Read random pairs once to open everything, then time each read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("--reads", type=int, default=5000)
    said = parser.parse_args()
    benchmark = open_benchmark(said.benchmark)
    lists = benchmark.lists
    pairs = [pair for of_fold in lists.val.values() for pair in of_fold if pair[0] in benchmark.present]
    random = np.random.RandomState(0)
    benchmark.truth(*pairs[0])
    milliseconds = []
    for place in random.randint(len(pairs), size=said.reads):
        began = time.perf_counter()
        benchmark.truth(*pairs[place])
        milliseconds.append(1000 * (time.perf_counter() - began))
    median, high = np.percentile(milliseconds, [50, 99])
    mean = np.mean(milliseconds)
    print(f"{said.reads} masks of {len(pairs)} pairs: mean {mean:.3f} ms, median {median:.3f}, 99 % {high:.3f}")


if __name__ == "__main__":
    main()
