"""The recipe of the official size (limit: 1 s), and composing a mosaic against bare decoding of its files (limit: 1.3).

    python -m benchmarks.mosaic4_compose --root FSS [--repeats 9]

FSS holds class folders; all classes in it are used. Bare decoding is Pillow's, of the same four JPEGs and four PNGs
into arrays. The three ways take turns mosaic by mosaic in one thread on one core; medians of the repeats are printed,
in CPU time, which another process on the machine cannot stretch, and in wall time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measured import Limit, Measured, Ratio, real_data
from mosaic4.build import recipe_of_classes
from mosaic4.compose import Mosaics
from mosaic4.recipe import Recipe
from mosaic4.sources import read_sources
from mosaic4.tiles import TileReader


def bare(root: Path, recipe: Recipe, mosaic: int) -> None:
    """Decode the eight files of a mosaic."""
    for sample in recipe.mosaics[mosaic]:
        for suffix in ("jpg", "png"):
            with Image.open(root / f"{sample}.{suffix}") as image:
                np.asarray(image)


BARE, COMPOSED, HASHED = "bare decoding", "composed", "composed, files' hashes compared"
Times = list[tuple[float, float]]
"""Seconds of CPU and of wall time for all mosaics, by repeat."""


def measure(quick: bool = False) -> list[Measured]:
    """The recipe, and composing in CPU time."""
    repeats = 1 if quick else 5
    _, seconds = recipe_time(repeats)
    mosaics, spent = in_turns(real_data("fss_like"), repeats, 30 if quick else 3)
    cpu = {name: 1e3 * statistics.median(of for of, _ in pairs) / mosaics for name, pairs in spent.items()}
    measured: list[Measured] = [Limit(name="Mosaic-4, the recipe", ours=seconds, unit="s", limit=1.0)]
    for name, floor in ((COMPOSED, 1 / 1.3), (HASHED, None)):
        ours, plain, note = cpu[name], cpu[BARE], "decoding its eight files with Pillow"
        full = f"Mosaic-4, a mosaic {name}"
        measured.append(Ratio(name=full, ours=ours, plain=plain, unit="CPU ms", floor=floor, note=note))
    return measured


def one_core() -> None:
    """Stay on one core, where the system allows it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def recipe_time(repeats: int) -> tuple[int, float]:
    """Number of mosaics of the official recipe, and the median of the seconds that it takes."""
    one_core()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        official = recipe_of_classes()
        seconds.append(time.perf_counter() - began)
    return len(official.mosaics), statistics.median(seconds)


def in_turns(root: Path, repeats: int, every: int) -> tuple[int, dict[str, Times]]:
    """Number of mosaics, every ``every``-th of the recipe of all classes of ``root``, and the times of each way."""
    one_core()
    recipe = recipe_of_classes(sorted(path.name for path in root.iterdir() if path.is_dir()))
    plain = Mosaics(recipe, TileReader(root))
    hashed = Mosaics(recipe, TileReader(root, read_sources(root, recipe).hashes))
    ways: dict[str, Callable[[int], object]] = {
        BARE: lambda mosaic: bare(root, recipe, mosaic),
        COMPOSED: plain.__getitem__,
        HASHED: hashed.__getitem__,
    }
    mosaics = range(0, len(recipe.mosaics), every)
    spent: defaultdict[str, Times] = defaultdict(list)
    for repeat in range(repeats + 1):
        total = {name: [0.0, 0.0] for name in ways}
        for mosaic in mosaics:
            for name, way in ways.items():
                cpu, wall = time.process_time(), time.perf_counter()
                way(mosaic)
                total[name][0] += time.process_time() - cpu
                total[name][1] += time.perf_counter() - wall
        if repeat:  # the first one warms caches
            for name, (cpu, wall) in total.items():
                spent[name].append((cpu, wall))
    return len(mosaics), spent


def main() -> None:
    """Time the recipe, then the three ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=9)
    said = parser.parse_args()
    official, seconds = recipe_time(said.repeats)
    print(f"recipe of {official} mosaics: {1000 * seconds:.0f} ms of wall time")
    mosaics, spent = in_turns(said.root, said.repeats, 3)
    for name, pairs in spent.items():
        cpu, wall = (1000 * statistics.median(times) / mosaics for times in zip(*pairs, strict=True))
        ratio = [
            statistics.median(pair[k] / base[k] for pair, base in zip(pairs, spent[BARE], strict=True)) for k in (0, 1)
        ]
        print(
            f"{name}: {cpu:.2f} ms of CPU a mosaic, {wall:.2f} ms of wall time; to bare decoding {ratio[0]:.2f} in "
            f"CPU, {ratio[1]:.2f} in wall time"
        )


if __name__ == "__main__":
    main()
