"""FSS-1000 as its only release has it, made up, and built once; and a small tree that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fsbench.benchmarks.fss import fss1000
from fsbench.benchmarks.fss.lists import class_keys
from fsbench.index.benchmark import Benchmark
from tests.fss_as_released import BROKEN, SIZES, STRAY, write_release

PLAIN = ("bus", "abe's_flyingfish", "hotel_slipper")
ODD = {sample.partition("/")[0] for sample in (*SIZES, BROKEN, *STRAY)} & set(class_keys("test"))


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 240 test classes and two others. All but the odd ones and three are links to the three; not to be damaged."""
    root = write_release(tmp_path_factory.mktemp("raw") / "fewshot_data", (*PLAIN, *ODD))
    for place, key in enumerate((*class_keys("test"), "abacus", "zebra")):
        if not (root / key).exists():
            (root / key).symlink_to(root / PLAIN[place % len(PLAIN)])
    return root


@pytest.fixture(scope="session")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return fss1000.build(raw.parent, tmp_path_factory.mktemp("built") / "fss-1000", workers=2)


@pytest.fixture
def own(tmp_path: Path, raw: Path) -> Path:
    """Three class folders of the user's own, with their ``classes.txt`` beside them."""
    for key, folder in zip(("sea_lion", "Äpfel", "bus"), PLAIN, strict=True):
        shutil.copytree(raw / folder, tmp_path / "own" / key)
    (tmp_path / "classes.txt").write_text("sea_lion\n\n  bus \r\nÄpfel\n", encoding="utf-8")
    return tmp_path / "own"
