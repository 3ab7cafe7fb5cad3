"""Augmented views: the same bytes whenever they are made, and masks that move with the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from fusioner.recipes import SMALLEST
from fusioner.views import VOID, Views

CROP = Views(48, 12, jitter=0.5, degrees=20)
SQUARE = Views(48, 4, jitter=0.3, degrees=0, kind="square")
Pixels = npt.NDArray[np.uint8]


def photograph(size: tuple[int, int] = (60, 80)) -> tuple[Pixels, Pixels]:
    """A bright ellipse off the middle on a darker ground that is nowhere black, and its mask."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    inside = ((rows / size[0] - 0.4) / 0.3) ** 2 + ((columns / size[1] - 0.55) / 0.25) ** 2 < 1
    image = np.where(inside[..., None], 250, 90).astype(np.uint8)
    return image.repeat(3, axis=2), inside.astype(np.uint8)


def made(views: Views, number: int, key: str = "key", size: tuple[int, int] = (60, 80)) -> tuple[Tensor, Tensor]:
    image, mask = photograph(size)
    return views.make(number, image, [mask, 1 - mask], key)


@pytest.mark.parametrize("views", [CROP, SQUARE])
def test_a_view_is_the_same_whatever_was_drawn_before(views: Views) -> None:
    for number in range(views.count + 1):
        torch.manual_seed(1)
        first = made(views, number)
        torch.manual_seed(2)
        np.random.seed(3)  # noqa: NPY002 - the global state must not matter
        torch.rand(7)
        before = torch.get_rng_state()
        again = made(views, number)
        assert torch.equal(torch.get_rng_state(), before), "the global state was moved"
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("views", [CROP, SQUARE])
@pytest.mark.parametrize("size", [(60, 80), (91, 50), (20, 30)])
def test_views_have_one_size_and_their_truths_known_values(views: Views, size: tuple[int, int]) -> None:
    assert made(replace(CROP, size=SMALLEST), 3)[0].shape == (3, SMALLEST, SMALLEST)
    for number in range(views.count + 1):
        pixels, truths = made(views, number, size=size)
        assert (pixels.dtype, tuple(pixels.shape)) == (torch.float32, (3, 48, 48))
        assert (truths.dtype, tuple(truths.shape)) == (torch.uint8, (2, 48, 48))
        assert type(pixels) is type(truths) is Tensor
        assert float(pixels.min()) >= 0
        assert float(pixels.max()) <= 1
        assert set(truths.flatten().tolist()) <= {0, 1, VOID}


def test_views_differ_by_number_and_photograph_but_not_the_plain_ones() -> None:
    def pictures(views: Views, numbers: range, key: str) -> list[bytes]:
        return [made(views, number, key)[0].numpy().tobytes() for number in numbers]

    assert len({*pictures(CROP, range(1, 13), "a"), *pictures(CROP, range(1, 13), "b")}) >= 22
    assert pictures(CROP, range(1), "a") == pictures(CROP, range(1), "b")
    plain = pictures(SQUARE, range(2), "a")
    assert plain[0] == plain[1]
    assert len({*plain, *pictures(SQUARE, range(2, 5), "a"), *pictures(SQUARE, range(2, 5), "b")}) == 7


def test_a_mask_moves_with_its_picture() -> None:
    """The bright ellipse and the mask stay within a pixel, under crops, flips, rotations, shifts and elastic ones."""
    calm = Views(96, 25, jitter=0.0, degrees=20, noise=0.0)
    moved = set()
    for number in range(calm.count + 1):
        pixels, truths = made(calm, number, size=(110, 140))
        bright = pixels.mean(0) * 255 > 170
        sure = surely(truths[0] == 1), surely(truths[1] == 1)
        assert bright[sure[0]].float().mean() > 0.98, number
        assert bright[sure[1]].float().mean() < 0.02, number
        assert int(sure[0].sum()) > 200
        moved.add(tuple((truths[0] == 1).nonzero().float().mean(0).int().tolist()))
    assert len(moved) > 12, "most views move it"


def surely(where: Tensor) -> Tensor:
    """Points all of whose neighbours within two pixels are alike (a pixel, and what interpolation blurs)."""
    return -torch.nn.functional.max_pool2d(-where[None].float(), 5, 1, 2)[0] > 0.5


def test_what_is_beyond_the_photograph_is_black_and_void() -> None:
    seen = 0
    for number in range(1, 30):
        pixels, truths = made(replace(CROP, noise=0.0, jitter=0.0), number)
        void = truths[0] == VOID
        assert torch.equal(void, truths[1] == VOID)
        assert float(pixels.mean(0)[surely(void)].max() if surely(void).any() else 0) < 1e-6
        black = pixels.mean(0) < 0.02
        assert not (black & ~void & ~torch.nn.functional.max_pool2d(void[None].float(), 5, 1, 2)[0].bool()).any()
        seen += bool(surely(void).any())
    assert seen > 3


def test_void_of_a_truth_stays_void() -> None:
    image, mask = photograph()
    mask[:30] = VOID
    for views in (CROP, SQUARE):
        _, (truth,) = views.make(0, image, [mask], "key")
        assert 0.4 < float((truth == VOID).float().mean()) < 0.6


def test_a_plain_view_is_the_middle_or_the_whole() -> None:
    rows = np.broadcast_to(np.arange(80, dtype=np.uint8)[None, :, None], (40, 80, 3))
    mask = np.zeros((40, 80), np.uint8)
    crop, _ = Views(40, 1, 0.0, 0.0).make(0, rows, [mask], "key")
    assert torch.equal((crop * 255).round().byte()[0, 0], torch.arange(20, 60, dtype=torch.uint8))
    whole, _ = Views(40, 1, 0.0, 0.0, kind="square").make(0, rows, [mask], "key")
    assert float(whole[0, 0, 0]) < 2 / 255
    assert float(whole[0, 0, -1]) > 77 / 255


def test_no_two_different_views_share_a_description() -> None:
    changes: list[Any] = [{}, {"size": 56}, {"jitter": 0.4}, {"degrees": 10}, {"noise": 0.1}, {"smallest": 0.7}]
    described = [replace(CROP, **change).describe(3) for change in (*changes, {"kind": "square"})]
    described += [CROP.describe(number) for number in (0, 1, 2)]
    described += [replace(CROP, kind="square").describe(number) for number in (0, 2)]
    described += [replace(CROP, size=56).describe(0)]
    assert len(set(described)) == len(described)


def test_descriptions_leave_out_what_does_not_matter() -> None:
    """So that features are shared by runs with more or fewer views, and by recipes whose plain views are the same."""
    assert replace(CROP, count=3).describe(2) == CROP.describe(2)
    assert replace(CROP, jitter=0.1, degrees=3).describe(0) == CROP.describe(0)
    assert SQUARE.describe(0) == SQUARE.describe(1) == replace(SQUARE, jitter=0.9).describe(1)
    assert CROP.describe(0) != CROP.describe(1)
