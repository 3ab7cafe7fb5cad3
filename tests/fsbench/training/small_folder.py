"""A benchmark of the user's own folders, in which a photograph may show several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fsbench.benchmarks.own import folder
from fsbench.index.benchmark import Benchmark


def build_folder(
    place: Path, shows: Mapping[str, Sequence[int]], folds: Mapping[str, int], size: tuple[int, int], void: int = 0
) -> Benchmark:
    """Photographs of noise; ``shows``: name -> mask values, one under the other; the last ``void`` columns are void."""
    random = np.random.RandomState(3)
    for kind in ("images", "masks"):
        (place / kind).mkdir(parents=True)
    for name, values in shows.items():
        mask = np.zeros(size, np.uint8)
        for row, value in enumerate(values):
            half = size[0] // 2
            mask[half * row + 1 : half * (row + 1) - 1, 3 : 3 * size[1] // 4] = value
        mask[:, size[1] - void :] = 255
        pixels = random.randint(0, 255, (*size, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(place / "images" / f"{name}.png")
        Image.fromarray(mask).save(place / "masks" / f"{name}.png")
    (place / "classes.txt").write_text("".join(f"{name}\n" for name in folds))
    (place / "folds.txt").write_text("".join(f"{name}\t{fold}\n" for name, fold in folds.items()))
    parts = (place / name for name in ("images", "masks", "classes.txt", "folds.txt", "index"))
    return folder.build(*parts, "own", 1)
