"""What rebuilding the PASCAL-5i lists costs beyond decoding the masks, which has to be done anyway.

    python -m benchmarks.list_rebuild --root VOCdevkit [--rounds 5] [--every 1]

Decoding (Pillow alone) and decoding + value check + lists + areas are timed on the same files, one thread, in blocks
of 20 files that take turns and swap who goes first, so that a change in the machine's load falls on both. The claim:
at most twice the time of decoding.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from benchmarks.measured import Measured, Ratio, real_data
from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal.list_rule import listed_classes, rebuild
from fsbench.benchmarks.pascal.voc import find_masks, find_voc
from fsbench.io.label_maps import read_label_areas

LIMIT = 2.0
BLOCK = 20
File = tuple[str, pascal_lists.Split, Path]


def seconds(step: Callable[[File], None], block: list[File]) -> float:
    start = time.perf_counter()
    for file in block:
        step(file)
    return time.perf_counter() - start


def measure(quick: bool = False) -> list[Measured]:
    """Every fourth mask."""
    files, alone, with_lists, equal = in_turns(real_data("VOCdevkit"), 1 if quick else 3, 100 if quick else 4)
    if not equal:
        raise SystemExit("the rebuilt lists are not the published ones")
    us = 1e6 / files
    name, note = "PASCAL-5i lists from masks", "decoding the masks with Pillow, and nothing else"
    return [Ratio(name=name, ours=with_lists * us, plain=alone * us, unit="us", floor=1 / LIMIT, note=note)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="VOCdevkit, with SegmentationClassAug")
    parser.add_argument("--rounds", type=int, default=5, help="times each block is timed; the fastest counts")
    parser.add_argument("--every", type=int, default=1, help="take every n-th mask only")
    arguments = parser.parse_args()
    files, alone, with_lists, equal = in_turns(arguments.root, arguments.rounds, arguments.every)
    print(
        f"python {platform.python_version()}, numpy {np.__version__}, pillow {PIL.__version__}, "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(f"masks {files}, fastest of {arguments.rounds} rounds per block of {BLOCK}, one thread")
    print(f"decode                 {alone:7.2f} s  {1e6 * alone / files:6.0f} us a mask")
    print(f"decode + lists + areas {with_lists:7.2f} s  {1e6 * with_lists / files:6.0f} us a mask")
    print(f"ratio                  {with_lists / alone:7.3f}    (limit {LIMIT})")
    print(f"lists as published     {'yes' if equal else 'NO'}")
    return 0 if equal and with_lists <= LIMIT * alone else 1


def in_turns(root: Path, rounds: int, every: int) -> tuple[int, float, float, bool]:
    """Number of masks, seconds to decode them alone, seconds with lists, and whether those are the published ones."""
    folders = find_masks(find_voc(root))
    splits: tuple[pascal_lists.Split, ...] = ("val", "train")
    samples = [(name, split) for split in splits for name in pascal_lists.samples(split)]
    files = [(name, split, folders.mask_path(name)) for name, split in samples[::every]]
    blocks = [files[at : at + BLOCK] for at in range(0, len(files), BLOCK)]
    rebuilt: dict[str, tuple[str, pascal_lists.Split, dict[int, int], tuple[int, ...]]] = {}

    def decode(file: File) -> None:
        with Image.open(file[2]) as image:
            image.load()

    def index(file: File) -> None:
        name, split, path = file
        label_map, areas = read_label_areas(path)
        rebuilt[name] = (name, split, areas, listed_classes(label_map, split))

    best = {decode: [float("inf")] * len(blocks), index: [float("inf")] * len(blocks)}
    for turn in range(rounds):
        for number, block in enumerate(blocks):
            for step in (decode, index) if (turn + number) % 2 else (index, decode):
                best[step][number] = min(best[step][number], seconds(step, block))
    start = time.perf_counter()
    lists = rebuild(rebuilt.values())
    sorting = time.perf_counter() - start
    wanted = {name: tuple(p for p in pairs if p[0] in rebuilt) for name, pairs in pascal_lists.lists().items()}
    return len(files), sum(best[decode]), sum(best[index]) + sorting, lists == wanted


if __name__ == "__main__":
    sys.exit(main())
