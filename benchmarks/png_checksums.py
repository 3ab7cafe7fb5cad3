"""What the check of a PNG's checksums adds to reading a mask: at most 3 % of what decoding takes.

python -m benchmarks.png_checksums VOC2012/SegmentationClassAug [--masks 2000]

Both are timed on the same bytes in one run, in turn, and the least of five rounds counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measured import Measured, Ratio, real_data
from fsbench.io.images import read_indices
from fsbench.io.png_chunks import png_fault

ROUNDS = 5


def least(function: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Seconds of processor time of the fastest of some rounds."""
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        function()
        seconds.append(time.process_time() - began)
    return min(seconds)


def times(folder: Path, most: int) -> tuple[int, float, float]:
    """Number of masks read, and microseconds a mask: the check alone, and decoding with the check."""
    masks = [(path, path.read_bytes()) for path in sorted(folder.glob("*.png"))[:most]]
    checks = least(lambda: [png_fault(data) for _, data in masks])
    reads = least(lambda: [read_indices(path, data) for path, data in masks])
    return len(masks), 1e6 * checks / len(masks), 1e6 * reads / len(masks)


def measure(quick: bool = False) -> list[Measured]:
    """Decoding with the check beside decoding alone, on masks of VOC."""
    folder = real_data("VOCdevkit") / "VOC2012" / "SegmentationClassAug"
    _, checks, reads = times(folder, 100 if quick else 2000)
    name = "reading a PNG mask, checksums proved"
    return [Ratio(name=name, ours=reads, plain=reads - checks, unit="us", floor=1 / 1.03, note="decoding alone")]


def main() -> None:
    """Read the masks into memory, then time the check alone and check and decoding together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--masks", type=int, default=2000)
    said = parser.parse_args()
    masks, checks, reads = times(said.folder, said.masks)
    print(
        f"{masks} masks: checksums {checks:.1f} us of {reads:.1f} us, "
        f"{100 * checks / (reads - checks):.1f} % of decoding"
    )


if __name__ == "__main__":
    main()
