"""What is learned from when: pure, shared out among ranks, balanced, aligned; and the loss against a naive one."""

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
from fusioner.views import Views
from tests.fusioner.small_model import tiny_recipe

TRAIN = [(f"p{n:03d}", class_id) for class_id, count in enumerate((90, 9, 1)) for n in range(count)]
WHOLE = (4, 4)


def steps(seed: int = 0, **changes: Any) -> Steps:
    return Steps(tiny_recipe(**changes), TRAIN, seed)


def test_what_is_chosen_follows_from_seed_epoch_and_step_alone() -> None:
    ways: list[dict[str, Any]] = [{}, {"pairs": None, "balance": 0.0}]
    for changes in ways:
        forward = {(e, s): steps(**changes).chosen(e, s) for e in range(3) for s in range(4)}
        one = steps(**changes)
        assert {at: one.chosen(*at) for at in reversed(forward)} == forward
        assert len({str(chosen) for chosen in forward.values()}) == 12
        other = steps(seed=1, **changes)
        assert all(other.chosen(*at) != forward[at] for at in forward)
        assert all(len(chosen) == 6 for chosen in forward.values())


def test_an_unbalanced_epoch_shows_each_pair_once() -> None:
    made = steps(pairs=None, balance=0.0, batch=7)
    assert made.number == 100 // 7
    for epoch in range(3):
        shown = [one.pair for step in range(made.number) for one in made.chosen(epoch, step)]
        assert len(set(shown)) == len(shown) == 98
    assert made.chosen(0, 0) != made.chosen(1, 0)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_rare_classes_are_drawn_as_often_as_promised(balance: float) -> None:
    made = steps(balance=balance, pairs=9000, batch=100)
    shown = Counter(one.pair for step in range(made.number) for one in made.chosen(0, step))
    weights = [count * count**-balance for count in (90, 9, 1)]
    for class_id, weight in enumerate(weights):
        share = sum(n for pair, n in shown.items() if pair[1] == class_id) / 9000
        expected = weight / sum(weights)
        assert abs(share - expected) < 4.5 * math.sqrt(expected * (1 - expected) / 9000), (class_id, share, expected)
    assert len(shown) == 100, "within a class all pairs are drawn"


def test_all_views_are_drawn_and_never_the_plain_one() -> None:
    made = steps(views=Views(32, 5, 0.3, 0.0), pairs=1000, batch=10)
    shown = Counter(one.view for step in range(made.number) for one in made.chosen(0, step))
    assert set(shown) == {1, 2, 3, 4, 5}
    assert min(shown.values()) > 140


def test_keys_are_never_shared() -> None:
    made, other = steps(), steps(seed=1)
    keys = [o.key for of in (made, other) for e in range(3) for s in range(4) for o in of.chosen(e, s)]
    assert len(set(keys)) == len(keys)


def test_fewer_pairs_than_a_batch_are_refused() -> None:
    with pytest.raises(FsbenchError, match="100 training pairs are fewer than a batch of 101: use --batch-size 100"):
        steps(pairs=None, balance=0.0, batch=101)
    assert steps(pairs=None, balance=0.0, batch=100).number == 1


def test_parts_are_cut_as_often_and_as_small_as_promised() -> None:
    made = steps(cut=(0.7, 10, 20))
    parts = [made.part(epoch, step, (24, 16)) for epoch in range(50) for step in range(40)]
    cut = [part for part in parts if part != (24, 16)]
    assert abs(len(cut) / 2000 - 0.7) < 0.06
    assert {rows for rows, _ in cut} == set(range(10, 21))
    assert {columns for _, columns in cut} == set(range(10, 17))
    assert parts == [steps(cut=(0.7, 10, 20)).part(e, s, (24, 16)) for e in range(50) for s in range(40)]
    assert {steps(cut=(0.0, 0, 0)).part(0, step, (24, 16)) for step in range(50)} == {(24, 16)}
    assert {steps(cut=(1.0, 10, 20)).part(0, step, (3, 4)) for step in range(50)} == {(3, 4)}, "grids below the least"


