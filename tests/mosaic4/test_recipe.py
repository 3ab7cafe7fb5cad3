"""The recipe against a second implementation of the specification, and what it promises."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from mosaic4.recipe import NoRecipeError, class_of, in_sample_order, make_recipe
from tests.mosaic4 import naive_recipe as naive

SEEDS = range(3)


def samples(sizes: list[int]) -> list[str]:
    return [f"class{number}/{n}" for number, size in enumerate(sizes) for n in range(1, size + 1)]


def even(grid: int) -> list[list[int]]:
    """As few classes as the grid needs, a few more, many."""
    tiles = grid**2
    return [[size] * classes for classes, size in product((tiles, tiles + 1, tiles + 4, 60), (1, 2))]


def skewed(grid: int) -> list[list[int]]:
    """A few large classes and small ones, at and near the most samples that a class may have."""
    tiles = grid**2
    large = [[size] * (tiles - 1) + [1] * size for size in sorted({2, 32 // tiles})]
    return [*large, [3] * (tiles - 2) + [2] * 4, list(range(1, tiles + 4)), [2] + [1] * tiles]


def drawn(grid: int) -> list[list[int]]:
    """Class sizes at random; some have a class that is too large."""
    numbers = random.Random(grid)
    return [[numbers.randint(1, 6) for _ in range(numbers.randint(4, 60))] for _ in range(4)]


@pytest.mark.parametrize("grid", [2, 3, 4])
def test_two_implementations_agree(grid: int) -> None:
    """Where samples are dealt, repaired, dealt again, and refused."""
    seen: Counter[str] = Counter()
    for sizes, seed in product([*even(grid), *skewed(grid), *drawn(grid)], SEEDS):
        ids = samples(sizes)
        try:
            expected = naive.naive_recipe(ids, seed, grid)
        except naive.NoRecipeError as refused:
            seen[refused.kind] += 1
            with pytest.raises(NoRecipeError) as error:
                make_recipe(ids, seed, grid)
            check_refusal(str(error.value), refused)
            continue
        made = make_recipe(ids, seed, grid)
        assert [list(mosaic) for mosaic in made.mosaics] == expected.mosaics
        assert made.seed_used == expected.seed_string
        seen["repaired" if expected.repairs else "plain"] += 1
        seen["again"] += expected.seed_string != str(seed)
    assert {kind for kind in seen if seen[kind]} == {"plain", "repaired", "again", "exhausted", "crowded"}, seen


def check_refusal(message: str, refused: naive.NoRecipeError) -> None:
    assert "\n" not in message
    assert "more classes" in message
    if refused.kind == "exhausted":
        mosaic, position, classes = refused.named
        assert f"mosaic {mosaic}, position {position}:" in message
        assert f"{classes} classes" in message
        assert "99 times" in message
    else:
        assert "no recipe" in message


def test_a_class_that_is_too_large_is_named() -> None:
    with pytest.raises(
        NoRecipeError, match=r"class 'cow' has 3 of 11 samples, more than 1 in 4, so there is no recipe"
    ):
        make_recipe([*(f"cow/{n}" for n in (1, 2, 3)), *(f"c{k}/1" for k in range(8))])
    assert len(make_recipe([*(f"cow/{n}" for n in (1, 2, 3)), *(f"c{k}/1" for k in range(9))]).mosaics) == 12


def test_a_restart_adds_plus_one_to_the_seed_string() -> None:
    again = next(
        recipe for seed in range(40) if (recipe := make_recipe(samples([1] * 5), seed)).seed_used == f"{seed}+1"
    )
    assert again.order_string == f"mosaic4-v1|{again.seed}+1|{{p}}|{{sample_id}}"
    attempt, _ = naive.attempt(samples([1] * 5), f"{again.seed}+1", 2)
    assert [list(mosaic) for mosaic in again.mosaics] == attempt


sizes_of_classes = st.lists(st.integers(1, 5), min_size=4, max_size=24)


@settings(max_examples=50, deadline=None)
@given(sizes_of_classes, st.integers(0, 10**6), st.sampled_from([2, 2, 3, 4]), st.randoms(use_true_random=False))
def test_every_position_has_each_sample_once_and_classes_differ_in_a_mosaic(
    sizes: list[int], seed: int, grid: int, shuffled: random.Random
) -> None:
    ids = samples(sizes)
    try:
        recipe = make_recipe(ids, seed, grid)
    except NoRecipeError:
        reject()
    assert len(recipe.mosaics) == len(ids)
    for position in range(grid**2):
        assert sorted(mosaic[position] for mosaic in recipe.mosaics) == sorted(ids)
    for mosaic in recipe.mosaics:
        assert len({class_of(sample) for sample in mosaic}) == grid**2
    shuffled.shuffle(ids)
    assert make_recipe(ids, seed, grid) == recipe


def test_samples_are_in_byte_order_of_the_class_then_by_number() -> None:
    given = ["b/10", "b/9", "Z/1", "é/2", "a_b/1", "ab/1", "a/3", "\U0001f600/1", "\uff5e/1"]
    expected = ("Z/1", "a/3", "a_b/1", "ab/1", "b/9", "b/10", "é/2", "\uff5e/1", "\U0001f600/1")
    assert in_sample_order(given) == expected
    assert make_recipe(given).classes == ("Z", "a", "a_b", "ab", "b", "é", "\uff5e", "\U0001f600")


@pytest.mark.parametrize(
    "bad", ["cat", "cat/", "/1", "cat/01", "cat/x", "a cat/1", "a|b/1", "cat/1\n", "cat/-1", "cat/٣"]
)
def test_a_bad_sample_id_is_refused_and_named(bad: str) -> None:
    with pytest.raises(NoRecipeError, match="expected class/n") as error:
        make_recipe(["cat/1", "dog/1", bad, "hen/1"])
    assert repr(bad) in str(error.value)


def test_repeated_samples_no_samples_and_an_unknown_grid_are_refused() -> None:
    with pytest.raises(NoRecipeError, match="'cat/1' is given twice"):
        make_recipe(["cat/1", "dog/1", "cow/1", "hen/1", "cat/1"])
    with pytest.raises(NoRecipeError, match="no samples"):
        make_recipe([])
    with pytest.raises(NoRecipeError, match="grid 5: expected one of 2, 3, 4"):
        make_recipe(["cat/1"], grid=5)
