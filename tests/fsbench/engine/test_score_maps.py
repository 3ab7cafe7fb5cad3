"""Resizing of scores: the same bits everywhere, so the same masks on any device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from fsbench.engine.score_maps import _pack_bits, resize_bilinear, score_labels, score_masks

SIDES = st.integers(1, 40)


def naive(scores: npt.NDArray[Any], target: tuple[int, int]) -> npt.NDArray[Any]:
    """Pixel by pixel, every operation rounded on its own: what IEEE 754 gives on any machine."""
    real = scores.dtype.type
    half, none, one = real(0.5), real(0), real(1)

    def places(size: int, wanted: int) -> list[tuple[int, int, Any]]:
        scale = real(size) / real(wanted)
        found = []
        for place in range(wanted):
            at = max((real(place) + half) * scale - half, none)
            before = min(int(at), size - 1)
            found.append((before, min(before + 1, size - 1), min(max(at - real(before), none), one)))
        return found

    planes, height, width = scores.shape
    rows, columns = places(height, target[0]), places(width, target[1])
    out = np.empty((planes, *target), scores.dtype)
    for plane in range(planes):
        for y, (top, bottom, down) in enumerate(rows):
            for x, (left, right, over) in enumerate(columns):
                if width == target[1]:
                    upper, lower = scores[plane, top, x], scores[plane, bottom, x]
                else:
                    upper = scores[plane, top, left] * (one - over) + scores[plane, top, right] * over
                    lower = scores[plane, bottom, left] * (one - over) + scores[plane, bottom, right] * over
                out[plane, y, x] = upper if height == target[0] else upper * (one - down) + lower * down
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.tuples(SIDES, SIDES),
    st.tuples(SIDES, SIDES),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32 - 1),
)
def test_every_bit_is_that_of_the_spelled_out_rule(
    planes: int, size: tuple[int, int], target: tuple[int, int], kind: Any, seed: int
) -> None:
    scores = np.random.RandomState(seed).standard_normal((planes, *size)).astype(kind)
    got = resize_bilinear(torch.from_numpy(scores.copy()), target).numpy()
    np.testing.assert_array_equal(got, naive(scores, target))


@pytest.mark.parametrize(
    ("size", "target"),
    [((50, 50), (400, 400)), ((32, 43), (375, 500)), ((500, 375), (400, 400)), ((63, 63), (473, 473))],
)
def test_it_is_torchs_bilinear_rule(size: tuple[int, int], target: tuple[int, int]) -> None:
    scores = torch.randn(2, *size, generator=torch.Generator().manual_seed(0))
    theirs = interpolate(scores[None], target, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(resize_bilinear(scores, target), theirs, rtol=0, atol=1e-4)
    assert int((score_masks(scores, target) != (theirs > 0).numpy()).sum()) <= 2, "of 300,000 pixels"


@settings(max_examples=50, deadline=None)
@given(st.tuples(st.integers(1, 3), SIDES, SIDES), st.integers(0, 2**32 - 1))
def test_bits_come_back_as_they_were(shape: tuple[int, int, int], seed: int) -> None:
    above = np.random.RandomState(seed).rand(*shape) < 0.5
    packed = _pack_bits(torch.from_numpy(above)).numpy()
    np.testing.assert_array_equal(packed, np.packbits(above))


def test_labels_are_the_first_of_the_largest() -> None:
    scores = torch.tensor([[0.0, 1, 2, -1, 3, 3]] * 4).T.reshape(6, 2, 2).contiguous()
    scores[4, 0, 0] = scores[5, 0, 0] = 0.5
    np.testing.assert_array_equal(score_labels(scores, (2, 2)), [[3, 5], [5, 5]])
    np.testing.assert_array_equal(score_labels(-scores.abs(), (2, 2)), np.zeros((2, 2)))
