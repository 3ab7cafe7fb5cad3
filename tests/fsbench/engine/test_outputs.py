"""From answers to masks: against torch's own resizing, and against bilinear interpolation in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from torch.nn.functional import interpolate

from fsbench.engine.outputs import BadAnswerError, as_masks, read_answer
from fsbench.io.resize import Size, resize_nearest
from fsbench.records.score_stats import ScoreStats

SQUARES = (224, 400, 417, 473, 480, 518)
LARGEST = 700
FLOAT32_DIFFERS = {224: (21, 58), 400: (29, 80), 417: (13, 26), 473: (8, 54), 480: (24, 94), 518: (17, 79)}
"""Square -> how many sizes from 1 to 700, and how many (size, index) in all, have another source pixel than the
exact floor(i * size / square), because torch multiplies by a float32 scale. VOC's 500 at 480 is one of them."""

sides = st.integers(1, 60)
sizes = st.tuples(sides, sides)


def torch_nearest(array: npt.NDArray[Any], target: Size) -> npt.NDArray[Any]:
    as_float = torch.from_numpy(array.astype(np.float32))
    resized: npt.NDArray[Any] = interpolate(as_float[None], target, mode="nearest")[0].numpy().astype(array.dtype)
    return resized


@pytest.mark.parametrize("square", SQUARES)
def test_nearest_takes_the_pixels_that_torch_takes(square: int) -> None:
    differing = indices = 0
    for size in range(1, LARGEST + 1):
        numbers = np.arange(size)
        ours = resize_nearest(numbers[None], (1, square))[0]
        torchs = interpolate(torch.from_numpy(numbers).float()[None, None], square, mode="nearest")[0, 0]
        assert np.array_equal(ours, torchs.numpy()), size
        assert np.array_equal(ours, resize_nearest(numbers[:, None], (square, 1))[:, 0]), size
        off = ours - np.arange(square) * size // square
        assert set(off.tolist()) <= {0, -1}, size
        differing += bool(off.any())
        indices -= int(off.sum())
    assert (differing, indices) == FLOAT32_DIFFERS[square]


@given(st.data(), st.integers(1, 3), sizes, sizes)
def test_nearest_in_two_dimensions_is_torchs(data: st.DataObject, layers: int, size: Size, target: Size) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    array = np.random.RandomState(seed).choice(np.array([0, 1, 255], dtype=np.uint8), (layers, *size))
    resized = resize_nearest(array, target)
    assert resized.dtype == np.uint8
    assert np.array_equal(resized, torch_nearest(array, target))
    assert np.array_equal(resize_nearest(array[0], target), resized[0])
    turned = resize_nearest(array.transpose(0, 2, 1)[:, ::-1], target)
    assert np.array_equal(turned, torch_nearest(array.transpose(0, 2, 1)[:, ::-1].copy(), target))


def exact_bilinear(scores: list[list[int]], target: Size) -> list[list[Fraction]]:
    """Pixel centres at halves, edges repeated: what align_corners=False means, without rounding."""

    def weights(size: int, wanted: int) -> list[list[tuple[int, Fraction]]]:
        rows = []
        for i in range(wanted):
            place = max(Fraction(0), (i + Fraction(1, 2)) * size / wanted - Fraction(1, 2))
            low = floor(place)
            rows.append([(low, 1 - place + low), (min(low + 1, size - 1), place - low)])
        return rows

    rows, columns = weights(len(scores), target[0]), weights(len(scores[0]), target[1])
    return [
        [sum((a * b * scores[y][x] for y, a in row for x, b in column), Fraction(0)) for column in columns]
        for row in rows
    ]


powers = st.sampled_from([1, 2, 4, 8, 16])


