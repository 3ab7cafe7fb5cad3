"""The embedded benchmark, built, and proved against its pictures."""

from __future__ import annotations

from fsbench.benchmarks.toy.classes import CLASS_NAMES
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import Benchmark


def test_it_has_the_layout_of_fss_1000_and_verifies(toy: Benchmark) -> None:
    raw = toy.roots["root"]
    assert sorted(path.name for path in raw.iterdir()) == list(CLASS_NAMES)
    names = {f"{n}.{suffix}" for n in range(1, 11) for suffix in ("jpg", "png")}
    assert all({path.name for path in folder.iterdir()} == names for folder in raw.iterdir())
    assert toy.counts == {"val_present": 480, "val_total": 480}
    assert (toy.title, toy.partial) == ("toy", False)
    assert {len(ids) for ids in toy.lists.folds.values()} == {12}
    assert {len(pairs) for pairs in toy.lists.val.values()} == {120}
    assert toy.lists.classes[toy.lists.folds["0"][0]].name == "checkered purple fish"
    assert [check for check in verify_benchmark(toy) if not check.passed] == []
