"""Builds killed before a file operation: the same command then ends with the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsbench.benchmarks.pascal import lists as pascal_lists
from tests.fsbench.benchmarks.cut_lists import cut_lists
from tests.fsbench.benchmarks.small_coco import IDS, PAIRS, small_coco
from tests.fsbench.benchmarks.synthetic_voc import write_voc
from tests.fss_as_released import write_release
from tests.kills import EVERY, Command, check_kills

VOC = [*pascal_lists.samples("val")[:2]]


def folder(raw: Path) -> Command:
    noise = np.random.RandomState(1)
    for number in range(3):
        for kind, pixels in (("images", noise.randint(0, 255, (8, 8, 3))), ("masks", noise.randint(0, 3, (8, 8)))):
            (raw / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(raw / kind / f"{number}.png")
    (raw / "classes.txt").write_text("cat\ndog\n")
    return ("--images", raw / "images", "--masks", raw / "masks", "--classes", raw / "classes.txt", "--name", "mine")


def fss_1000(raw: Path) -> Command:
    write_release(raw, ("peregine_falcon", "screw"))
    (raw / "classes.txt").write_text("screw\nperegine_falcon\n", encoding="utf-8")
    return ("--root", raw, "--classes", raw / "classes.txt")


def coco_20i(raw: Path) -> Command:
    return ("--root", small_coco(raw), "--partial")


def pascal_5i(raw: Path) -> Command:
    return ("--root", write_voc(raw, VOC), "--partial")


def toy(raw: Path) -> Command:
    return ("--root", "{}/drawn")


INPUTS: dict[str, Callable[[Path], Command]] = {
    "folder": folder,
    "fss-1000": fss_1000,
    "coco-20i": coco_20i,
    "pascal-5i": pascal_5i,
    "coco-20i-to-pascal-voc": pascal_5i,
    "toy": toy,
}


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("name", INPUTS)
def test_a_killed_build_ends_with_the_same_bytes(name: str, every: bool, tmp_path: Path) -> None:
    build = ("build", name, *INPUTS[name](tmp_path / "raw"), "--workers", "1", "--out", "{}/built")
    patch = partial(cut_lists, VOC, [pair for pair in PAIRS if int(pair[0][-12:]) in IDS])
    check_kills([build], tmp_path / "tries", every, patch=None if name == "fss-1000" else patch)
