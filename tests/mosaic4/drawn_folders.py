"""Class folders in FSS-1000's layout, drawn in a moment: 224 x 224 photographs of noise with one ellipse, the mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 224
KEYS = ("abacus", "cat", "dog", "eel", "fan")


def draw_folders(root: Path, keys: tuple[str, ...] = KEYS, samples: int = 10) -> Path:
    """Write ``samples`` photographs and masks a class below ``root``; the same bytes at every call. Gives ``root``."""
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
