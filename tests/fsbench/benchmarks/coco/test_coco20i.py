"""COCO-20i from annotations made up here: masks against drawing them naively, and every refusal in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as api

from fsbench.benchmarks.coco import coco20i
from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.benchmarks.coco.coco20i import MaskRule, Partition
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from tests.fsbench.benchmarks.small_coco import SIZE, build, file, said, save, small_coco


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_coco(tmp_path / "coco")


def png_tree(painted: Benchmark, folder: Path) -> None:
    """The label maps of a benchmark as a user's tree of PNGs."""
    (folder / "val2014").mkdir(parents=True)
    for sample in painted.present:
        label_map = np.zeros(SIZE, np.uint8)
        for class_id in painted.mask_table.classes(sample):
            label_map[painted.truth(sample, class_id) == 1] = class_id + 1
        Image.fromarray(label_map).save(folder / f"{sample}.png")


def test_union_is_the_instances_and_crowds_beyond_them_are_void(root: Path, tmp_path: Path) -> None:
    benchmark = build(root, tmp_path / "b")
    annotations = said(root)["annotations"]
    image_id = annotations[-1]["image_id"]
    sample = coco_lists.sample_of_image_id()[image_id]
    polygons = [
        a["segmentation"]
        for a in annotations
        if a["image_id"] == image_id and a["category_id"] == 1 and not a["iscrowd"]
    ]
    inside = np.zeros(SIZE, bool)
    for shape in polygons:
        inside |= api.decode(api.merge(api.frPyObjects(shape, *SIZE))) == 1
    expected = inside.astype(np.uint8)
    expected[:, :60][~inside[:, :60]] = 255
    assert np.array_equal(benchmark.truth(sample, 0), expected)
    assert benchmark.title.startswith("COCO-20i [partial ")
    assert [c for c in verify_benchmark(benchmark, 1) if not c.passed] == []


def test_the_three_rules_and_both_partitions(root: Path, tmp_path: Path) -> None:
    painted = build(root, tmp_path / "b", MaskRule.FILLPOLY)
    png_tree(painted, tmp_path / "png")
    from_png = build(root, tmp_path / "c", MaskRule.PNG, masks=tmp_path / "png")
    assert from_png.mask_table.rows() == painted.mask_table.rows()
    assert from_png.lists.mask_rule == "png"
    contiguous = build(root, tmp_path / "d", partition=Partition.CONTIGUOUS)
    assert contiguous.lists.name == "coco-20i-contiguous"
    assert all(c // 20 == int(fold) for fold, pairs in contiguous.lists.val.items() for _, c in pairs)
    file_of_one = next((tmp_path / "png" / "val2014").iterdir())
    Image.fromarray(np.full(SIZE, 81, np.uint8)).save(file_of_one)
    with pytest.raises(FsbenchError, match=r"\.png: holds the value 81, expected class id \+ 1 of 1\.\.80"):
        build(root, tmp_path / "e", MaskRule.PNG, masks=tmp_path / "png")


def test_an_altered_photograph_or_annotation_is_named(root: Path, tmp_path: Path) -> None:
    build(root, tmp_path / "b")
    photograph = next((root / "val2014").iterdir())
    photograph.write_bytes(photograph.read_bytes() + b"\0")
    value = said(root)
    value["annotations"][0]["segmentation"][0][2] -= 3
    save(root, value)
    failed = {c.name: c.said for c in verify_benchmark(open_benchmark(tmp_path / "b"), 1) if not c.passed}
    assert photograph.name in failed["sources"]
    assert "instances_val2014.json was altered" in failed["sources"]
    assert "person" in failed["masks"] or "val2014/" in failed["masks"]
    assert "areas" in failed


def test_a_damaged_mask_file_is_a_failed_check_beside_the_others(root: Path, tmp_path: Path) -> None:
    build(root, tmp_path / "b")
    whole = (tmp_path / "b" / "masks.arrow").read_bytes()
    middle = len(whole) // 2
    for damaged in (
        whole[:middle],
        whole[:-400] + b"\xff" * 300 + whole[-100:],
        whole.replace(b"class_id", b"class_\xff\xff"),
    ):
        (tmp_path / "b" / "masks.arrow").write_bytes(damaged)
        checks = verify_benchmark(open_benchmark(tmp_path / "b"), 1)
        assert [c.name for c in checks if not c.passed] == ["masks"]
        assert len(checks) == 8


def test_refusals(root: Path, tmp_path: Path) -> None:
    whole, value = file(root).read_bytes(), said(root)

    def refused(match: str, rule: MaskRule = MaskRule.UNION, **keywords: Any) -> None:
        with pytest.raises(FsbenchError, match=match) as caught:
            build(root, tmp_path / "b", rule, **keywords)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "b" / "benchmark.json").exists()
        file(root).write_bytes(whole)

    file(root).write_bytes(whole[: len(whole) // 2])
    refused(r"instances_val2014\.json: is no whole COCO annotation file")
    save(root, {**value, "categories": value["categories"][1:]})
    refused("1 of COCO's 80 category ids are missing, first 1")
    save(root, {**value, "images": [*value["images"], value["images"][0]]})
    refused(r"two images have the id \d+")
    for odd in ({"height": 0}, {"width": 10**6}, {"file_name": ".."}, {"file_name": "../x.jpg"}):
        save(root, {**value, "images": [{**value["images"][0], **odd}, *value["images"][1:]]})
        refused(r"image \d+ is '.*' of \d+ x \d+: fetch it again")
    save(root, {**value, "annotations": [{**value["annotations"][0], "category_id": 12}]})
    refused("annotation 1 names category 12, which the file does not have")
    save(root, {**value, "annotations": value["annotations"][1:]})
    refused(r"do not give the published lists \(1 pairs differ, first: val-fold\d: val2014/")
    refused("--masks PNG_ROOT goes with --mask-rule png", MaskRule.PNG)
    refused("none: is no folder: give the one that holds val2014", MaskRule.PNG, masks=tmp_path / "none")
    with pytest.raises(
        FsbenchError, match=r"images that the published lists name are missing, first val2014/.*--partial"
    ):
        coco20i.build(root, tmp_path / "b")
    photograph = root / "val2014" / value["images"][0]["file_name"]
    photograph.rename(tmp_path / "away.jpg")
    with pytest.raises(
        FsbenchError, match=rf"first {photograph} \(annotated, but not on disk\): add them, or .*--partial"
    ):
        coco20i.build(root, tmp_path / "b")


def test_an_image_that_is_annotated_but_not_there_is_not_at_hand(root: Path, tmp_path: Path) -> None:
    before = build(root, tmp_path / "b").counts["val_present"]
    next((root / "val2014").iterdir()).unlink()
    assert build(root, tmp_path / "c").counts["val_present"] == before - 1


def test_a_png_that_is_not_there_is_not_at_hand(root: Path, tmp_path: Path) -> None:
    painted = build(root, tmp_path / "b", MaskRule.FILLPOLY)
    png_tree(painted, tmp_path / "png")
    lost = min((tmp_path / "png" / "val2014").iterdir())
    lost.unlink()
    partial = build(root, tmp_path / "c", MaskRule.PNG, masks=tmp_path / "png")
    assert partial.present == painted.present - {f"val2014/{lost.stem}"}
    assert [c for c in verify_benchmark(partial, 1) if not c.passed] == []
    with pytest.raises(FsbenchError, match=rf"first {lost} \(annotated, but not on disk\)"):
        coco20i.build(root, tmp_path / "d", mask_rule=MaskRule.PNG, masks=tmp_path / "png")
