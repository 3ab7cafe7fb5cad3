"""The examples of every step: pure, balanced, aligned with their masks; and the loss against a naive one."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fsbench.errors import FsbenchError
from fusioner.steps import Steps, losses
from tests.fusioner.small_model import small_recipe

TRAIN = [(f"p{n:03d}", class_id) for class_id, count in enumerate((90, 9, 1)) for n in range(count)]
WHOLE = (4, 4)


def steps(seed: int = 0, **changes: Any) -> Steps:
    return Steps(small_recipe(**changes), TRAIN, seed)


def test_examples_follow_from_seed_epoch_and_step_alone() -> None:
    ways: list[dict[str, Any]] = [{}, {"pairs": None, "balance": 0.0}]
    for changes in ways:
        forward = {(e, s): steps(**changes).examples(e, s) for e in range(3) for s in range(4)}
        one = steps(**changes)
        assert {at: one.examples(*at) for at in reversed(forward)} == forward
        assert len({str(examples) for examples in forward.values()}) == 12
        other = steps(seed=1, **changes)
        assert all(other.examples(*at) != forward[at] for at in forward)
        assert all(len(examples) == 6 for examples in forward.values())
        keys = [one.key for of in (steps(**changes), other) for at in forward for one in of.examples(*at)]
        assert len(set(keys)) == len(keys), "keys are never shared"


def test_an_unbalanced_epoch_shows_each_pair_once() -> None:
    made = steps(pairs=None, balance=0.0, batch=7)
    assert made.per_epoch == 100 // 7
    for epoch in range(3):
        pairs = [one.pair for step in range(made.per_epoch) for one in made.examples(epoch, step)]
        assert len(set(pairs)) == len(pairs) == 98
    assert made.examples(0, 0) != made.examples(1, 0)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_rare_classes_are_drawn_as_often_as_promised(balance: float) -> None:
    made = steps(balance=balance, pairs=9000, batch=100)
    drawn = Counter(one.pair for step in range(made.per_epoch) for one in made.examples(0, step))
    weights = [count * count**-balance for count in (90, 9, 1)]
    for class_id, weight in enumerate(weights):
        share = sum(n for pair, n in drawn.items() if pair[1] == class_id) / 9000
        expected = weight / sum(weights)
        assert abs(share - expected) < 4.5 * math.sqrt(expected * (1 - expected) / 9000), (class_id, share, expected)
    assert len(drawn) == 100, "within a class all pairs are drawn"
    views = Counter(one.view for step in range(made.per_epoch) for one in made.examples(0, step))
    assert set(views) == {1, 2}, "never the plain one"
    assert min(views.values()) > 4200


def test_fewer_pairs_than_a_batch_are_refused() -> None:
    with pytest.raises(FsbenchError, match="100 training pairs are fewer than a batch of 101: use --batch-size 100"):
        steps(pairs=None, balance=0.0, batch=101)
    assert steps(pairs=None, balance=0.0, batch=100).per_epoch == 1


def test_crops_are_as_frequent_and_as_small_as_promised() -> None:
    made = steps(cut=(0.7, 10, 20))
    sizes = [made.crop_size(epoch, step, (24, 16)) for epoch in range(50) for step in range(40)]
    cut = [size for size in sizes if size != (24, 16)]
    assert abs(len(cut) / 2000 - 0.7) < 0.06
    assert {rows for rows, _ in cut} == set(range(10, 21))
    assert {columns for _, columns in cut} == set(range(10, 17))
    assert sizes[:40] == [steps(cut=(0.7, 10, 20)).crop_size(0, s, (24, 16)) for s in range(40)]
    assert {steps(cut=(0.0, 0, 0)).crop_size(0, step, (24, 16)) for step in range(50)} == {(24, 16)}
    assert {steps(cut=(1.0, 10, 20)).crop_size(0, step, (3, 4)) for step in range(50)} == {(3, 4)}, "small grids"


def cells(stride: int, whole: tuple[int, int] = WHOLE) -> tuple[Tensor, Tensor]:
    """Tokens that hold the number of their cell, and a truth that holds it in every pixel."""
    number = torch.arange(whole[0] * whole[1])
    truth = number.reshape(whole).repeat_interleave(stride, 0).repeat_interleave(stride, 1)
    return number[:, None].float(), truth.to(torch.uint8)


@pytest.mark.parametrize(("stride", "of_a_side"), [(2, None), (14, None), (2, 4), (14, 4), (32, 4)])
def test_tokens_and_truth_stay_together(stride: int, of_a_side: int | None) -> None:
    """Whatever the crop, flipped or not, each token's pixels are those of its cell."""
    made = steps(cells=of_a_side, cut=(0.7, 2, 3))
    tokens, truth = cells(stride)
    side = of_a_side or stride
    mirrored = 0
    for epoch in range(5):
        for step in range(4):
            size = made.crop_size(epoch, step, WHOLE)
            for one in made.examples(epoch, step):
                shown, seen = made.crop(one, tokens, truth, WHOLE, size)
                assert shown.shape == (size[0] * size[1], 1)
                grid = shown.reshape(size).to(torch.uint8)
                assert torch.equal(seen, grid.repeat_interleave(side, 0).repeat_interleave(side, 1))
                again = made.crop(one, tokens, truth, WHOLE, size)
                assert torch.equal(again[0], shown)
                assert torch.equal(again[1], seen)
                rises = int(grid[0, 1]) - int(grid[0, 0])
                assert rises in (1, -1)
                assert (torch.diff(grid[:, 0].int()) == WHOLE[1]).all(), "never upside down"
                mirrored += rises == -1
    assert 40 < mirrored < 80, "half of 120"
    never = steps(flip=0.0)
    assert all(int(never.crop(one, tokens, truth, WHOLE, WHOLE)[0][0]) == 0 for one in never.examples(0, 0))


