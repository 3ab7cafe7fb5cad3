"""Masks as RLE, decoded: the same pixels as pycocotools', and nothing made of damaged runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from pycocotools import _mask as coco

from fsbench.errors import FsbenchError
from fsbench.index.rle import decode_rle
from fsbench.index.rle_masks import FILE, MaskRow, MaskTable, write_mask_table
from fsbench.io.files import sha256_file

Mask = npt.NDArray[np.uint8]


def encoded(mask: Mask) -> bytes:
    rle: bytes = coco.encode(np.asfortranarray(mask[:, :, None]))[0]["counts"]
    return rle


def plain(rle: bytes, size: tuple[int, int]) -> Mask:
    decoded: Mask = coco.decode([{"size": list(size), "counts": rle}])[:, :, 0]
    return decoded


def blobs(seed: int, height: int, width: int) -> Mask:
    """Rectangles, so that runs are long."""
    random = np.random.RandomState(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(random.randint(0, 9)):
        y, x = random.randint(height), random.randint(width)
        mask[y : y + random.randint(1, height + 1), x : x + random.randint(1, width + 1)] ^= 1
    return mask


any_mask = st.one_of(
    arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)),
    st.builds(blobs, st.integers(0, 2**32 - 1), st.integers(1, 700), st.integers(1, 700)),
    st.builds(lambda h, w, v: np.full((h, w), v, np.uint8), *[st.integers(1, 2000)] * 2, st.integers(0, 1)),
)


@given(any_mask)
def test_the_mask_that_pycocotools_decodes(mask: Mask) -> None:
    rle, size = encoded(mask), (mask.shape[0], mask.shape[1])
    ours = decode_rle(rle, size)
    assert ours.dtype == np.uint8
    assert ours.flags.c_contiguous
    assert ours.flags.writeable
    assert np.array_equal(ours, mask)
    assert np.array_equal(ours, plain(rle, size))


def test_runs_of_every_number_of_digits() -> None:
    """Empty runs in the middle too, which our own masks never have."""
    runs = [0, 1, 15, 16, 0, 511, 512, 0, 0, 16383, 16384, 2, 524_288, 70_000, 1]
    rle = coco.frPyObjects([{"size": [sum(runs), 1], "counts": runs}], sum(runs), 1)[0]["counts"]
    size = (sum(runs), 1)
    assert np.array_equal(decode_rle(rle, size), plain(rle, size))


@given(st.one_of(st.binary(max_size=12), st.binary(max_size=12).map(lambda b: bytes(48 + c % 64 for c in b))))
def test_any_bytes_are_a_mask_or_refused(rle: bytes) -> None:
    size = (3, 4)
    try:
        ours = decode_rle(rle, size)
    except ValueError:
        return
    assert np.array_equal(ours, plain(rle, size))


@pytest.mark.parametrize("rle", [b"", b"T", b"5T", b"/5", b"57p", b"PPPPPPPPPP0", b"<N>", b":", b">"])
def test_damaged_runs_are_refused(rle: bytes) -> None:
    with pytest.raises(ValueError, match=r"it is no RLE|its runs have another sum"):
        decode_rle(rle, (3, 4))


def table_of(folder: Path, mask: Mask, void: Mask | None, **changed: Any) -> MaskTable:
    rles = (encoded(mask), None if void is None else encoded(void))
    write_mask_table(folder, [MaskRow("s", 3, *mask.shape, int(mask.sum()), *rles)._replace(**changed)])
    return MaskTable(folder, sha256_file(folder / FILE))


def test_void_is_255_where_the_mask_is_not_true(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    mask, void = random.randint(0, 2, (2, 37, 50)).astype(np.uint8)
    expected = mask.copy()
    expected[(void == 1) & (mask == 0)] = 255
    for voids, truth in ((void, expected), (None, mask)):
        table = table_of(tmp_path, mask, voids)
        assert np.array_equal(table.truth("s", 3, (37, 50)), truth)
    assert not table.truth("s", 4, (37, 50)).any()


def test_a_mask_that_is_damaged_or_of_another_size_is_named(tmp_path: Path) -> None:
    mask = np.ones((8, 9), np.uint8)
    with pytest.raises(FsbenchError, match=r"the mask of s does not fill 9 x 9 pixels .*: build the benchmark again"):
        table_of(tmp_path, mask, None).truth("s", 3, (9, 9))
    with pytest.raises(FsbenchError, match=r"the mask of s does not fill 8 x 9 pixels \(it is no RLE\)"):
        table_of(tmp_path, mask, None, rle=b"T").truth("s", 3, (8, 9))
