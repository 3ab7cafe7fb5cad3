"""The shipped COCO-20i lists: the published bytes, what the papers count in them, and the order behind them."""

from __future__ import annotations

import gzip
import importlib.util
import lzma
from collections.abc import Callable
from functools import cache
from graphlib import CycleError
from importlib import resources
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbench.benchmarks.coco.lists import (
    CATEGORY_IDS,
    CLASSES,
    FOLDS,
    PUBLISHED_SHA256,
    Split,
    image_order,
    pairs_of,
    published_text,
    sample_of_image_id,
    samples,
    train,
    val,
)
from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_text
from tests import ROOT

PACK = ROOT / "tools" / "pack_coco_lists.py"
SPLITS: tuple[Split, ...] = ("val", "train")
with_pack = pytest.mark.skipif(not PACK.is_file(), reason=f"{PACK.name} is not in an installed package")


@cache
def pack() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pack_coco_lists", PACK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


@cache
def classes_of_samples(split: Split) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for sample, class_id in pairs_of(split, range(80)):
        found.setdefault(sample, []).append(class_id)
    return found


@pytest.mark.parametrize("name", PUBLISHED_SHA256)
def test_every_list_has_the_published_bytes(name: str) -> None:
    assert sha256_text(published_text(name)) == PUBLISHED_SHA256[name]


def test_the_published_lists_are_eight() -> None:
    assert list(PUBLISHED_SHA256) == [f"{split}-fold{fold}" for split in SPLITS for fold in FOLDS]
    assert len(set(PUBLISHED_SHA256.values())) == 8


def test_counts_are_those_of_the_papers() -> None:
    assert [len(val(fold)) for fold in FOLDS] == [35783, 17912, 14563, 14315]
    assert [len({sample for sample, _ in val(fold)}) for fold in FOLDS] == [26052, 15305, 13138, 12640]
    assert [len(train(fold)) for fold in FOLDS] == [75015, 36564, 29437, 29475]
    assert [len(samples(split)) for split in SPLITS] == [39059, 79939]


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fold_holds_its_own_classes_ascending_and_trains_on_the_others(fold: str) -> None:
    for pairs in (val(fold), train(fold)):
        classes = [class_id for _, class_id in pairs]
        assert classes == sorted(classes)
        assert set(classes) == set(range(int(fold), 80, 4))
        assert len(set(pairs)) == len(pairs)
    others = sorted((pair[1], i) for i, pair in enumerate(pair for f in FOLDS if f != fold for pair in train(f)))
    lines = published_text(f"train-fold{fold}").splitlines()
    assert [int(line.split("\t")[1]) for line in lines] == [class_id for class_id, _ in others]


def test_classes_are_cocos_in_its_order() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == len(CATEGORY_IDS) == 80
    assert (CLASSES[0], CLASSES[1], CLASSES[79]) == ("person", "bicycle", "toothbrush")
    gaps = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert list(CATEGORY_IDS) == [i for i in range(1, 91) if i not in gaps]


@pytest.mark.parametrize("split", SPLITS)
def test_pairs_of_any_classes(split: Split) -> None:
    of_fold = val if split == "val" else train
    for fold in FOLDS:
        assert pairs_of(split, range(int(fold), 80, 4)) == of_fold(fold)
    assert pairs_of(split, [41, 1, 41, 20]) == tuple(
        pair for fold, c in (("1", 1), ("0", 20), ("1", 41)) for pair in of_fold(fold) if pair[1] == c
    )
    assert pairs_of(split, ()) == ()
    contiguous = [pairs_of(split, range(start, start + 20)) for start in range(0, 80, 20)]
    assert tuple(pair for pairs in contiguous for pair in pairs) == pairs_of(split, range(80))


@pytest.mark.parametrize("split", SPLITS)
def test_every_class_follows_the_order_of_images(split: Split) -> None:
    place = {sample: i for i, sample in enumerate(image_order(split))}
    assert len(place) == len(image_order(split))
    assert place.keys() == classes_of_samples(split).keys()
    for before, after in pairwise(pairs_of(split, range(80))):
        assert before[1] < after[1] or place[before[0]] < place[after[0]]


@pytest.mark.parametrize("split", SPLITS)
def test_neighbours_that_may_change_places_stand_in_the_stated_order(split: Split) -> None:
    classes = classes_of_samples(split)
    free = 0
    for before, after in pairwise(image_order(split)):
        if set(classes[before]).isdisjoint(classes[after]):
            free += 1
            assert ([-c for c in classes[before]], before) < ([-c for c in classes[after]], after)
    assert 0.2 < free / len(classes) < 0.5


@pytest.mark.parametrize("split", SPLITS)
def test_samples(split: Split) -> None:
    assert list(samples(split)) == sorted(set(image_order(split)))
    assert all(
        sample.startswith(f"{split}2014/COCO_{split}2014_0") and len(sample) in (33, 37) for sample in samples(split)
    )
    shared = {id(sample) for sample in image_order(split)}
    assert {id(sample) for sample, _ in pairs_of(split, range(80))} == shared
    assert {id(sample) for sample in samples(split)} == shared