@settings(deadline=None)
@given(st.data(), st.integers(1, 3), st.tuples(powers, powers), st.tuples(powers, powers))
def test_scores_are_resized_bilinearly_and_then_thresholded(
    data: st.DataObject, prompts: int, size: Size, target: Size
) -> None:
    """At powers of two, float32 is exact for small whole scores: a score of exactly 0 must be background."""
    values = st.integers(-3, 3)
    scores = data.draw(
        st.lists(
            st.lists(st.lists(values, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]),
            min_size=prompts,
            max_size=prompts,
        )
    )
    masks = as_masks(torch.tensor(scores, dtype=torch.float32), prompts, (5, 7), target)
    assert masks.dtype == np.bool_
    assert masks.tolist() == [[[v > 0 for v in row] for row in exact_bilinear(of_one, target)] for of_one in scores]


def test_a_bool_mask_is_never_blended_but_the_same_mask_as_scores_is() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 1, 1] = True
    nearest = as_masks(mask, 1, (4, 4), (8, 8))
    assert nearest.sum() == 4
    assert nearest[0, 2:4, 2:4].all()
    blended = as_masks(mask.float(), 1, (4, 4), (8, 8))
    assert blended.sum() == 16
    assert blended[0, 1:5, 1:5].all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), sizes, sizes)
def test_bool_masks_are_resized_by_nearest_neighbour(seed: int, prompts: int, own: Size, target: Size) -> None:
    mask = np.random.RandomState(seed).rand(prompts, *own) > 0.5
    assert np.array_equal(as_masks(torch.from_numpy(mask), prompts, own, target), torch_nearest(mask, target))
    there = np.random.RandomState(seed).rand(prompts, *target) > 0.5
    assert np.array_equal(as_masks(torch.from_numpy(there), prompts, own, target), there)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scores_of_any_float_type_are_accepted(dtype: torch.dtype) -> None:
    scores = torch.tensor([[[-1.5, 0.0], [2.0**-14, 3.0]]], dtype=dtype)
    assert as_masks(scores, 1, (9, 9), (2, 2)).tolist() == [[[False, False], [True, True]]]
    larger = as_masks(scores, 1, (9, 9), (4, 4))
    assert np.array_equal(larger, as_masks(scores.float(), 1, (9, 9), (4, 4)))
    assert larger.shape == (1, 4, 4)


def test_the_sign_and_size_of_a_double_are_kept() -> None:
    scores = torch.tensor([[[1e-60, -1e-60], [1e60, -1e60]]], dtype=torch.float64)
    assert as_masks(scores, 1, (9, 9), (2, 2)).tolist() == [[[True, False], [True, False]]]
    assert as_masks(scores[:, :, :1], 1, (9, 9), (4, 4)).all()


def test_scores_may_be_views_and_need_gradients() -> None:
    base = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(1))
    for view in (base.permute(2, 1, 0), base.permute(2, 0, 1)[:, ::2], base[:1, :1, :1].expand(3, 4, 4)):
        assert not view.is_contiguous()
        plain = as_masks(view.clone(memory_format=torch.contiguous_format), 3, (4, 4), (7, 9))
        assert np.array_equal(as_masks(view, 3, (4, 4), (7, 9)), plain)
        assert np.array_equal(as_masks(view.detach().requires_grad_(), 3, (4, 4), (7, 9)), plain)
        own = (view.shape[1], view.shape[2])
        assert np.array_equal(as_masks(view > 0, 3, own, own), (view > 0).numpy())
    leaf = torch.ones(1, 2, 2, requires_grad=True)
    assert as_masks(leaf * 2, 1, (2, 2), (2, 2)).all()


