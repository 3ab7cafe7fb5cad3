"""A user's own folder on real photographs: VOC's train part as if it were nobody's, against the published lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbench.benchmarks.own import folder
from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal.pascal5i import NAMES
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import Benchmark


@pytest.fixture(scope="module")
def built(voc_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    own = tmp_path_factory.mktemp("own")
    for name in ("images", "masks"):
        (own / name).mkdir()
    for sample in pascal_lists.samples("train"):
        if (voc_root / "JPEGImages" / f"{sample}.jpg").is_file():
            (own / "images" / f"{sample}.jpg").symlink_to(voc_root / "JPEGImages" / f"{sample}.jpg")
            (own / "masks" / f"{sample}.png").symlink_to(voc_root / "SegmentationClassAug" / f"{sample}.png")
    (own / "classes.txt").write_text("".join(f"{key}\t{name}\n" for key, name in NAMES.items()))
    (own / "folds.txt").write_text("".join(f"{key}\t{c // 5}\n" for c, key in enumerate(NAMES)))
    return folder.build(
        own / "images", own / "masks", own / "classes.txt", own / "folds.txt", own / "out", "voc-train", 1
    )


@pytest.mark.parametrize("fold", pascal_lists.FOLDS)
def test_its_lists_are_the_published_pairs_with_a_pixel(built: Benchmark, fold: str) -> None:
    published = [pair for pair in pascal_lists.train(fold, "fusioner") if pair[0] in built.samples]
    assert list(built.lists.val[fold]) == sorted(published)
    assert len(published) > 100


def test_it_verifies(built: Benchmark) -> None:
    assert [check for check in verify_benchmark(built, 1) if not check.passed] == []
