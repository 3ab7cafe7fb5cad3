"""Windows over a photograph of any size, their mean, and the square."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from fusioner.windows import STEP, WINDOW, Tiling, merged, squared


def photograph(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def released_starts(length: int, window: int, step: int) -> list[int]:
    """As the released code has it: every anchor that leaves room, and one flush with the end."""
    return [start for start in range(0, length, step) if start < length - window] + [max(length - window, 0)]


def test_windows_begin_where_the_released_codes_do() -> None:
    assert Tiling() == Tiling("windows", WINDOW, STEP) == Tiling("windows", 224, 149)
    starts = {100: [0], 224: [0], 225: [0, 1], 373: [0, 149], 374: [0, 149, 150], 640: [0, 149, 298, 416]}
    for side, expected in starts.items():
        across = [tile.box[1] for tile in Tiling().tiles(photograph(10, side))]
        down = [tile.box[0] for tile in Tiling().tiles(photograph(side, 10))]
        assert across == down == expected == released_starts(side, 224, 149)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(2, 16), data=st.data())
def test_windows_cover_every_pixel_and_show_what_is_there(
    height: int, width: int, size: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(1, size))
    image = photograph(height, width)
    covered = torch.zeros(height, width)
    boxes = []
    for tile in Tiling("windows", size, step).tiles(image):
        top, left, h, w = tile.box
        assert tile.pixels.shape == (3, size, size)
        assert tile.valid == (h, w)
        assert torch.equal(tile.pixels[:, :h, :w], image[:, top : top + h, left : left + w].float() / 255)
        assert not tile.pixels[:, h:].any()
        assert not tile.pixels[:, :, w:].any()
        covered[top : top + h, left : left + w] += 1
        boxes.append(tile.box)
    assert float(covered.min()) >= 1
    assert len(set(boxes)) == len(boxes)
    assert [(top, left) for top, left, _, _ in boxes] == [
        (top, left) for top in released_starts(height, size, step) for left in released_starts(width, size, step)
    ]


@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 9))
def test_logits_are_averaged_where_windows_overlap(height: int, width: int, seed: int) -> None:
    size, step, classes = 8, 5, 2
    tiling = Tiling("windows", size, step)
    generator = torch.Generator().manual_seed(seed)
    answers = [
        (tile, torch.randn(classes, size, size, generator=generator))
        for tile in tiling.tiles(photograph(height, width))
    ]
    ours = merged(answers, (height, width))
    for y in range(height):
        for x in range(width):
            over = [
                logits[:, y - tile.box[0], x - tile.box[1]]
                for tile, logits in answers
                if 0 <= y - tile.box[0] < size and 0 <= x - tile.box[1] < size
            ]
            torch.testing.assert_close(ours[:, y, x], torch.stack(over).mean(0))


@pytest.mark.parametrize("size", [(20, 50), (70, 31), (32, 32)])
def test_a_square_shows_the_whole_and_its_logits_are_stretched_back(size: tuple[int, int]) -> None:
    image = photograph(*size)
    (tile,) = Tiling("square", 32, 32).tiles(image)
    assert torch.equal(tile.pixels, squared(image.float() / 255, 32))
    assert (tile.valid, tile.box) == ((32, 32), (0, 0, *size))
    if size == (32, 32):
        torch.testing.assert_close(tile.pixels, image.float() / 255)
    answer = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = functional.interpolate(answer[None], size, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(merged([(tile, answer)], size), expected)


def test_a_square_is_as_trained() -> None:
    """The plain square view in training and the tile in evaluation have the same pixels."""
    from fusioner.views import Views

    image = photograph(45, 60)
    numbers = image.permute(1, 2, 0).numpy()
    view, _ = Views(32, 1, 0.3, 0.0, kind="square").make(0, numbers, [numbers[..., 0] * 0], "key")
    (tile,) = Tiling("square", 32, 32).tiles(image)
    torch.testing.assert_close(view, tile.pixels, atol=1e-5, rtol=0)
