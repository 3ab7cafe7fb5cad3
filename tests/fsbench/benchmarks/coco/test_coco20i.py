"""COCO-20i from annotations made up here: masks against drawing them naively, and every refusal in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as api

from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.benchmarks.coco.coco20i import MaskRule, Partition
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from tests.fsbench.benchmarks.small_coco import SIZE, build, content, file, save
from tests.refusals import refusal


def write_pngs(painted: Benchmark, folder: Path) -> list[Path]:
    """The label maps of a benchmark as a user's tree of PNGs."""
    (folder / "val2014").mkdir(parents=True)
    for sample in painted.present:
        label_map = np.zeros(SIZE, np.uint8)
        for class_id in painted.mask_table.classes(sample):
            label_map[painted.truth(sample, class_id) == 1] = class_id + 1
        Image.fromarray(label_map).save(folder / f"{sample}.png")
    return sorted((folder / "val2014").iterdir())


def test_union_of_instances_with_crowds_void_on_the_whole_published_lists(root: Path, tmp_path: Path) -> None:
    benchmark = build(root, tmp_path / "b")
    annotations = content(root)["annotations"]
    image_id = annotations[-1]["image_id"]
    sample = coco_lists.sample_of_image_id()[image_id]
    persons = [a for a in annotations if (a["image_id"], a["category_id"], a["iscrowd"]) == (image_id, 1, 0)]
    inside = np.zeros(SIZE, bool)
    for person in persons:
        inside |= api.decode(api.merge(api.frPyObjects(person["segmentation"], *SIZE))) == 1
    expected = inside.astype(np.uint8)
    expected[:, :60][~inside[:, :60]] = 255
    assert np.array_equal(benchmark.truth(sample, 0), expected)
    assert benchmark.title.startswith("COCO-20i [partial ")
    assert [c for c in verify_benchmark(benchmark, 1) if not c.passed] == []