OWN, SQUARE = (6, 9), (4, 4)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "got NoneType, expected a torch.Tensor or a numpy array"),
        ([torch.zeros(6, 9)], "got list, expected a torch.Tensor or a numpy array"),
        (np.ma.zeros((2, 6, 9)), "got MaskedArray, expected a torch.Tensor or a numpy array"),
        (np.zeros((6, 9)), "got shape (6, 9), expected (2, height, width)"),
        (torch.zeros(1, 2, 6, 9), "got shape (1, 2, 6, 9), expected (2, height, width)"),
        (torch.tensor(1.0), "got shape (), expected (2, height, width)"),
        (torch.zeros(1, 6, 9), "got shape (1, 6, 9), expected (2, height, width)"),
        (torch.zeros(3, 6, 9, dtype=torch.bool), "got shape (3, 6, 9), expected (2, height, width)"),
        (torch.zeros(2, 0, 9), "got shape (2, 0, 9), expected (2, height, width)"),
        (torch.zeros(2, 6, 9, dtype=torch.complex64), "got dtype torch.complex64, expected float scores, or a mask"),
        (np.zeros((2, 6, 9), complex), "got dtype complex128, expected float scores, or a mask of bools or of 0 and 1"),
        (np.zeros((2, 6, 9), object), "got dtype object, expected float scores, or a mask of bools or of 0 and 1"),
        (
            np.full((2, 6, 9), 255, np.uint8),
            "got integers from 255 to 255, expected a mask of 0 and 1, or float scores",
        ),
        (torch.arange(108).reshape(2, 6, 9) - 7, "got integers from -7 to 100, expected a mask of 0 and 1, or float"),
        (-np.ones((2, 6, 9), ">i4"), "got integers from -1 to -1, expected a mask of 0 and 1, or float scores: answer"),
        (np.zeros((2, 9, 6), bool), "got a bool mask of 2 x 9 x 6, expected 2 x 6 x 9 or 2 x 4 x 4"),
        (np.ones((2, 9, 6), int), "got an integer mask of 2 x 9 x 6, expected 2 x 6 x 9 or 2 x 4 x 4"),
        (torch.zeros(2, 4, 9, dtype=torch.uint8), "got an integer mask of 2 x 4 x 9, expected 2 x 6 x 9 or 2 x 4 x 4"),
        (np.full((2, 6, 9), -np.inf, np.float16), "got NaN or infinite scores, expected finite ones"),
        (np.full((2, 6, 9), 2, np.longdouble) ** 16000, "got NaN or infinite scores, expected finite ones"),
    ],
)
def test_invalid_answers_are_refused(answer: object, message: str) -> None:
    with pytest.raises(BadAnswerError) as caught:
        as_masks(answer, 2, OWN, SQUARE)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_one_bad_score_among_many_is_refused() -> None:
    for bad in (torch.nan, torch.inf, -torch.inf):
        scores = torch.zeros(2, 6, 9)
        scores[1, 5, 8] = bad
        for target in (OWN, SQUARE):
            with pytest.raises(BadAnswerError, match="NaN or infinite"):
                as_masks(scores, 2, OWN, target)


def test_the_message_gives_equal_sizes_once() -> None:
    with pytest.raises(BadAnswerError) as caught:
        as_masks(torch.zeros(1, 9, 6, dtype=torch.bool), 1, OWN, OWN)
    assert str(caught.value) == "got a bool mask of 1 x 9 x 6, expected 1 x 6 x 9"


INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
FLOATS = [np.float16, np.float32, np.float64, np.longdouble]