def cells(stride: int, whole: tuple[int, int] = WHOLE) -> tuple[Tensor, Tensor]:
    """Tokens that hold the number of their cell, and a truth that holds it in every pixel."""
    number = torch.arange(whole[0] * whole[1])
    truth = number.reshape(whole).repeat_interleave(stride, 0).repeat_interleave(stride, 1)
    return number[:, None].float(), truth.to(torch.uint8)


@pytest.mark.parametrize("stride", [2, 4, 8, 14, 16, 32])
@pytest.mark.parametrize("of_a_side", [None, 4])
def test_tokens_and_truth_stay_together(stride: int, of_a_side: int | None) -> None:
    """Whatever part is shown, mirrored or not, each token's pixels are those of its cell."""
    made = steps(cells=of_a_side, cut=(0.7, 2, 3))
    tokens, truth = cells(stride)
    side = of_a_side or stride
    mirrored = 0
    for epoch in range(5):
        for step in range(4):
            part = made.part(epoch, step, WHOLE)
            for one in made.chosen(epoch, step):
                shown, seen = made.shown(one, tokens, truth, WHOLE, part)
                assert shown.shape == (part[0] * part[1], 1)
                grid = shown.reshape(part).to(torch.uint8)
                assert torch.equal(seen, grid.repeat_interleave(side, 0).repeat_interleave(side, 1))
                again = made.shown(one, tokens, truth, WHOLE, part)
                assert torch.equal(again[0], shown)
                assert torch.equal(again[1], seen)
                rises = int(grid[0, 1]) - int(grid[0, 0])
                assert rises in (1, -1)
                assert (torch.diff(grid[:, 0].int()) == WHOLE[1]).all(), "never upside down"
                mirrored += rises == -1
    assert 40 < mirrored < 80, "half of 120"
    never = steps(flip=0.0)
    assert all(int(never.shown(one, tokens, truth, WHOLE, WHOLE)[0][0]) == 0 for one in never.chosen(0, 0))


def test_fewer_cells_than_pixels_are_taken_by_nearest_neighbour() -> None:
    made = steps(cells=4, flip=0.0)
    truth = torch.arange(32).repeat(32, 1).to(torch.uint8)
    _, seen = made.shown(made.chosen(0, 0)[0], torch.zeros(16, 1), truth, WHOLE, WHOLE)
    assert seen.shape == (16, 16)
    assert seen[0].tolist() == list(range(0, 32, 2))


def test_a_part_shows_the_class_where_it_can() -> None:
    tokens = torch.zeros(64, 1)
    rare, often, never = (torch.zeros(64, 64, dtype=torch.uint8) for _ in range(3))
    rare[:8, :8] = 1
    often[:, 32:] = 1
    never[0, 0] = 255
    made = steps(cells=None)
    found = {}
    for name, truth in (("rare", rare), ("often", often), ("never", never)):
        shown = [
            bool((made.shown(one, tokens, truth, (8, 8), (4, 4))[1] == 1).any())
            for epoch in range(20)
            for step in range(4)
            for one in made.chosen(epoch, step)
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


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), bce=st.sampled_from([1.0, 0.5]), dice=st.sampled_from([0.0, 1.0, 0.3]))
def test_losses_agree_with_counting_pixel_by_pixel(seed: int, bce: float, dice: float) -> None:
    logits, truths = drawn(seed)
    found = losses(logits, truths, bce, dice)
    assert float(found.total / found.weight) == pytest.approx(naive(logits, truths, bce, dice), rel=1e-5)


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_void_pixels_have_no_part_in_it(dice: float) -> None:
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
    parts = [losses(logits[rank::3], truths[rank::3], 1.0, dice) for rank in range(3)]
    assert float(sum(part.total for part in parts)) == pytest.approx(float(whole.total))
    assert float(sum(part.weight for part in parts)) == float(whole.weight)
    assert all(torch.isfinite(part.total) for part in parts)
