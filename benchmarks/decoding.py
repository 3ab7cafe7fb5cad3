"""JPEG to a uint8 3 x H x W tensor: as an evaluation does it, the field's way, and torchvision's.

    python -m benchmarks.decoding [--photographs 200] [--rounds 5]

Photographs of VOC (``FSBENCH_DATA``, else ``../shared/data``), or, where they are not, the drawn ones of ``toy``. Files
are decoded from the disk's cache, one thread, all ways in turn file by file. Ours is ``read_image``, which
decodes with OpenCV and whose errors name the file, and ``channels_first``; the field's ``np.array(Image.open())``, then
permuted and made contiguous; torchvision's ``decode_jpeg`` gives 3 x H x W at once. All must give the same pixels
before anything is timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from benchmarks.measured import Measured, NoDataError, Ratio, real_data, show
from fsbench.benchmarks.toy.build import build
from fsbench.io.images import channels_first, read_image

FLOOR = 1.15
"""How many times as fast as the field's way ours has to be."""


def ours(path: Path) -> torch.Tensor:
    """As an evaluation does it."""
    return torch.from_numpy(channels_first(read_image(path)))


def field(path: Path) -> torch.Tensor:
    """As HSNet and those after it do it."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).contiguous()


def torchvision(path: Path) -> torch.Tensor:
    """With libjpeg-turbo, straight to 3 x H x W."""
    pixels: torch.Tensor = decode_jpeg(read_file(str(path)), mode=ImageReadMode.RGB)
    return pixels


def medians(paths: list[Path], rounds: int) -> dict[Callable[[Path], torch.Tensor], float]:
    """Milliseconds a photograph by way, the median of rounds; ends the run where pixels differ."""
    torch.set_num_threads(1)
    for path in paths:
        if not torch.equal(ours(path), field(path)) or not torch.equal(ours(path), torchvision(path)):
            raise SystemExit(f"{path}: the three ways give different pixels")
    ways = (ours, field, torchvision)
    taken: dict[Callable[[Path], torch.Tensor], list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        seconds = dict.fromkeys(ways, 0.0)
        for number, path in enumerate(paths):
            first = (turn + number) % len(ways)
            for way in (*ways[first:], *ways[:first]):
                began = time.perf_counter()
                way(path)
                seconds[way] += time.perf_counter() - began
        for way in ways:
            taken[way].append(1e3 * seconds[way] / len(paths))
    return {way: statistics.median(of) for way, of in taken.items()}


def compared(photographs: int, rounds: int) -> list[Measured]:
    """Ours beside the field's way, and torchvision's beside ours."""
    with TemporaryDirectory() as folder:
        try:
            of, root = "VOC", real_data("VOCdevkit") / "VOC2012" / "JPEGImages"
        except NoDataError:
            of, root = "toy", Path(folder) / "raw"
            build(root, Path(folder) / "toy")
        paths = sorted(root.rglob("*.jpg"))
        took = medians(paths[:: max(1, len(paths) // photographs)][:photographs], rounds)
    return [
        Ratio(name=f"decoding a JPEG of {of}", ours=took[ours], plain=took[field], unit="ms", floor=FLOOR),
        Ratio(
            name=f"decoding a JPEG of {of}, torchvision instead",
            ours=took[torchvision],
            plain=took[ours],
            unit="ms",
            note="ours as the plain way: fsbench's read_image",
        ),
    ]


def measure(quick: bool = False) -> list[Measured]:
    """Of 200 photographs."""
    return compared(20, 1) if quick else compared(200, 5)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    said = parser.parse_args()
    show(compared(said.photographs, said.rounds))


if __name__ == "__main__":
    main()