def test_fewer_cells_than_pixels_are_taken_by_nearest_neighbour() -> None:
    made = steps(cells=4, flip=0.0)
    truth = torch.arange(32).repeat(32, 1).to(torch.uint8)
    _, seen = made.crop(made.examples(0, 0)[0], torch.zeros(16, 1), truth, WHOLE, WHOLE)
    assert torch.equal(seen, truth[::2, ::2])


def test_a_crop_shows_the_class_if_it_can() -> None:
    tokens = torch.zeros(64, 1)
    rare, often, never = (torch.zeros(64, 64, dtype=torch.uint8) for _ in range(3))
    rare[:8, :8] = 1
    often[:, 32:] = 1
    never[0, 0] = 255
    made = steps(cells=None)
    found = {}
    for name, truth in (("rare", rare), ("often", often), ("never", never)):
        shown = [
            bool((made.crop(one, tokens, truth, (8, 8), (4, 4))[1] == 1).any())
            for epoch in range(20)
            for step in range(4)
            for one in made.examples(epoch, step)
        ]
        found[name] = sum(shown) / len(shown)
    assert found["often"] > 0.95, "one try in five does not"
    assert abs(found["rare"] - (1 - (24 / 25) ** 4)) < 0.06
    assert found["never"] == 0


def naive(logits: Tensor, truths: Tensor, bce: float, dice: float) -> float:
    """The mean loss, pixel by pixel."""
    each, pixels, all_pixels = [], 0, 0.0
    for image, truth in zip(logits.tolist(), truths.tolist(), strict=True):
        entropy, count, overlap, total = 0.0, 0, 0.0, 0.0
        for row, true_row in zip(image, truth, strict=True):
            for logit, true in zip(row, true_row, strict=True):
                if true == 255:
                    continue
                p = 1 / (1 + math.exp(-logit))
                entropy -= math.log(p if true == 1 else 1 - p)
                count += 1
                overlap += p * (true == 1)
                total += p + (true == 1)
        pixels += count
        all_pixels += entropy
        each.append(bce * entropy / max(count, 1) + dice * (1 - (2 * overlap + 1) / (total + 1)))
    return sum(each) / len(each) if dice else bce * all_pixels / pixels


def drawn(seed: int, images: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, 5, 6, generator=generator, dtype=torch.float64) * 3
    truths = torch.tensor([0, 1, 255], dtype=torch.uint8)[torch.randint(3, (images, 5, 6), generator=generator)]
    return logits, truths


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), bce=st.sampled_from([1.0, 0.5]), dice=st.sampled_from([0.0, 1.0, 0.3]))
def test_losses_agree_with_counting_pixel_by_pixel(seed: int, bce: float, dice: float) -> None:
    logits, truths = drawn(seed)
    found = losses(logits, truths, bce, dice)
    assert float(found.total / found.weight) == pytest.approx(naive(logits, truths, bce, dice), rel=1e-5)


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_void_pixels_are_ignored(dice: float) -> None:
    logits, truths = drawn(1)
    wild = torch.where(truths == 255, 50 - logits, logits).requires_grad_()
    one, other = losses(logits, truths, 1.0, dice), losses(wild, truths, 1.0, dice)
    assert float(one.total) == pytest.approx(other.total.item(), rel=1e-6)
    other.total.backward()  # type: ignore[no-untyped-call]
    assert wild.grad is not None
    assert not wild.grad[truths == 255].any()
    assert wild.grad[truths != 255].all()


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_the_sum_over_ranks_is_that_of_one(dice: float) -> None:
    logits, truths = drawn(2)
    truths[2] = 255  # a rank may get a photograph that is void throughout
    whole = losses(logits, truths, 1.0, dice)
    shares = [losses(logits[rank::3], truths[rank::3], 1.0, dice) for rank in range(3)]
    assert float(sum(share.total for share in shares)) == pytest.approx(float(whole.total))
    assert float(sum(share.weight for share in shares)) == float(whole.weight)
    assert all(torch.isfinite(share.total) for share in shares)
