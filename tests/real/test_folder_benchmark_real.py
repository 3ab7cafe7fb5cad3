"""A user's own folder on real photographs: VOC's train part as if it were nobody's, against the published lists."""

from __future__ import annotations

from pathlib import Path

from fsbench.benchmarks.own import folder
from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal.pascal5i import NAMES
from fsbench.benchmarks.verification import verify_benchmark


def test_its_lists_are_the_published_pairs_with_a_pixel(voc_root: Path, tmp_path: Path) -> None:
    images, masks, classes, folds = (tmp_path / name for name in ("images", "masks", "classes.txt", "folds.txt"))
    images.mkdir()
    masks.mkdir()
    for sample in pascal_lists.samples("train"):
        if (voc_root / "JPEGImages" / f"{sample}.jpg").is_file():
            (images / f"{sample}.jpg").symlink_to(voc_root / "JPEGImages" / f"{sample}.jpg")
            (masks / f"{sample}.png").symlink_to(voc_root / "SegmentationClassAug" / f"{sample}.png")
    classes.write_text("".join(f"{key}\t{name}\n" for key, name in NAMES.items()))
    folds.write_text("".join(f"{key}\t{c // 5}\n" for c, key in enumerate(NAMES)))
    built = folder.build(images, masks, classes, folds, tmp_path / "out", "voc-train", 1)
    for fold, pairs in built.lists.val.items():
        published = [pair for pair in pascal_lists.train(fold, "fusioner") if pair[0] in built.samples]
        assert list(pairs) == sorted(published)
        assert len(published) > 100
    assert [check for check in verify_benchmark(built, 1) if not check.passed] == []
