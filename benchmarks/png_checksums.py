"""What the check of a PNG's checksums adds to reading a mask: at most 3 % of what decoding takes.

python -m benchmarks.png_checksums VOC2012/SegmentationClassAug [--masks 2000]

Both are timed on the same bytes in one run, in turn, and the least of five rounds counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

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


def main() -> None:
    """Read the masks into memory, then time the check alone and check and decoding together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--masks", type=int, default=2000)
    said = parser.parse_args()
    masks = [(path, path.read_bytes()) for path in sorted(said.folder.glob("*.png"))[: said.masks]]
    checks = least(lambda: [png_fault(data) for _, data in masks])
    reads = least(lambda: [read_indices(path, data) for path, data in masks])
    each = 1e6 / len(masks)
    print(
        f"{len(masks)} masks: checksums {checks * each:.1f} us of {reads * each:.1f} us, "
        f"{100 * checks / (reads - checks):.1f} % of decoding"
    )


if __name__ == "__main__":
    main()
