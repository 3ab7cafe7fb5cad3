"""The counting core against a second implementation that loops over pixels and episodes and divides Fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from fsbench.scoring.metrics import Accumulator, Counts, Empty, FoldScore, benchmark_miou, columns, count, score

FOLD = (7, 3, 11, 4)
RULES: tuple[Empty, ...] = ("drop", "zero")


def naive_count(prediction: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> Counts:
    intersection = predicted = true = valid = 0
    for predicted_row, truth_row in zip(prediction.tolist(), truth.tolist(), strict=True):
        for p, t in zip(predicted_row, truth_row, strict=True):
            if t == 255:
                continue
            valid += 1
            if p:
                predicted += 1
            if t == 1:
                true += 1
            if p and t == 1:
                intersection += 1
    return Counts(intersection, predicted, true, valid)


def naive_score(
    episodes: list[tuple[int, Counts]], classes: tuple[int, ...], empty: Empty
) -> tuple[list[Fraction | None], Fraction | None, Fraction | None]:
    """Per-class IoU, mIoU and FB-IoU as exact fractions, from the definitions."""
    ious: list[Fraction | None] = []
    sampled = False
    for class_id in classes:
        intersection = union = 0
        for asked, c in episodes:
            if asked == class_id:
                intersection += c.intersection
                union += c.predicted + c.truth - c.intersection
        if union:
            sampled = True
            ious.append(Fraction(intersection, union))
        else:
            ious.append(None if empty == "drop" else Fraction(0))
    kept = [iou for iou in ious if iou is not None]
    sides = []
    for background in (False, True):
        intersection = union = 0
        for _, c in episodes:
            true, predicted, both = c.truth, c.predicted, c.intersection
            if background:  # turn the two masks inside out
                both = c.valid - (true + predicted - both)
                true, predicted = c.valid - true, c.valid - predicted
            intersection += both
            union += true + predicted - both
        if union:
            sides.append(Fraction(intersection, union))
    return (
        ious,
        sum(kept) / Fraction(len(kept)) if sampled else None,
        sum(sides) / Fraction(len(sides)) if sides else None,
    )


def near(ours: float | None, exact: Fraction | None) -> bool:
    """Within 2 units in the last place of 1, or both absent."""
    if ours is None or exact is None:
        return ours is None and exact is None
    return abs(Fraction(ours) - exact) <= Fraction(2, 2**52)


def by_columns(episodes: list[tuple[int, Counts]], empty: Empty, classes: tuple[int, ...] = FOLD) -> FoldScore:
    table = [(class_id, c.intersection, c.predicted, c.truth, c.valid) for class_id, c in episodes]
    return score(*np.array(table, dtype=np.int64).reshape(-1, 5).T, fold_classes=classes, empty=empty)


def accumulated(episodes: list[tuple[int, Counts]], empty: Empty) -> Accumulator:
    accumulator = Accumulator(FOLD, empty)
    for class_id, counts in episodes:
        accumulator.update(class_id, counts)
    return accumulator


@st.composite
def masks(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Masks of any shape, whole or strided or turned, with truths that are often empty, full or all void."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))
    values = draw(st.sampled_from([(0, 1, 255), (0, 1), (0,), (1,), (255,), (0, 255), (1, 255)]))
    truth = draw(arrays(np.uint8, shape, elements=st.sampled_from(values), fill=st.sampled_from(values)))
    prediction = draw(arrays(np.bool_, shape, elements=st.booleans(), fill=st.booleans()))
    view = draw(st.sampled_from(["as it is", "transposed", "every other", "flipped", "Fortran prediction"]))
    if view == "transposed":
        return prediction.T, truth.T
    if view == "every other":
        return prediction[::2, ::2], truth[::2, ::2]
    if view == "flipped":
        return prediction[:, ::-1], truth[:, ::-1]
    return (np.asfortranarray(prediction), truth) if view == "Fortran prediction" else (prediction, truth)


@st.composite
def some_counts(draw: st.DrawFn, largest: int = 2**40) -> Counts:
    parts = [draw(st.integers(0, largest) | st.just(0)) for _ in range(4)]
    both, only_predicted, only_true, _ = parts
    return Counts(both, both + only_predicted, both + only_true, sum(parts))


fold_episodes = st.lists(st.tuples(st.sampled_from(FOLD), some_counts()), max_size=30)


@settings(max_examples=60)
@given(masks())
def test_count_equals_the_loop_over_pixels(pair: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> None:
    counts = count(*pair)
    assert counts == naive_count(*pair)
    assert all(type(number) is int for number in vars(counts).values())


def test_a_bool_whose_byte_is_not_one_counts_once() -> None:
    prediction = np.tile(np.array([0, 1, 2, 255], dtype=np.uint8), (40, 40)).view(bool)
    truth = np.ones_like(prediction, dtype=np.uint8)
    truth[:20] = 255
    expected = Counts(intersection=2400, predicted=2400, truth=3200, valid=3200)
    assert count(prediction, truth) == expected
    assert count(prediction.T, truth.T) == expected


GOOD = np.zeros((3, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        (GOOD, GOOD, "prediction has dtype uint8, expected bool"),
        (GOOD.astype(np.float32), GOOD, "prediction has dtype float32, expected bool"),
        (GOOD.astype(bool).tolist(), GOOD, "prediction is a list, expected a numpy array"),
        (GOOD.astype(bool), GOOD.astype(np.int64), "truth has dtype int64, expected uint8"),
        (GOOD.astype(bool), GOOD.astype(bool), "truth has dtype bool, expected uint8"),
        (GOOD.astype(bool)[None], GOOD, "prediction has shape (1, 3, 4), expected two dimensions (H, W)"),
        (GOOD.astype(bool), GOOD.ravel(), "truth has shape (12,), expected two dimensions (H, W)"),
        (GOOD.astype(bool).T, GOOD, "prediction has shape (4, 3), expected that of truth, (3, 4)"),
        (GOOD.astype(bool), GOOD + np.uint8(2), "truth holds the value 2, expected only 0, 1 and 255 (void)"),
        (GOOD.astype(bool), GOOD + np.uint8(254), "truth holds the value 254, expected only 0, 1 and 255 (void)"),
    ],
)
def test_count_refuses(prediction: Any, truth: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        count(prediction, truth)
    assert str(caught.value) == message


@pytest.mark.parametrize("empty", RULES)
@settings(max_examples=40)
@given(episodes=fold_episodes)
def test_score_and_accumulator_equal_the_fractions(episodes: list[tuple[int, Counts]], empty: Empty) -> None:
    ours = by_columns(episodes, empty)
    ious, miou, fb_iou = naive_score(episodes, FOLD, empty)
    assert all(near(c.iou, iou) for c, iou in zip(ours.classes, ious, strict=True))
    assert near(ours.miou, miou)
    assert near(ours.fb_iou, fb_iou)
    assert [c.class_id for c in ours.classes] == list(FOLD)
    assert [c.episodes for c in ours.classes] == [sum(asked == class_id for asked, _ in episodes) for class_id in FOLD]
    accumulator = accumulated(episodes, empty)
    assert accumulator.compute() == accumulator.compute() == ours


@settings(max_examples=25)
@given(parts=st.lists(fold_episodes, min_size=3, max_size=3), order=st.permutations([0, 1, 2]))
def test_merging_is_adding_in_any_order(parts: list[list[tuple[int, Counts]]], order: list[int]) -> None:
    whole = by_columns([episode for part in parts for episode in part], "drop")
    left = accumulated(parts[0], "drop")
    left.merge(accumulated(parts[1], "drop"))
    left.merge(accumulated(parts[2], "drop"))
    right, tail = accumulated(parts[0], "drop"), accumulated(parts[1], "drop")
    tail.merge(accumulated(parts[2], "drop"))
    right.merge(tail)
    shuffled = Accumulator(FOLD, "drop")
    for part in order:
        shuffled.merge(accumulated(parts[part], "drop"))
    assert left.compute() == right.compute() == shuffled.compute() == whole


def test_merge_leaves_the_other_alone_and_refuses_other_classes() -> None:
    mine, other = accumulated([(7, Counts(1, 2, 3, 9))], "drop"), accumulated([(3, Counts(1, 1, 1, 9))], "drop")
    before = other.sums.copy()
    mine.merge(other)
    mine.update(3, Counts(1, 2, 3, 9))
    assert (other.sums == before).all()
    with pytest.raises(ValueError, match="empty='zero'"):
        mine.merge(Accumulator(FOLD, "zero"))
    with pytest.raises(ValueError, match=r"cannot merge classes \[7, 3\] \(2\)"):
        mine.merge(Accumulator(FOLD[:2], "drop"))


@pytest.mark.parametrize("start", [2**24, 2**31, 2**32, 2**45])
def test_one_pixel_more_shows_beyond_the_limits_of_float32_and_int32(start: int) -> None:
    episodes = [(7, Counts(start, start, start, 2 * start)), (7, Counts(0, 1, 0, 4))]
    fold = by_columns(episodes, "drop")
    assert (fold.classes[0].intersection, fold.classes[0].union) == (start, start + 1)
    assert fold.miou == start / (start + 1) != 1.0
    assert accumulated(episodes, "drop").compute() == fold


def test_many_small_episodes_keep_every_pixel() -> None:
    """200 photographs of 400 x 400: 32 million pixels, where a float32 sum of ones stops at 2^24."""
    n = 200
    column = np.full(n, 160_000, dtype=np.int32)
    predicted = column.copy()
    predicted[-1] -= 1
    fold = score(np.full(n, 7), predicted, predicted, column, column, fold_classes=[7], empty="drop")
    assert fold.classes[0].union == 32_000_000
    assert fold.classes[0].intersection == 31_999_999


def test_a_class_without_a_sample_by_either_rule() -> None:
    """Class 3 has no episode, class 4 has one with not a pixel in its union."""
    episodes = [(7, Counts(1, 2, 1, 9)), (11, Counts(1, 1, 4, 9)), (4, Counts(0, 0, 0, 9))]
    dropped, zeroed = by_columns(episodes, "drop"), by_columns(episodes, "zero")
    assert [c.iou for c in dropped.classes] == [0.5, None, 0.25, None]
    assert [c.iou for c in zeroed.classes] == [0.5, 0.0, 0.25, 0.0]
    assert (dropped.miou, zeroed.miou) == (0.375, 0.1875)
    assert (dropped.left_out, zeroed.left_out) == ((3, 4), ())
    assert [c.episodes for c in dropped.classes] == [1, 0, 1, 1]
    assert dropped.fb_iou == zeroed.fb_iou == (2 / 6 + 21 / 25) / 2


@pytest.mark.parametrize("empty", RULES)
def test_a_fold_in_which_nothing_was_measured_has_no_score(empty: Empty) -> None:
    assert by_columns([], empty).miou is None
    assert by_columns([], empty).fb_iou is None
    all_void = by_columns([(7, Counts(0, 0, 0, 0))], empty)
    assert (all_void.miou, all_void.fb_iou) == (None, None)
    only_background = by_columns([(7, Counts(0, 0, 0, 5))], empty)
    assert (only_background.miou, only_background.fb_iou) == (None, 1.0)
    only_foreground = by_columns([(7, Counts(5, 5, 5, 5))], empty)
    assert only_foreground.fb_iou == 1.0


ROW = {"class_id": [7, 3], "intersection": [1, 2], "predicted": [2, 2], "truth": [1, 3], "valid": [9, 9]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid": [9.0, 9.0]}, "valid has dtype float64, expected integers"),
        ({"class_id": [True, False]}, "class_id has dtype bool, expected integers"),
        ({"truth": [1]}, "truth has shape (1,), expected one dimension as long as class_id"),
        ({"truth": [[1, 3]]}, "truth has shape (1, 2), expected one dimension as long as class_id"),
        ({"class_id": [7, 5]}, "class 5 is not one of the fold's classes, [7, 3, 11, 4] (4)"),
        ({"intersection": [1, -1]}, "row 1 counts no mask (intersection -1, "),
        ({"intersection": [2, 2]}, "row 0 counts no mask (intersection 2, predicted 2, truth 1, valid 9): "),
        ({"predicted": [0, 2]}, "row 0 counts no mask (intersection 1, predicted 0, "),
        ({"valid": [9, 2]}, "row 1 counts no mask (intersection 2, predicted 2, truth 3, valid 2): "),
        ({"valid": [1, 9]}, "row 0 counts no mask (intersection 1, predicted 2, truth 1, valid 1): "),
        ({"valid": [9, -(2**63)]}, "row 1 counts no mask ("),
        ({"valid": np.array([9, 2**64 - 1], dtype=np.uint64)}, "row 1 counts no mask ("),
        ({"valid": [9, 2**53]}, "valid sums to 9.01e+15 pixels, expected fewer than 2^53"),
    ],
)
def test_columns_that_count_no_masks_are_refused(change: dict[str, Any], message: str) -> None:
    columns(**ROW, fold_classes=FOLD)
    with pytest.raises(ValueError) as caught:
        score(**(ROW | change), fold_classes=FOLD, empty="drop")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("counts", [(2, 1, 2, 9), (2, 2, 1, 9), (-1, 0, 0, 9), (1, 2, 2, 2)])
def test_accumulator_refuses_what_columns_refuse(counts: tuple[int, int, int, int]) -> None:
    accumulator = Accumulator(FOLD, "drop")
    with pytest.raises(ValueError, match="is no mask's"):
        accumulator.update(7, Counts(*counts))
    assert not accumulator.sums.any()
    with pytest.raises(ValueError, match="class 5 is not one of the fold's classes"):
        accumulator.update(5, Counts(1, 2, 3, 9))


def test_bad_rules_and_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="empty is 'nan', expected 'drop' or 'zero'"):
        Accumulator(FOLD, "nan")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"fold_classes is \[7, 7\] \(2\)"):
        Accumulator([7, 7], "drop")
    with pytest.raises(ValueError, match=r"fold_classes is \[\] \(0\)"):
        Accumulator([], "drop")


def test_benchmark_miou_is_the_mean_of_all_folds_or_nothing() -> None:
    folds = ["0", "1", "2", "3"]
    scores: dict[str, float | None] = {"0": 0.25, "1": 0.5, "2": 0.75, "3": 1.0}
    assert benchmark_miou(scores, folds) == 0.625
    assert benchmark_miou(scores | {"2": 0.0}, folds) == 0.4375
    assert benchmark_miou(scores | {"2": None}, folds) is None
    assert benchmark_miou({"0": 0.25, "1": 0.5}, folds) is None
    assert benchmark_miou({"test": 0.5}, ["test"]) == 0.5
    with pytest.raises(ValueError, match="fold '4' is not one of"):
        benchmark_miou(scores | {"4": 0.5}, folds)
    with pytest.raises(ValueError, match="expected distinct names, at least one"):
        benchmark_miou({}, [])
