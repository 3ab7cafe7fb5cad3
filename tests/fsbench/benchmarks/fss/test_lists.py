"""The shipped FSS-1000 lists: the published bytes, the ids that go by byte order, and the words shown to models."""

from __future__ import annotations

import lzma
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from fsbench.benchmarks.fss.lists import LISTS, PUBLISHED_SHA256, all_keys, class_ids, class_keys, published_text
from fsbench.benchmarks.fss.names import MENDED, plain_name
from fsbench.io.files import sha256_text
from tests.fsbench.benchmarks.packers import packer
from tests.refusals import refusal

pack, with_pack = packer("pack_fss_lists")


def test_every_list_has_the_published_bytes() -> None:
    assert {name: sha256_text(published_text(name)) for name in LISTS} == PUBLISHED_SHA256


def test_ids_go_by_byte_order_within_each_list() -> None:
    expected: list[str] = []
    for name in LISTS:
        assert class_ids(name)[0] == len(expected)
        expected += [line.decode() for line in sorted(published_text(name).encode().splitlines())]
        assert class_ids(name) == tuple(range(class_ids(name)[0], len(expected)))
    assert list(all_keys()) == expected
    assert len(set(all_keys())) == 1000
    assert [class_ids(name)[0] for name in LISTS] == [0, 520, 760]


@pytest.mark.parametrize("call", [published_text, class_keys, class_ids])
def test_an_unknown_list_is_refused(call: Any) -> None:
    assert refusal(call, "trn") == "FSS-1000 has no list 'trn': choose one of train, val, test"


def test_names_are_words_and_only_misspelt_ones_are_mended() -> None:
    assert plain_name("flat-coated_retriever") == "flat-coated retriever"
    names = [plain_name(key) for key in all_keys()]
    assert len(set(names)) == 1000
    assert not any("_" in name or name != name.strip() for name in names)
    assert set(MENDED) < set(all_keys())
    assert len(MENDED) < 30
    for key, name in MENDED.items():
        assert 0 < edits(key.replace("_", " "), name) <= 3, f"{key}: {name} is another name"


def edits(one: str, other: str) -> int:
    """How many letters to add, drop or change."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, another in enumerate(other, start=1):
            before, row[j] = row[j], min(before + (letter != another), row[j] + 1, row[j - 1] + 1)
    return row[-1]


@with_pack
def test_the_file_is_packed_from_the_published_lists(tmp_path: Path) -> None:
    (tmp_path / "fss-1000").mkdir()
    for name in LISTS:
        (tmp_path / "fss-1000" / f"{name}.txt").write_bytes(published_text(name).encode())
    shipped = resources.files("fsbench.data").joinpath("fss-1000-lists.txt.xz").read_bytes()
    assert len(shipped) < 8_000
    assert pack().packed_text(tmp_path) == lzma.decompress(shipped).decode()
    (tmp_path / "fss-1000" / "val.txt").write_text("bus\n" * 240)
    with pytest.raises(AssertionError, match="val: not 240 different names"):
        pack().packed_text(tmp_path)
