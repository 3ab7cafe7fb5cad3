"""The embedded benchmark, built, and proved against its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsbench.benchmarks.fss.class_folders import read_class_folders
from fsbench.benchmarks.toy.build import build as build_toy
from fsbench.benchmarks.toy.classes import CLASS_NAMES
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return build_toy(out=tmp_path_factory.mktemp("toy"))


def test_it_has_the_layout_of_fss_1000(built: Benchmark) -> None:
    raw = built.roots["root"]
    assert sorted(path.name for path in raw.iterdir()) == list(CLASS_NAMES)
    names = {f"{n}.{suffix}" for n in range(1, 11) for suffix in ("jpg", "png")}
    assert all({path.name for path in folder.iterdir()} == names for folder in raw.iterdir())
    assert built.counts == {"val_present": 480, "val_total": 480}
    assert (built.title, built.partial) == ("toy", False)
    assert {len(ids) for ids in built.lists.folds.values()} == {12}
    assert {len(pairs) for pairs in built.lists.val.values()} == {120}


def test_it_verifies(built: Benchmark) -> None:
    assert [check for check in verify_benchmark(built) if not check.passed] == []


def test_names_are_plain_english(built: Benchmark) -> None:
    assert built.lists.classes[built.lists.folds["0"][0]].name == "checkered purple fish"


def damage(folder: Path) -> None:
    """Every fault a tree in this layout can have, one each."""
    (folder / "a" / "1.jpg").unlink()
    (folder / "a" / "2.png").write_bytes(b"no picture")
    Image.new("L", (9, 8), 255).save(folder / "a" / "3.png")
    Image.new("L", (8, 8), 0).save(folder / "a" / "4.png")
    Image.new("L", (8, 8), 1).save(folder / "a" / "5.png")


def test_everything_wrong_with_a_tree_is_in_one_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for n in range(1, 11):
        Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(tmp_path / "a" / f"{n}.jpg")
        Image.new("L", (8, 8), 200 if n % 2 else 128).save(tmp_path / "a" / f"{n}.png")
    tree = read_class_folders(tmp_path, ["a"])
    assert set(tree.area.values()) == {64}
    damage(tmp_path)
    with pytest.raises(FsbenchError) as caught:
        read_class_folders(tmp_path, ["a"])
    said = str(caught.value)
    assert "5 of 10 samples cannot be used" in said
    for fault in (
        "1.jpg is missing",
        "2.png: cannot be read",
        "3.png is 8 x 9, its photograph 8 x 8",
        "4.png has no foreground",
        "5.png holds only 0 and 1",
    ):
        assert fault in said
    assert "\n" not in said
