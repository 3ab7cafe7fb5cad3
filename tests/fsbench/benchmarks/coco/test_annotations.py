"""COCO's annotation file as tools write it: whole numbers as floats, extra keys; and entries that do not fit."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from fsbench.benchmarks.coco.annotations import read_annotations
from fsbench.episodes.protocols import FILLPOLY, UNION
from tests.fsbench.benchmarks.small_coco import IDS, content, file, masks, save
from tests.refusals import refusal


@pytest.mark.parametrize("rule", [UNION, FILLPOLY])
def test_whole_numbers_as_floats_and_extra_keys_change_no_mask(root: Path, rule: str) -> None:
    value, before = content(root), masks(root, rule)
    whole = ("id", "image_id", "category_id", "iscrowd", "height", "width")
    for kind in ("images", "annotations", "categories"):
        value[kind] = [{**entry, "tool": {"version": 1.5}, "area": "none", "keypoints": []} for entry in value[kind]]
    save(root, {**value, "info": None, "licenses": "none", "tracks": []})
    assert masks(root, rule) == before
    for kind in ("images", "annotations", "categories"):
        value[kind] = [{k: float(v) if k in whole else v for k, v in entry.items()} for entry in value[kind]]
    save(root, value)
    assert b'"iscrowd": 0.0' in file(root).read_bytes()
    assert masks(root, rule) == before
    file(root).write_text(file(root).read_text().replace('"iscrowd": 1.0', '"iscrowd": 1e0'))
    assert masks(root, rule) == before


@pytest.mark.parametrize(
    ("kind", "change", "match"),
    [
        ("annotations", {"id": 3.5}, r"annotation 3\.5: id is 3\.5, expected a whole number"),
        ("annotations", {"category_id": 17.25}, r"annotation 1: category_id is 17\.25, expected a whole number"),
        ("annotations", {"image_id": "7"}, 'annotation 1: image_id is "7", expected a whole number'),
        ("annotations", {"iscrowd": 0.5}, r"annotation 1: iscrowd is 0\.5, expected a whole number"),
        ("annotations", {"iscrowd": True}, "annotation 1: iscrowd is true, expected a whole number"),
        ("annotations", {"image_id": 2.0**60}, r"annotation 1: image_id is 1\.15\d+e\+18, expected a whole number"),
        ("annotations", {"segmentation": ...}, "annotation 1: lacks segmentation"),
        ("images", {"height": 96.5}, rf"image {IDS[0]}: height is 96\.5, expected a whole number"),
        ("images", {"file_name": 5}, f"image {IDS[0]}: file_name is 5, expected a text"),
        ("categories", {"id": 1.5}, r"category 1\.5: id is 1\.5, expected a whole number"),
        ("annotations", {"category_id": 12.0}, "annotation 1 names category 12, which the file does not have"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_entry(
    root: Path, kind: str, change: dict[str, Any], match: str
) -> None:
    value = content(root)
    value[kind][0] = {k: v for k, v in {**value[kind][0], **change}.items() if v is not ...}
    save(root, value)
    assert re.match(rf"{file(root)}: .*{match}", refusal(read_annotations, root))


def test_an_entry_that_is_not_an_object_is_named(root: Path) -> None:
    value = content(root)
    save(root, {**value, "annotations": [*value["annotations"][:2], 7]})
    assert "instances_val2014.json: annotations[2] is 7, expected an object" in refusal(read_annotations, root)
    save(root, {**value, "images": 7})
    assert "instances_val2014.json: is not a complete COCO annotation file" in refusal(read_annotations, root)


def test_a_pipe_and_a_huge_file_are_refused_unread(root: Path) -> None:
    file(root).unlink()
    os.mkfifo(file(root))
    assert "expected annotations/instances_val2014.json" in refusal(read_annotations, root)
    file(root).unlink()
    with file(root).open("wb") as sparse:
        sparse.truncate(8 * 2**30)
    assert f"{file(root)}: is larger than 4096 MiB" in refusal(read_annotations, root)
