"""Windows over a photograph of any size, their mean, and the square."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from fusioner.windows import STEP, WINDOW, Looking, squared, together


def photograph(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def released_starts(length: int, window: int, step: int) -> list[int]:
    """As the released code has it: every anchor that leaves room, and one flush with the end."""
    return [start for start in range(0, length, step) if start < length - window] + [max(length - window, 0)]


def test_the_published_window() -> None:
    assert (WINDOW, STEP) == (224, 149)
    assert Looking() == Looking("windows", 224, 149)


@pytest.mark.parametrize(
    ("side", "starts"),
    [
        (100, [0]),
        (224, [0]),
        (225, [0, 1]),
        (373, [0, 149]),
        (374, [0, 149, 150]),
        (500, [0, 149, 276]),
        (640, [0, 149, 298, 416]),
    ],
)
def test_windows_begin_where_the_released_codes_do(side: int, starts: list[int]) -> None:
    across = [look.box[1] for look in Looking().looks(photograph(10, side))]
    down = [look.box[0] for look in Looking().looks(photograph(side, 10))]
    assert across == down == starts == released_starts(side, 224, 149)


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(2, 16), data=st.data())
def test_windows_cover_every_pixel_and_show_what_is_there(
    height: int, width: int, size: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(1, size))
    image = photograph(height, width)
    covered = torch.zeros(height, width)
    boxes = []
    for look in Looking("windows", size, step).looks(image):
        top, left, h, w = look.box
        assert look.pixels.shape == (3, size, size)
        assert look.seen == (h, w)
        assert torch.equal(look.pixels[:, :h, :w], image[:, top : top + h, left : left + w].float() / 255)
        assert not look.pixels[:, h:].any()
        assert not look.pixels[:, :, w:].any()
        covered[top : top + h, left : left + w] += 1
        boxes.append(look.box)
    assert float(covered.min()) >= 1
    assert len(set(boxes)) == len(boxes)
    assert [(top, left) for top, left, _, _ in boxes] == [
        (top, left) for top in released_starts(height, size, step) for left in released_starts(width, size, step)
    ]


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 9))
def test_logits_are_averaged_where_windows_overlap(height: int, width: int, seed: int) -> None:
    size, step, classes = 8, 5, 2
    looking = Looking("windows", size, step)
    generator = torch.Generator().manual_seed(seed)
    parts = [
        (look, torch.randn(classes, size, size, generator=generator))
        for look in looking.looks(photograph(height, width))
    ]
    ours = together(parts, (height, width))
    for y in range(height):
        for x in range(width):
            over = [
                logits[:, y - look.box[0], x - look.box[1]]
                for look, logits in parts
                if 0 <= y - look.box[0] < size and 0 <= x - look.box[1] < size
            ]
            torch.testing.assert_close(ours[:, y, x], torch.stack(over).mean(0))


def test_a_photograph_smaller_than_a_window_is_padded_with_black() -> None:
    image = photograph(5, 30)
    (look,) = Looking("windows", 32, 20).looks(image)
    assert look.seen == (5, 30)
    assert torch.equal(look.pixels[:, :5, :30], image.float() / 255)
    assert float(look.pixels[:, 5:].abs().sum() + look.pixels[:, :, 30:].abs().sum()) == 0
    answer = torch.arange(32.0 * 32).reshape(1, 32, 32)
    assert torch.equal(together([(look, answer)], (5, 30)), answer[:, :5, :30])


@pytest.mark.parametrize("size", [(20, 50), (70, 31), (32, 32)])
def test_a_square_shows_the_whole_and_its_logits_are_stretched_back(size: tuple[int, int]) -> None:
    image = photograph(*size)
    (look,) = Looking("square", 32, 32).looks(image)
    assert torch.equal(look.pixels, squared(image.float() / 255, 32))
    assert (look.seen, look.box) == ((32, 32), (0, 0, *size))
    if size == (32, 32):
        torch.testing.assert_close(look.pixels, image.float() / 255)
    answer = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = functional.interpolate(answer[None], size, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(together([(look, answer)], size), expected)


def test_a_square_is_as_trained() -> None:
    """The plain square view in training and the look in evaluation are the same pixels."""
    from fusioner.views import Views

    image = photograph(45, 60)
    numbers = image.permute(1, 2, 0).numpy()
    view, _ = Views(32, 1, 0.3, 0.0, kind="square").make(0, numbers, [numbers[..., 0] * 0], "key")
    (look,) = Looking("square", 32, 32).looks(image)
    torch.testing.assert_close(view, look.pixels, atol=1e-5, rtol=0)
