"""The shipped COCO-20i lists: the published bytes, what the papers count in them, and the order behind them."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterable
from graphlib import CycleError
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.benchmarks.coco.lists import (
    CATEGORY_IDS,
    CLASSES,
    FOLDS,
    PUBLISHED_SHA256,
    Split,
    image_order,
    pairs_of,
    published_text,
    samples,
    val,
)
from fsbench.io.files import sha256_text
from tests.fsbench.benchmarks.packers import packer
from tests.refusals import refusal

SPLITS: tuple[Split, ...] = ("val", "train")
pack, with_pack = packer("pack_coco_lists")


def shipped(split: str) -> bytes:
    return lzma.decompress(resources.files("fsbench.data").joinpath(f"coco-20i-lists.{split}.xz").read_bytes())


def read_one_by_one(packed: bytes) -> list[tuple[int, list[int]]]:
    """(image id, class ids) in order, read with no array."""
    n = packed[0] + (packed[1] << 8) + (packed[2] << 16) + (packed[3] << 24)
    marks = iter(packed[4 + 3 * n :])
    found = []
    for i in range(n):
        classes = [next(marks)]
        while classes[-1] < 128:
            classes.append(next(marks))
        classes[-1] -= 128
        found.append((packed[4 + i] + (packed[4 + n + i] << 8) + (packed[4 + 2 * n + i] << 16), classes))
    assert next(marks, None) is None
    return found


def write_lists(folder: Path, split: str, of_class: dict[int, list[int]]) -> dict[str, Path]:
    """The four lists of a split as they are published; gives fold -> file."""
    (folder / "coco-20i").mkdir()
    files = {fold: folder / "coco-20i" / f"{split}-fold{fold}.tsv.gz" for fold in FOLDS}
    for fold, file in files.items():
        kept = {c: images for c, images in of_class.items() if (c % 4 == int(fold)) == (split == "val")}
        lines = (f"{split}2014/COCO_{split}2014_{i:012d}.jpg\t{c}\n" for c, images in kept.items() for i in images)
        file.write_bytes(gzip.compress("".join(lines).encode(), compresslevel=1))
    return files


def test_every_list_has_the_published_bytes() -> None:
    assert list(PUBLISHED_SHA256) == [f"{split}-fold{fold}" for split in SPLITS for fold in FOLDS]
    assert {name: sha256_text(published_text(name)) for name in PUBLISHED_SHA256} == PUBLISHED_SHA256
    sizes = {path.name: len(path.read_bytes()) for path in resources.files("fsbench.data").iterdir() if path.is_file()}
    assert sizes["coco-20i-lists.val.xz"] + sizes["coco-20i-lists.train.xz"] < 440_000
    assert sum(sizes.values()) <= 800_000


def test_counts_are_those_of_the_papers() -> None:
    assert [len(val(fold)) for fold in FOLDS] == [35783, 17912, 14563, 14315]
    assert [len({sample for sample, _ in val(fold)}) for fold in FOLDS] == [26052, 15305, 13138, 12640]
    assert [len(pairs_of("train", range(f, 80, 4))) for f in range(4)] == [75015, 36564, 29437, 29475]
    assert [len(samples(split)) for split in SPLITS] == [39059, 79939]


def test_classes_are_cocos_in_its_order() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == len(CATEGORY_IDS) == 80
    assert (CLASSES[0], CLASSES[1], CLASSES[79]) == ("person", "bicycle", "toothbrush")
    gaps = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert list(CATEGORY_IDS) == [i for i in range(1, 91) if i not in gaps]


@pytest.mark.parametrize("split", SPLITS)
def test_pairs_of_a_fold_and_of_any_classes(split: Split) -> None:
    for fold in FOLDS:
        pairs = pairs_of(split, range(int(fold), 80, 4))
        assert list(dict.fromkeys(class_id for _, class_id in pairs)) == list(range(int(fold), 80, 4))
        assert len(set(pairs)) == len(pairs)
        assert split == "train" or val(fold) == pairs
    every = pairs_of(split, range(80))
    assert pairs_of(split, [41, 1, 41, 20]) == tuple(pair for c in (1, 20, 41) for pair in every if pair[1] == c)
    assert pairs_of(split, ()) == ()


@pytest.mark.parametrize("split", SPLITS)
def test_the_order_of_images(split: Split) -> None:
    """Every class follows it; neighbours that no class ties are in the stated order; the file reads the same."""
    order = image_order(split)
    place = {sample: i for i, sample in enumerate(order)}
    classes: dict[str, list[int]] = {}
    for sample, class_id in pairs_of(split, range(80)):
        classes.setdefault(sample, []).append(class_id)
    assert classes.keys() == place.keys()
    assert len(place) == len(order)
    assert list(samples(split)) == sorted(order)
    assert {id(sample) for sample in samples(split)} == {id(sample) for sample in order}, "one text per sample"
    for before, after in pairwise(pairs_of(split, range(80))):
        assert before[1] < after[1] or place[before[0]] < place[after[0]]
    free = [pair for pair in pairwise(order) if set(classes[pair[0]]).isdisjoint(classes[pair[1]])]
    assert all(([-c for c in classes[a]], a) < ([-c for c in classes[b]], b) for a, b in free)
    assert 0.2 < len(free) / len(classes) < 0.5
    rows = [(f"{split}2014/COCO_{split}2014_{image:012d}", ids) for image, ids in read_one_by_one(shipped(split))]
    assert tuple(sample for sample, _ in rows) == order
    assert dict(rows) == classes


def test_samples_by_image_id() -> None:
    by_id = coco_lists.sample_of_image_id()
    assert by_id[429717] == "val2014/COCO_val2014_000000429717"
    assert sorted(by_id.values()) == sorted(samples("train") + samples("val"))
    assert all(int(sample.rpartition("_")[2]) == image for image, sample in by_id.items())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: val("4"), "COCO-20i has no fold '4': choose one of 0, 1, 2, 3"),
        (lambda: samples("test"), "COCO-20i has no split 'test': choose one of val, train"),  # type: ignore[arg-type]
        (lambda: image_order("test"), "COCO-20i has no split 'test': choose one of val, train"),  # type: ignore[arg-type]
        (lambda: pairs_of("test", [0]), "COCO-20i has no split 'test': choose one of val, train"),  # type: ignore[arg-type]
        (lambda: pairs_of("val", [3, 80]), "COCO-20i has no class 80: choose class ids from 0 to 79"),
        (lambda: pairs_of("val", [-1]), "COCO-20i has no class -1: choose class ids from 0 to 79"),
        (lambda: published_text("x"), f"COCO-20i has no list 'x': choose one of {', '.join(PUBLISHED_SHA256)}"),
    ],
)
def test_an_unknown_name_is_refused(call: Callable[[], object], message: str) -> None:
    assert refusal(call) == message


@with_pack
def test_the_file_is_packed_from_the_published_lists(tmp_path: Path) -> None:
    of_class = {c: [int(sample[-12:]) for sample, _ in pairs_of("val", [c])] for c in range(80)}
    write_lists(tmp_path, "val", of_class)
    assert pack().packed(pack().read_classes(tmp_path, "val")) == shipped("val")


@with_pack
@given(
    st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=12, unique=True),
    st.lists(st.sets(st.integers(0, 11), min_size=1), min_size=1, max_size=6),
)
def test_any_lists_that_follow_one_order_survive_packing(order: list[int], members: list[set[int]]) -> None:
    classes = {c: [image for i, image in enumerate(order) if i in places] for c, places in enumerate(members)}
    classes = {c: images for c, images in classes.items() if images}
    found: dict[int, list[int]] = {}
    for image, class_ids in read_one_by_one(pack().packed(classes)) if classes else ():
        assert class_ids == sorted(class_ids)
        for class_id in class_ids:
            found.setdefault(class_id, []).append(image)
    assert found == classes


@with_pack
def test_classes_that_disagree_are_not_packed() -> None:
    with pytest.raises(CycleError):
        pack().packed({0: [1, 2], 1: [2, 3], 2: [3, 1]})


@with_pack
@pytest.mark.parametrize(
    ("altered", "message"),
    [
        (lambda lines: [lines[1], lines[0], *lines[2:]], "class 0 is not as in other folds"),
        (lambda lines: [lines[0], *lines], "class 0 holds an image twice"),
        (lambda lines: [*lines, lines[0]], "classes are not ascending"),
        (lambda lines: [*lines[:-1], lines[-1].rstrip()], "the last line has no end"),
        (lambda lines: [line for line in lines if not line.endswith("\t79\n")], "does not hold the classes"),
        (lambda lines: [line.replace("train2014/", "val2014/") for line in lines], "is not an image of train2014"),
        (lambda lines: [line.replace("\t", " ") for line in lines], "is not an image of train2014"),
    ],
)
def test_altered_lists_are_not_packed(
    altered: Callable[[list[str]], Iterable[str]], message: str, tmp_path: Path
) -> None:
    files = write_lists(tmp_path, "train", {class_id: [9, 25, 30] for class_id in range(80)})
    assert len(pack().read_classes(tmp_path, "train")) == 80
    lines = gzip.decompress(files["2"].read_bytes()).decode().splitlines(keepends=True)
    files["2"].write_bytes(gzip.compress("".join(altered(lines)).encode()))
    with pytest.raises(AssertionError, match=message):
        pack().read_classes(tmp_path, "train")