def laid_out(array: npt.NDArray[Any], layout: str) -> npt.NDArray[Any]:
    """The same values, laid out in memory as models leave them."""
    if layout == "read-only":
        array = array.copy()
        array.setflags(write=False)
        return array
    if layout == "foreign byte order":
        return array.astype(array.dtype.newbyteorder(">"))
    return {
        "contiguous": array,
        "Fortran order": np.asfortranarray(array),
        "negative strides": array[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
        "every other column": array.repeat(2, axis=2)[:, :, ::2],
    }[layout]


LAYOUTS = ["contiguous", "Fortran order", "negative strides", "every other column", "read-only", "foreign byte order"]


@pytest.mark.filterwarnings("error")
@given(st.integers(0, 2**32 - 1), st.sampled_from(LAYOUTS), st.sampled_from(FLOATS), st.integers(1, 3), sizes, sizes)
def test_numpy_scores_are_taken_as_torchs(
    seed: int, layout: str, dtype: Any, prompts: int, size: Size, target: Size
) -> None:
    scores = np.random.RandomState(seed).randn(prompts, *size).astype(dtype)
    as_torch = torch.from_numpy(scores.astype(np.float64 if scores.itemsize > 4 else np.float32))
    given = laid_out(scores, layout)
    assert np.array_equal(as_masks(given, prompts, (61, 61), target), as_masks(as_torch, prompts, (61, 61), target))
    assert np.array_equal(
        read_answer(given, prompts, (61, 61), target).labels(),
        read_answer(as_torch, prompts, (61, 61), target).labels(),
    )


@pytest.mark.filterwarnings("error")
@given(st.integers(0, 2**32 - 1), st.sampled_from(LAYOUTS), st.sampled_from([bool, *INTEGERS]), sizes, sizes)
def test_integer_masks_are_taken_as_bool_masks(seed: int, layout: str, dtype: Any, own: Size, target: Size) -> None:
    mask = np.random.RandomState(seed).rand(2, *own) > 0.5
    expected = torch_nearest(mask, target)
    given = laid_out(mask.astype(dtype), layout)
    assert np.array_equal(as_masks(given, 2, own, target), expected)
    assert np.array_equal(as_masks(torch.from_numpy(mask.astype(dtype)), 2, own, target), expected)
    assert np.array_equal(
        read_answer(given, 2, own, target).labels(), read_answer(torch.from_numpy(mask), 2, own, target).labels()
    )
    assert as_masks(given, 2, own, target).dtype == np.bool_
    assert read_answer(given, 2, own, target).stats == ScoreStats()


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, bool, *INTEGERS, *FLOATS])
@pytest.mark.parametrize("target", [(4, 4), (8, 8)])
def test_a_model_may_reuse_its_answer(dtype: Any, target: Size) -> None:
    """Worker threads count masks while the model continues: overwriting its buffer must not change them."""
    answer = torch.ones(1, 4, 4, dtype=dtype) if isinstance(dtype, torch.dtype) else np.ones((1, 4, 4), dtype)
    masks = as_masks(answer, 1, (4, 4), target)
    answer[:] = 0
    assert masks.all()


@pytest.mark.parametrize(
    ("scores", "stats", "probabilities"),
    [
        (torch.tensor([0.1, 0.9]).sigmoid(), ScoreStats(2, 2, False), True),
        (torch.tensor([0.0, 1e-7, 0.5, 1.0, 0.2]), ScoreStats(5, 3, False), True),
        (torch.tensor([0.0, 1.0, 1.0]), ScoreStats(3, 0, False), False),  # a mask as floats
        (torch.tensor([0.0, 0.0, 0.5, 1.0]), ScoreStats(4, 1, False), False),  # a blurred one
        (torch.tensor([-0.2, 0.3, -0.4, 0.1]).relu(), ScoreStats(4, 2, False), False),  # rectified: half is background
        (torch.tensor([0.5, 0.5, 1.5]), ScoreStats(3, 0, True), False),
        (torch.tensor([0.5, 0.5, -1e-30]), ScoreStats(3, 0, True), False),
        (torch.tensor([0.5, -0.0]).double(), ScoreStats(2, 1, False), False),
        (torch.tensor([0.25, 0.75]).bfloat16(), ScoreStats(2, 2, False), True),
        (torch.tensor([True, False]), ScoreStats(), False),
        (torch.tensor([1, 0]), ScoreStats(), False),
    ],
)
def test_statistics_of_scores(scores: torch.Tensor, stats: ScoreStats, probabilities: bool) -> None:
    size = (1, len(scores))
    assert read_answer(scores[None, None], 1, size, size).stats == stats
    assert stats.probabilities == probabilities
