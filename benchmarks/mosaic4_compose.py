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


def main() -> None:
    """Time the recipe, then the three ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=9)
    said = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    seconds = []
    for _ in range(said.repeats):
        began = time.perf_counter()
        official = recipe_of_classes()
        seconds.append(time.perf_counter() - began)
    print(f"recipe of {len(official.mosaics)} mosaics: {1000 * statistics.median(seconds):.0f} ms of wall time")

    recipe = recipe_of_classes(sorted(path.name for path in said.root.iterdir() if path.is_dir()))
    plain = Mosaics(recipe, TileReader(said.root))
    hashed = Mosaics(recipe, TileReader(said.root, read_sources(said.root, recipe).hashes))
    ways: dict[str, Callable[[int], object]] = {
        "bare decoding": lambda mosaic: bare(said.root, recipe, mosaic),
        "composed": plain.__getitem__,
        "composed, files' hashes compared": hashed.__getitem__,
    }
    spent: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for repeat in range(said.repeats + 1):
        total = {name: [0.0, 0.0] for name in ways}
        for mosaic in range(0, len(recipe.mosaics), 3):
            for name, way in ways.items():
                cpu, wall = time.process_time(), time.perf_counter()
                way(mosaic)
                total[name][0] += time.process_time() - cpu
                total[name][1] += time.perf_counter() - wall
        if repeat:  # the first one warms caches
            for name, (cpu, wall) in total.items():
                spent[name].append((cpu, wall))
    mosaics = len(range(0, len(recipe.mosaics), 3))
    for name, pairs in spent.items():
        cpu, wall = (1000 * statistics.median(times) / mosaics for times in zip(*pairs, strict=True))
        ratio = [
            statistics.median(pair[k] / base[k] for pair, base in zip(pairs, spent["bare decoding"], strict=True))
            for k in (0, 1)
        ]
        print(
            f"{name}: {cpu:.2f} ms of CPU a mosaic, {wall:.2f} ms of wall time; to bare decoding {ratio[0]:.2f} in "
            f"CPU, {ratio[1]:.2f} in wall time"
        )


if __name__ == "__main__":
    main()
