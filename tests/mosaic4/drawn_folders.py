"""Class folders in FSS-1000's layout, drawn in a moment: 224 x 224 photographs of noise with one ellipse, the mask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from mosaic4.build import recipe_of_classes
from mosaic4.dataset import Dataset, Form

Forms = Mapping[Form, tuple[Path, Dataset]]
"""Form -> folder and dataset."""
SIDE = 224
KEYS = ("abacus", "cat", "dog", "eel", "fan")
RECIPE = recipe_of_classes(KEYS)
"""Fifty mosaics."""


def class_file(folder: Path) -> Path:
    """Write ``KEYS`` to ``classes.txt`` in ``folder``, one a line."""
    path = folder / "classes.txt"
    path.write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of every file below ``folder``, hidden ones included, except lock files."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def draw_folders(root: Path, keys: tuple[str, ...] = KEYS, samples: int = 10) -> Path:
    """Write ``samples`` photographs and masks per class, the same bytes at every call; gives ``root``."""
    random = np.random.RandomState(7)
    y, x = np.mgrid[:SIDE, :SIDE]
    for key in keys:
        (root / key).mkdir(parents=True)
        colour = random.randint(0, 128, 3)
        for n in range(1, samples + 1):
            (cy, cx), (ry, rx) = random.randint(60, 164, 2), random.randint(12, 60, 2)
            inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1
            coarse = random.randint(0, 128, (14, 14, 3)).repeat(16, axis=0).repeat(16, axis=1)
            pixels = (coarse + colour * inside[..., None]).astype(np.uint8)
            Image.fromarray(pixels).save(root / key / f"{n}.jpg", quality=90)
            Image.fromarray((inside * 255).astype(np.uint8)).save(root / key / f"{n}.png")
    return root