def test_samples_by_image_id() -> None:
    by_id = sample_of_image_id()
    assert by_id[429717] == "val2014/COCO_val2014_000000429717"
    assert sorted(by_id.values()) == sorted(samples("train") + samples("val"))
    assert all(int(sample.rpartition("_")[2]) == image for image, sample in by_id.items())


@pytest.mark.parametrize("split", SPLITS)
def test_the_packed_file_reads_the_same_one_by_one(split: Split) -> None:
    rows = [
        (f"{split}2014/COCO_{split}2014_{image:012d}", classes) for image, classes in read_one_by_one(shipped(split))
    ]
    assert tuple(sample for sample, _ in rows) == image_order(split)
    assert dict(rows) == classes_of_samples(split)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: val("4"), "COCO-20i has no fold '4': choose one of 0, 1, 2, 3"),
        (lambda: train("x"), "COCO-20i has no fold 'x': choose one of 0, 1, 2, 3"),
        (lambda: samples("test"), "COCO-20i has no split 'test': choose one of val, train"),  # type: ignore[arg-type]
        (lambda: image_order("test"), "COCO-20i has no split 'test': choose one of val, train"),  # type: ignore[arg-type]
        (lambda: pairs_of("test", [0]), "COCO-20i has no split 'test': choose one of val, train"),  # type: ignore[arg-type]
        (lambda: pairs_of("val", [3, 80]), "COCO-20i has no class 80: choose class ids from 0 to 79"),
        (lambda: pairs_of("val", [-1]), "COCO-20i has no class -1: choose class ids from 0 to 79"),
        (
            lambda: published_text("val-fold4"),
            f"COCO-20i has no list 'val-fold4': choose one of {', '.join(PUBLISHED_SHA256)}",
        ),
    ],
)
def test_what_is_not_there_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(FsbenchError) as caught:
        call()
    assert str(caught.value) == message


def test_the_shipped_lists_are_small() -> None:
    sizes = {path.name: len(path.read_bytes()) for path in resources.files("fsbench.data").iterdir() if path.is_file()}
    assert sizes["coco-20i-lists.val.xz"] + sizes["coco-20i-lists.train.xz"] < 440_000
    assert sum(sizes.values()) <= 800_000


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the published lists come."""
    folder = tmp_path_factory.mktemp("lists")
    (folder / "coco-20i").mkdir()
    for name in PUBLISHED_SHA256:
        packed = gzip.compress(published_text(name).encode(), compresslevel=1)
        (folder / "coco-20i" / f"{name}.tsv.gz").write_bytes(packed)
    return folder


@with_pack
@pytest.mark.parametrize("split", SPLITS)
def test_the_file_is_packed_from_the_published_lists(split: Split, published: Path) -> None:
    assert pack().packed(pack().read_classes(published, split)) == shipped(split)


@with_pack
@given(
    st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=12, unique=True),
    st.lists(st.sets(st.integers(0, 11), min_size=1), min_size=1, max_size=6),
)
def test_any_lists_that_follow_one_order_survive_packing(order: list[int], members: list[set[int]]) -> None:
    classes = {
        class_id: images
        for class_id, chosen in enumerate(members)
        if (images := [image for i, image in enumerate(order) if i in chosen])
    }
    found: dict[int, list[int]] = {}
    if classes:
        for image, class_ids in read_one_by_one(pack().packed(classes)):
            assert class_ids == sorted(class_ids)
            for class_id in class_ids:
                found.setdefault(class_id, []).append(image)
    assert found == classes


@with_pack
def test_classes_that_disagree_are_not_packed() -> None:
    with pytest.raises(CycleError):
        pack().packed({0: [1, 2], 1: [2, 3], 2: [3, 1]})


SAMPLE = "train2014/COCO_train2014_000000000009.jpg"


@with_pack
@pytest.mark.parametrize(
    ("altered", "message"),
    [
        (lambda lines: [lines[1], lines[0], *lines[2:]], "class 0 is not as in other folds"),
        (lambda lines: [lines[0], *lines], "class 0 holds an image twice"),
        (lambda lines: [*lines, f"{SAMPLE}\t0\n"], "classes are not ascending"),
        (lambda lines: [*lines[:-1], f"{SAMPLE}\t79"], "the last line has no end"),
        (lambda lines: [line for line in lines if not line.endswith("\t79\n")], "does not hold the classes"),
        (lambda lines: [line.replace("train2014/", "val2014/") for line in lines], "is not an image of train2014"),
        (lambda lines: [line.replace("\t", " ") for line in lines], "is not an image of train2014"),
    ],
)
def test_altered_lists_are_not_packed(
    altered: Callable[[list[str]], list[str]], message: str, published: Path, tmp_path: Path
) -> None:
    (tmp_path / "coco-20i").mkdir()
    for fold in FOLDS:
        name = f"train-fold{fold}.tsv.gz"
        (tmp_path / "coco-20i" / name).write_bytes((published / "coco-20i" / name).read_bytes())
    lines = published_text("train-fold2").splitlines(keepends=True)
    (tmp_path / "coco-20i" / "train-fold2.tsv.gz").write_bytes(gzip.compress("".join(altered(lines)).encode(), 1))
    with pytest.raises(AssertionError, match=message):
        pack().read_classes(tmp_path, "train")
