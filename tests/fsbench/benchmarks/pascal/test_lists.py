"""The shipped PASCAL-5i lists: the published bytes, the published order, and what the papers count in them."""

from __future__ import annotations

import lzma
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from fsbench.benchmarks.pascal.lists import FOLDS, PUBLISHED_SHA256, lists, official, samples, text, train, val
from fsbench.io.files import sha256_text
from tests.fsbench.benchmarks.packers import packer
from tests.refusals import refusal

pack, with_pack = packer("pack_pascal_lists")


def test_every_list_has_the_published_bytes() -> None:
    assert {name: sha256_text(text(pairs)) for name, pairs in lists().items()} == PUBLISHED_SHA256


def test_counts_are_those_of_the_papers() -> None:
    assert [len(val(fold)) for fold in FOLDS] == [346, 451, 725, 346]
    assert [len({sample for sample, _ in val(fold)}) for fold in FOLDS] == [345, 433, 587, 326]
    assert [len(train(fold, "fusioner")) for fold in FOLDS] == [2885, 3816, 6529, 2325]
    assert [len(train(fold, "hsnet")) for fold in FOLDS] == [2286, 3425, 5883, 2086]


@pytest.mark.parametrize("fold", FOLDS)
def test_order_and_classes(fold: str) -> None:
    classes = set(range(5 * int(fold), 5 * int(fold) + 5))
    assert list(val(fold)) == sorted(val(fold))
    for pairs in (train(fold, "hsnet"), train(fold, "fusioner")):
        assert list(pairs) == sorted(pairs, key=lambda pair: pair[::-1])
    for pairs in (val(fold), train(fold, "hsnet"), train(fold, "fusioner")):
        assert {class_id for _, class_id in pairs} == classes
    assert set(train(fold, "hsnet")) < set(train(fold, "fusioner"))


def test_samples() -> None:
    assert (len(samples("val")), len(samples("train")), len(official())) == (1449, 10582, 2913)
    assert list(samples("val")) == sorted(set(samples("val")))
    assert not set(samples("val")) & set(samples("train"))
    assert official() > set(samples("val"))
    listed = {sample for fold in FOLDS for sample, _ in val(fold)}
    assert listed < set(samples("val"))
    assert len(samples("val")) - len(listed) == 68
    assert {sample for fold in FOLDS for sample, _ in train(fold, "fusioner")} == set(samples("train"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: val("4"), "PASCAL-5i has no fold '4': choose one of 0, 1, 2, 3"),
        (lambda: train("x", "hsnet"), "PASCAL-5i has no fold 'x': choose one of 0, 1, 2, 3"),
        (lambda: train("0", "pfenet"), "PASCAL-5i has no variant 'pfenet': choose one of hsnet, fusioner"),  # type: ignore[arg-type]
        (lambda: samples("test"), "PASCAL-5i has no split 'test': choose one of val, train"),
    ],
)
def test_an_unknown_name_is_refused(call: Any, message: str) -> None:
    assert refusal(call) == message


@with_pack
def test_the_table_is_packed_from_the_published_files(tmp_path: Path) -> None:
    (tmp_path / "pascal-5i").mkdir()
    (tmp_path / "pascal-voc").mkdir()
    for name, pairs in lists().items():
        (tmp_path / "pascal-5i" / f"{name}.txt").write_text(text(pairs))
    voc_train = sorted(official() - set(samples("val")))
    for name, ids in (("val", samples("val")), ("voc_original_train", voc_train)):
        (tmp_path / "pascal-voc" / f"{name}.txt").write_text("".join(f"{sample}\n" for sample in ids))
    packed = resources.files("fsbench.data").joinpath("pascal-5i-lists.tsv.xz").read_bytes()
    assert len(packed) < 60_000
    assert pack().table(tmp_path) == lzma.decompress(packed).decode()
    grids = resources.files("fsbench.data").joinpath("pascal_list_grids.json").read_bytes()
    (tmp_path / "grids.json").write_bytes(grids)
    assert pack().grids(tmp_path / "grids.json").encode() == grids
    (tmp_path / "pascal-5i" / "train-fold0-hsnet.txt").write_text("2007_000999__01\n")
    with pytest.raises(AssertionError, match="no part of fusioner's"):
        pack().table(tmp_path)
