"""The shipped lists against the published files, and facts about the 12031 real masks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal.list_rule import LabelMap, listed_classes
from fsbench.benchmarks.pascal.lists import Split
from fsbench.benchmarks.pascal.voc import find_masks, find_voc
from fsbench.io.images import image_size, jpeg_is_whole, read_image
from fsbench.io.label_maps import read_label_areas


class MaskFacts(NamedTuple):
    name: str
    split: Split
    areas: dict[int, int]
    listed: tuple[int, ...]
    without_tie_breaks: tuple[int, ...]


@pytest.fixture(scope="module")
def masks(voc_root: Path) -> list[MaskFacts]:
    """What is asserted of the 12031 masks, each decoded once."""
    folders = find_masks(voc_root)

    def facts(sample: tuple[str, Split]) -> MaskFacts:
        name, split = sample
        label_map, areas = read_label_areas(folders.mask_path(name))
        return MaskFacts(name, split, areas, listed_classes(label_map, split), sampled_classes(label_map))

    splits: tuple[Split, ...] = ("val", "train")
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(facts, [(name, split) for split in splits for name in pascal_lists.samples(split)]))


def sampled_classes(label_map: LabelMap) -> tuple[int, ...]:
    """The rule without tie-breaks: each cell's second row and column."""
    cells = np.bincount(label_map[1::32, 1::32].reshape(-1), minlength=21)
    return tuple(np.flatnonzero(cells[1:21] > 2).tolist())


def test_shipped_lists_are_the_published_files(published_lists: Path) -> None:
    """That all twelve follow from the masks, ``verify`` proves: see ``test_pascal5i_real``."""
    for name in pascal_lists.PUBLISHED_SHA256:
        published = (published_lists / "pascal-5i" / f"{name}.txt").read_text()
        assert pascal_lists.text(pascal_lists.lists()[name]) == published


def test_samples_are_those_of_voc(published_lists: Path, voc_root: Path) -> None:
    voc = published_lists / "pascal-voc"
    val, train = ((voc / f"{name}.txt").read_text().split() for name in ("val", "voc_original_train"))
    assert list(pascal_lists.samples("val")) == val
    assert pascal_lists.official() == set(val) | set(train)
    masks = {path.stem for path in (voc_root / "SegmentationClassAug").iterdir()}
    assert masks == set(pascal_lists.samples("val")) | set(pascal_lists.samples("train"))


@pytest.mark.long
def test_without_the_tie_breaks_the_lists_differ_as_reported(masks: list[MaskFacts]) -> None:
    for split, wrong, tested in (("val", 8, 2148), ("train", 102, 15555)):
        of_split = [mask for mask in masks if mask.split == split]
        assert sum(len(set(mask.listed) ^ set(mask.without_tie_breaks)) for mask in of_split) == wrong
        assert sum(1 <= label <= 20 for mask in of_split for label in mask.areas) == tested


@pytest.mark.long
def test_void_tells_the_masks_of_voc_from_those_of_sbd(masks: list[MaskFacts]) -> None:
    with_void = {mask.name for mask in masks if 255 in mask.areas}
    assert with_void == pascal_lists.official()
    assert (len(with_void), len(masks) - len(with_void)) == (2913, 9118)


def test_photographs_are_whole_and_as_large_as_their_masks(voc_root: Path) -> None:
    photographs = sorted((voc_root / "JPEGImages").glob("*.jpg"))
    folders = find_masks(find_voc(voc_root.parent.parent))
    for path in photographs:
        assert jpeg_is_whole(path.read_bytes())
        assert image_size(path) == image_size(folders.mask_path(path.stem))
    assert len(photographs) == 1203
    image = read_image(photographs[0])
    assert image.shape == (*image_size(photographs[0]), 3)
