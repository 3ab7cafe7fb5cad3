"""A made-up VOC 2012 whose masks give the published lists, so that builds are tested with no data of others.

Each sample is 240 x 320. A class that the lists keep is a vertical band, wide enough for the 32-pixel grid; a class
that only Fusioner's lists have is a dot of 4 x 4 pixels between the grid's points.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from fsbench.benchmarks.pascal import lists as pascal_lists

HEIGHT, WIDTH = 240, 320


def listed_samples() -> list[str]:
    """The first and the last sample of every class in every list, val and train."""
    by_class: dict[tuple[str, int], list[str]] = {}
    for name, pairs in pascal_lists.lists().items():
        for sample, class_id in pairs:
            by_class.setdefault((name, class_id), []).append(sample)
    return sorted({sample for samples in by_class.values() for sample in (samples[0], samples[-1])})


def label_map(sample: str) -> np.ndarray:
    """uint8 240 x 320 whose classes are those of the published lists for this sample."""
    kept, dropped = set(), set()
    for name, pairs in _by_sample().get(sample, {}).items():
        (dropped if "fusioner" in name else kept).update(pairs)
    dropped -= kept
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    width = WIDTH // (len(kept) + 2)
    for place, class_id in enumerate(sorted(kept)):
        right = WIDTH - place * width
        mask[40:, right - width + 4 : right] = class_id + 1
    for place, class_id in enumerate(sorted(dropped)):
        mask[10:14, 10 + 32 * place : 14 + 32 * place] = class_id + 1
    if sample in pascal_lists.official():
        mask[:3] = 255
    return mask


@cache
def _by_sample() -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for name, pairs in pascal_lists.lists().items():
        for sample, class_id in pairs:
            found.setdefault(sample, {}).setdefault(name, []).append(class_id)
    return found


def photograph(mask: np.ndarray, sample: str) -> Image.Image:
    """A picture with a colour per class and some texture."""
    texture = np.random.RandomState(int(sample.replace("_", "")) % 2**31).randint(0, 40, (HEIGHT, WIDTH, 3))
    colours = np.random.RandomState(0).randint(0, 200, (256, 3))
    return Image.fromarray((colours[mask] + texture).astype(np.uint8))


def write_voc(root: Path, samples: list[str], *, masks: str = "SegmentationClassAug") -> Path:
    """``root/VOCdevkit/VOC2012`` with photographs and masks of ``samples``; gives ``root/VOCdevkit``."""
    voc = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", masks):
        (voc / folder).mkdir(parents=True, exist_ok=True)
    for sample in samples:
        mask = label_map(sample)
        photograph(mask, sample).save(voc / "JPEGImages" / f"{sample}.jpg", quality=90)
        if masks == "SegmentationClassAug" or sample in pascal_lists.official():
            picture = Image.fromarray(mask)
            picture.putpalette(bytes(range(256)) * 3)
            picture.save(voc / masks / f"{sample}.png")
    return root / "VOCdevkit"


def write_sbd(root: Path, samples: list[str]) -> Path:
    """The official SBD layout with ``.mat`` files of ``samples``; gives ``benchmark_RELEASE``."""
    folder = root / "benchmark_RELEASE" / "dataset" / "cls"
    folder.mkdir(parents=True)
    for sample in samples:
        segmentation = label_map(sample)
        segmentation[segmentation == 255] = 0
        content = {"Boundaries": np.zeros((20, 1), dtype=object), "Segmentation": segmentation}
        scipy.io.savemat(folder / f"{sample}.mat", {"GTcls": content}, do_compression=True)
    return root / "benchmark_RELEASE"
