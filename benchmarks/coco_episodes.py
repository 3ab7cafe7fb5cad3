"""Episodes of ``fsbench-v1-50`` on COCO-20i with a model that costs nothing, beside the field's loop.

    python -m benchmarks.coco_episodes [--rounds 3]

The part of COCO-20i that ``FSBENCH_DATA`` (else ``../shared/data``) has photographs of, all folds, one shot. Ours has
one thread of torch and as many workers as there are processors. The field's loop (``plain_loop.py``) reads masks with
pycocotools' ``annToMask``, and compares at 400 x 400; ours compares at the photograph's size, as the protocol says.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.mask_reading import Field
from benchmarks.measured import Measured, Ratio, real_data, show
from benchmarks.plain_loop import plain_loop
from fsbench.benchmarks.coco.coco20i import build
from fsbench.engine.evaluate import evaluate
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import protocol_named
from fsbench.index.benchmark import Benchmark

FLOOR = 6.0
PROTOCOL = "fsbench-v1-50"


def beside_the_loop(benchmark: Benchmark, rounds: int, episodes: int) -> list[Measured]:
    """Ours, all episodes, beside the loop's first ``episodes`` of every fold, in turns."""
    field = Field(benchmark.roots["root"] / "annotations")
    protocol = protocol_named(PROTOCOL)
    present = benchmark.present
    drawn = [draw(benchmark.lists, fold, protocol, 1, 0, present=present).questions for fold in benchmark.lists.folds]
    asked = [question for of_fold in drawn for question in of_fold[:episodes]]
    ours, plain = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        plain_loop(benchmark, asked, lambda sample, class_id: field.mask((sample, class_id)))
        plain.append(1e3 * (time.perf_counter() - began) / len(asked))
        with TemporaryDirectory() as out:
            record = evaluate("background", benchmark, protocol=PROTOCOL, shots=1, threads=1, out=out, device="cpu")
        ours.append(1e3 * record.timings.seconds / sum(map(len, drawn)))
    name = f"an episode of {PROTOCOL} on COCO-20i, 1 shot"
    return [
        Ratio(
            name=name,
            ours=statistics.median(ours),
            plain=statistics.median(plain),
            unit="ms",
            floor=FLOOR,
            note="HSNet's loop with annToMask",
        )
    ]


def timed(rounds: int, episodes: int) -> list[Measured]:
    """Of the photographs that are there."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder, redirect_stderr(StringIO()):
        benchmark = build(real_data("coco"), Path(folder) / "coco-20i", partial=True)
        return beside_the_loop(benchmark, rounds, episodes)


def measure(quick: bool = False) -> list[Measured]:
    """Of a part of COCO."""
    return timed(1, 5) if quick else timed(3, 60)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    show(timed(parser.parse_args().rounds, 60))


if __name__ == "__main__":
    main()
