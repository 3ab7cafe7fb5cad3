"""A tree like FSS-1000's only release: official names and sizes, a broken mask, stray files, anti-aliased masks.

Facts are those of HKUSTCV/FSS-1000 issues 8 and 23. The pictures are made up: coloured blocks with a soft ellipse.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fsbench.benchmarks.fss.lists import class_keys

SIZES = {
    "crt_screen/6": (500, 500),
    "shower_curtain/3": (450, 450),
    "rocking_chair/9": (550, 640),
    "ruler/10": (700, 1024),
    "screw/8": (424, 562),
    "rubber_eraser/8": (622, 629),
}
"""Sample -> height and width of its photograph and mask, where these are not 224 x 224."""
BROKEN = "peregine_falcon/8"
"""Its mask is an RGB photograph of 480 x 960."""
STRAY = ("beam_bridge/10", "banana_boat/1", "flying_geckos/1", "har_gow/4", "pteropus/9", "wandering_albatross/6")
"""Samples beside which lies a ``.jpeg`` file; those of test classes are written."""
SOFT = 3.0
"""Pixels over which a mask's edge fades."""


def write_release(root: Path, keys: tuple[str, ...] | None = None) -> Path:
    """Write the class folders ``keys`` (default: the 240 test classes) below ``root``; the same bytes at every call."""
    for place, key in enumerate(class_keys("test")):
        if keys is not None and key not in keys:
            continue
        (root / key).mkdir(parents=True)
        for n in range(1, 11):
            sample = f"{key}/{n}"
            height, width = SIZES.get(sample, (224, 224))
            random = np.random.RandomState(10 * place + n)
            pixels = blocks(random, height, width)
            mask = soft_ellipse(random, height, width)
            pixels[mask >= 128] //= 2
            Image.fromarray(pixels).save(root / f"{sample}.jpg", quality=50)
            Image.fromarray(mask).save(root / f"{sample}.png", compress_level=1)
            if sample == BROKEN:
                Image.fromarray(blocks(random, 480, 960)).save(root / f"{sample}.png", compress_level=1)
            if sample in STRAY:
                Image.fromarray(blocks(random, 300, 200)).save(root / f"{sample}.jpeg")
    return root


def blocks(random: np.random.RandomState, height: int, width: int) -> np.ndarray:
    """Uint8 H x W x 3: 14 x 14 blocks of random colours."""
    small = random.randint(0, 256, (14, 14, 3)).astype(np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST))


def soft_ellipse(random: np.random.RandomState, height: int, width: int) -> np.ndarray:
    """Uint8 H x W grey: 255 inside an ellipse, 0 outside, fading between them."""
    cy, cx = random.uniform(0.3, 0.7, 2) * (height, width)
    ry, rx = random.uniform(0.1, 0.28, 2) * (height, width)
    y, x = np.ogrid[:height, :width]
    distance = (1 - np.hypot((y - cy) / ry, (x - cx) / rx)) * min(ry, rx)
    return np.clip(128 + 255 * distance / SOFT, 0, 255).astype(np.uint8)
