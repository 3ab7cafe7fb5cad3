"""The shipped COCO-20i lists against the published files, and against COCO's own annotations."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from fsbench.benchmarks.coco.lists import CATEGORY_IDS, CLASSES, PUBLISHED_SHA256, published_text, sample_of_image_id


@pytest.mark.parametrize("name", PUBLISHED_SHA256)
def test_shipped_lists_are_the_published_files(name: str, published_lists: Path) -> None:
    published = gzip.decompress((published_lists / "coco-20i" / f"{name}.tsv.gz").read_bytes())
    assert published_text(name).encode() == published


def test_classes_and_image_ids_are_those_of_the_annotations(shared_data: Path) -> None:
    for split in ("val", "train"):
        annotations = json.loads((shared_data / "coco" / "annotations" / f"instances_{split}2017.json").read_bytes())
        categories = sorted((category["id"], category["name"]) for category in annotations["categories"])
        assert categories == list(zip(CATEGORY_IDS, CLASSES, strict=True))
    rows = (shared_data / "coco" / "map_2017_to_2014.tsv").read_text(encoding="utf-8").splitlines()
    names = dict(row.split("\t") for row in rows)
    samples = {name: sample_of_image_id().get(int(Path(name).stem)) for name in names}
    listed = {name: f"{sample}.jpg" for name, sample in samples.items() if sample is not None}
    assert listed.items() <= names.items()
    assert (len(names), len(listed)) == (275, 268)
