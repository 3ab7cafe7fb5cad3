"""A mask of COCO-20i read at random: through ``Benchmark.truth``, and the field's way, in turns.

    python -m benchmarks.mask_reading [--benchmark FOLDER] [--rounds 11]

The plain way is pycocotools' ``COCO.annToMask`` of every annotation of the class, joined; crowds are void in ours and
left out there. All masks must be equal before anything is timed. Without ``--benchmark`` a part of COCO-20i is built
from the photographs of ``FSBENCH_DATA`` (else ``../shared/data``).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO

from benchmarks.measured import Limit, Measured, Ratio, real_data, show
from fsbench.benchmarks.coco.coco20i import build
from fsbench.benchmarks.coco.lists import CATEGORY_IDS
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.index.fold_lists import Pair

LIMIT = 0.12
"""Milliseconds in the mean."""
FLOOR = 4
"""How many times as fast as the field's way ours has to be."""


class Field:
    """Masks from COCO's annotation files, which are read once."""

    def __init__(self, annotations: Path) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            files = [COCO(path) for path in sorted(annotations.glob("instances_*.json"))]
        self._of_image = {image: file for file in files for image in file.getImgIds()}

    def mask(self, pair: Pair) -> npt.NDArray[np.uint8]:
        """uint8 H x W of 0 and 1."""
        sample, class_id = pair
        image = int(sample[-12:])
        file: Any = self._of_image[image]
        ids = file.getAnnIds(imgIds=[image], catIds=[CATEGORY_IDS[class_id]], iscrowd=False)
        first, *others = [file.annToMask(annotation) for annotation in file.loadAnns(ids)]
        for other in others:
            first |= other
        return np.asarray(first)


def timed(benchmark: Benchmark, rounds: int) -> list[Measured]:
    """All pairs in random order by each way, round by round; ends the run where masks differ.

    The mean over the pairs of the median over the rounds, so that what else the machine does falls on none.
    """
    field = Field(benchmark.roots["root"] / "annotations")
    pairs = [p for of_fold in benchmark.lists.val.values() for p in of_fold if p[0] in benchmark.present]
    for pair in pairs:
        if not np.array_equal(benchmark.truth(*pair) == 1, field.mask(pair) == 1):
            raise SystemExit(f"{pair}: the two ways give different masks")
    ways: tuple[Callable[[Pair], object], ...] = (lambda pair: benchmark.truth(*pair), field.mask)
    took = np.zeros((len(ways), len(pairs), rounds))
    random = np.random.RandomState(0)
    for turn in range(rounds):
        order = random.permutation(len(pairs)).tolist()
        for number, way in enumerate(ways):
            for place in order:
                began = time.perf_counter()
                way(pairs[place])
                took[number, place, turn] = 1e3 * (time.perf_counter() - began)
    medians = np.median(took, axis=2)
    ours, plain = medians.mean(axis=1).tolist()
    middle, high = np.percentile(medians[0], [50, 99])
    name, note = "reading a mask of COCO-20i", f"{len(pairs)} pairs; median {middle:.3f}, 99 % {high:.3f} ms"
    beside = Ratio(name=f"{name}, by the field", ours=ours, plain=plain, unit="ms", floor=FLOOR, note="annToMask")
    return [Limit(name=name, ours=ours, unit="ms", limit=LIMIT, note=note), beside]


def measure(quick: bool = False) -> list[Measured]:
    """From the part of COCO-20i that is there."""
    root = real_data("coco")
    with TemporaryDirectory() as folder:
        return timed(build(root, Path(folder) / "coco-20i", partial=True), 1 if quick else 11)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", type=Path)
    parser.add_argument("--rounds", type=int, default=11)
    said = parser.parse_args()
    show(measure() if said.benchmark is None else timed(open_benchmark(said.benchmark), said.rounds))


if __name__ == "__main__":
    main()
