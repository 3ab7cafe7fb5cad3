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


@pytest.mark.parametrize("split", ["val", "train"])
def test_classes_are_those_of_the_annotations(split: str, shared_data: Path) -> None:
    annotations = json.loads((shared_data / "coco" / "annotations" / f"instances_{split}2017.json").read_bytes())
    categories = sorted((category["id"], category["name"]) for category in annotations["categories"])
    assert categories == list(zip(CATEGORY_IDS, CLASSES, strict=True))


def test_image_ids_lead_from_the_names_of_2017_to_the_samples(shared_data: Path) -> None:
    rows = (shared_data / "coco" / "map_2017_to_2014.tsv").read_text(encoding="utf-8").splitlines()
    names = dict(row.split("\t") for row in rows)
    listed = 0
    for of_2017, of_2014 in names.items():
        sample = sample_of_image_id().get(int(Path(of_2017).stem))
        if sample is not None:
            assert f"{sample}.jpg" == of_2014
            listed += 1
    assert (len(names), listed) == (275, 268)