@pytest.mark.usefixtures("few_lists")
def test_the_three_rules_and_both_partitions(root: Path, tmp_path: Path) -> None:
    painted = build(root, tmp_path / "b", MaskRule.FILLPOLY)
    lost, odd, *_ = write_pngs(painted, tmp_path / "png")
    from_png = build(root, tmp_path / "c", MaskRule.PNG, masks=tmp_path / "png")
    assert from_png.mask_table.rows() == painted.mask_table.rows()
    assert from_png.lists.mask_rule == "png"
    contiguous = build(root, tmp_path / "d", partition=Partition.CONTIGUOUS)
    assert contiguous.lists.name == "coco-20i-contiguous"
    assert all(c // 20 == int(fold) for fold, pairs in contiguous.lists.val.items() for _, c in pairs)
    lost.unlink()
    partial = build(root, tmp_path / "e", MaskRule.PNG, masks=tmp_path / "png")
    assert partial.present == painted.present - {f"val2014/{lost.stem}"}
    for benchmark in (painted, contiguous, partial):
        assert [c for c in verify_benchmark(benchmark, 1) if not c.passed] == []
    Image.fromarray(np.full(SIZE, 81, np.uint8)).save(odd)
    with pytest.raises(FsbenchError, match=r"\.png: holds the value 81, expected class id \+ 1 of 1\.\.80"):
        build(root, tmp_path / "f", MaskRule.PNG, masks=tmp_path / "png")
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(odd)
    with pytest.raises(FsbenchError, match=r"\.png: is 5 x 6, its photograph 96 x 120: use the masks of COCO 2014"):
        build(root, tmp_path / "f", MaskRule.PNG, masks=tmp_path / "png")


@pytest.mark.usefixtures("few_lists")
def test_verify_names_an_altered_photograph_annotation_and_mask_file(root: Path, tmp_path: Path) -> None:
    folder = build(root, tmp_path / "b").folder
    masks = (folder / "masks.arrow").read_bytes()
    middle = len(masks) // 2
    for damaged in (
        masks[:middle],
        masks[:-400] + b"\xff" * 300 + masks[-100:],
        masks.replace(b"class_id", b"class_\xff\xff"),
    ):
        (folder / "masks.arrow").write_bytes(damaged)
        checks = verify_benchmark(open_benchmark(folder), 1)
        assert [c.name for c in checks if not c.passed] == ["masks"]
        assert len(checks) == 8
    (folder / "masks.arrow").write_bytes(masks)
    photograph = next((root / "val2014").iterdir())
    photograph.write_bytes(photograph.read_bytes() + b"\0")
    value = content(root)
    value["annotations"][0]["segmentation"][0][2] -= 3
    save(root, value)
    failed = {c.name: c.said for c in verify_benchmark(open_benchmark(folder), 1) if not c.passed}
    assert photograph.name in failed["sources"]
    assert "instances_val2014.json was altered" in failed["sources"]
    assert "val2014/" in failed["masks"]
    assert "areas" in failed
    file(root).write_text("{")
    failed = {c.name: c.said for c in verify_benchmark(open_benchmark(folder), 1) if not c.passed}
    assert "is not a complete COCO annotation file" in failed["annotations readable"]


def without_first(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: {**value, kind: value[kind][1:]}


def with_first(kind: str, **change: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: {**value, kind: [{**value[kind][0], **change}, *value[kind][1:]]}


def first_image_twice(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "images": [*value["images"], value["images"][0]]}


@pytest.mark.usefixtures("few_lists")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (without_first("categories"), "1 of COCO's 80 category ids are missing, first 1"),
        (first_image_twice, r"two images have the id \d+"),
        (with_first("images", height=0), r"image \d+ is '.*' of 0 x 120: fetch it again"),
        (with_first("images", width=10**6), r"image \d+ is '.*' of 96 x 1000000: fetch it again"),
        (with_first("images", file_name=".."), r"image \d+ is '\.\.' of \d+ x \d+: fetch it again"),
        (with_first("images", file_name="../x.jpg"), r"image \d+ is '\.\./x\.jpg' of \d+ x \d+: fetch it again"),
        (with_first("annotations", category_id=12), "annotation 1 names category 12, which the file does not have"),
        (
            without_first("annotations"),
            r"do not give the published lists \(1 pairs differ, first: val-fold\d: val2014/",
        ),
        (None, "is not a complete COCO annotation file"),
    ],
)
def test_annotations_that_are_refused(
    root: Path, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]] | None, match: str
) -> None:
    if change is None:
        file(root).write_bytes(file(root).read_bytes()[: file(root).stat().st_size // 2])
    else:
        save(root, change(content(root)))
    assert re.match(rf"{file(root)}: .*{match}", refusal(build, root, tmp_path / "b"))
    assert not (tmp_path / "b" / "benchmark.json").exists()


@pytest.mark.usefixtures("few_lists")
def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    def refused(match: str, rule: MaskRule = MaskRule.UNION, coco: Path = root, **keywords: Any) -> None:
        with pytest.raises(FsbenchError, match=match):
            build(coco, tmp_path / "b", rule, **keywords)

    refused("--masks PNG_ROOT goes with --mask-rule png", MaskRule.PNG)
    refused("none: is not a folder: give the one that holds val2014", MaskRule.PNG, masks=tmp_path / "none")
    refused("none: has no folder annotations: give the folder that holds annotations", coco=tmp_path / "none")
    refused(r"are missing, first train2014/\S+ \(not in instances_val2014\.json\): .*--partial", partial=False)
    (lost, *_) = write_pngs(build(root, tmp_path / "painted", MaskRule.FILLPOLY), tmp_path / "png")
    lost.unlink()
    refused(rf"first {lost} \(annotated, but not on disk\)", MaskRule.PNG, masks=tmp_path / "png", partial=False)
    photograph = root / "val2014" / content(root)["images"][0]["file_name"]
    photograph.unlink()
    refused(rf"first {photograph} \(annotated, but not on disk\): add them, or .*--partial", partial=False)
    assert len(build(root, tmp_path / "partial").present) == len(content(root)["images"]) - 1
