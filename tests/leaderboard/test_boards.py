"""What shares a board, what is ranked on it, and what is never ranked."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbench.results.compare import compare
from fsbench.scoring.intervals import paired_interval
from leaderboard.boards import (
    CONTAMINATED,
    NO_REPLICATES,
    OFFLINE_EXAMPLE,
    OTHER_EPISODES,
    OTHER_LISTS,
    PARTIAL,
    Board,
    make_boards,
)
from leaderboard.ranking import rank_ranges, ranks, separable
from leaderboard.results import read_results
from leaderboard.tables import board_table, boards_of, row_cells
from tests.leaderboard.sample_records import part, write
from tests.leaderboard.submissions import made_of_lists


def boards(folder: Path) -> list[Board]:
    return make_boards(read_results(folder).entries)


def names(board: Board) -> list[str]:
    return [row.record.model.name for row in board.rows]


def changed(section: str, **fields: Any) -> Any:
    return lambda said: said[section].update(fields)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    for model, quality in (("poor", 0.3), ("good", 0.8), ("better", 0.81)):
        write(folder, model, quality)
    return folder


def test_equal_questions_share_a_board_best_first(three: Path) -> None:
    (board,) = boards(three)
    assert not board.off
    assert names(board)[2] == "poor"
    assert [row.rank for row in board.rows] == [1, 2, 3]
    scores = [row.miou.score or 0.0 for row in board.rows]
    assert scores == sorted(scores, reverse=True)


def test_separable_says_what_the_paired_interval_says(three: Path) -> None:
    (board,) = boards(three)
    best, second, last = board.rows
    assert (best.from_best, second.from_best, last.from_best) == (False, False, True)
    assert (best.rank_range, second.rank_range, last.rank_range) == ((1, 2), (1, 2), (3, 3))
    for row in (second, last):
        said = compare(best.entries[0].folder, row.entries[0].folder).miou
        assert said is not None
        assert said.ci95 is not None
        assert row.from_best != (said.ci95[0] <= 0 <= said.ci95[1])


@pytest.mark.parametrize(
    "change",
    [
        changed("benchmark", masks_sha256="1" * 64),
        changed("benchmark", lists_sha256="1" * 64),
        changed("benchmark", class_names_sha256="1" * 64),
        changed("benchmark", mask_rule="other"),
        changed("benchmark", partition="other"),
        changed("benchmark", name="another"),
        changed("benchmark", present=2, total=3),
        changed("manifests_sha256", **{"1": "1" * 64}),
        lambda said: said.update(shots=1),
        lambda said: said.update(seed=1),
        lambda said: said.update(modified=["draw-from=present"]),
        lambda said: said.update(protocol="fsbench-v1-50"),
    ],
)
def test_other_questions_are_another_board(change: Any, tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5)
    write(tmp_path, "b", 0.5, change)
    assert sorted(len(board.rows) for board in boards(tmp_path)) == [1, 1]


def test_other_machines_and_copies_of_photographs_share_a_board(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5)
    write(tmp_path, "b", 0.5, changed("benchmark", sources_sha256="1" * 64, builder_version="9"))
    write(tmp_path, "c", 0.5, changed("environment", processor="other"))
    assert [len(board.rows) for board in boards(tmp_path)] == [3]


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        (changed("model", contaminated=True), CONTAMINATED),
        (changed("model", example=True), OFFLINE_EXAMPLE),
    ],
)
def test_marked_rows_have_no_rank_and_stand_beneath(change: Any, mark: str, tmp_path: Path) -> None:
    write(tmp_path, "clean", 0.3)
    write(tmp_path, "marked", 0.9, change)
    (board,) = boards(tmp_path)
    clean, marked = board.rows
    assert (clean.record.model.name, clean.rank, clean.rank_range) == ("clean", 1, (1, 1))
    assert (marked.rank, marked.rank_range, marked.from_best, marked.marks) == (None, None, None, (mark,))
    assert board.ranked == (clean,)


def test_a_row_with_folds_missing_or_no_replicates_has_no_rank(tmp_path: Path) -> None:
    write(tmp_path, "whole", 0.3)
    write(tmp_path, "half", 0.9, run=["1"])
    (write(tmp_path, "bare", 0.9).parent / "bootstrap.parquet").unlink()
    (board,) = boards(tmp_path)
    assert {row.record.model.name: row.marks for row in board.rows} == {
        "whole": (),
        "half": ("no fold 0",),
        "bare": (NO_REPLICATES,),
    }
    assert [row.rank for row in board.rows] == [1, None, None]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("title", ["made-up", "made-up [partial 1/1]", "PASCAL-5i"])
def test_a_part_is_never_on_a_main_board_though_the_record_lies(partial: bool, title: str, tmp_path: Path) -> None:
    write(tmp_path, "honest", 0.5)
    write(tmp_path, "liar", 0.9, changed("benchmark", partial=partial, title=title, present=7, total=9))
    main, off = boards(tmp_path)
    assert (names(main), main.off) == (["honest"], ())
    assert (names(off), off.off) == (["liar"], (PARTIAL,))
    assert "[partial 7/9]" in off.title


def test_a_flag_alone_makes_a_part(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, changed("benchmark", partial=True))
    (board,) = boards(tmp_path)
    assert board.off == (PARTIAL,)
    assert "[partial 1/1]" in board.title


@pytest.mark.parametrize(("protocol", "shots"), [("fsbench-v1", 1), ("hsnet", 1), ("mosaic4-v1", 1)])
def test_a_part_that_calls_itself_whole_is_on_no_main_board(protocol: str, shots: int, tmp_path: Path) -> None:
    """Fewer episodes than the val lists have pairs, fewer asked than drawn, a protocol without a rule there."""
    path = made_of_lists("pascal-5i", tmp_path / "results", "fsbench-v1", shots)
    said = json.loads(path.read_text(encoding="utf-8"))
    (board,) = make_boards(read_results(path.parent).entries)
    assert board.off == ()
    said["protocol"] = protocol
    for fold in said["folds"].values():
        fold["drawn"] += 1
    path.write_text(json.dumps(said), encoding="utf-8")
    (board,) = make_boards(read_results(path.parent).entries)
    assert board.off == (OTHER_EPISODES,)


def test_another_list_under_a_published_name_is_no_main_board(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, changed("benchmark", name="pascal-5i"))
    (board,) = boards(tmp_path)
    assert board.off == (OTHER_LISTS,)
    assert board.benchmark.title == "PASCAL-5i"


def test_a_modified_protocol_is_no_main_board(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, lambda said: said.update(modified=["draw-from=present"]))
    (board,) = boards(tmp_path)
    assert board.off == ("modified: draw-from=present",)
    assert "fsbench-v1(modified)" in board.title


def test_main_boards_come_first(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, part)
    write(tmp_path, "b", 0.5, lambda said: said.update(shots=5))
    write(tmp_path, "c", 0.5)
    found = boards(tmp_path)
    assert [(board.shots, bool(board.off)) for board in found] == [(0, False), (5, False), (0, True)]
    assert boards_of(found, "made-up", 5, None) == [found[1]]
    assert boards_of(found, "made-up", None, "hsnet") == []
    assert boards_of(found, "other", None, None) == []


def test_runs_are_averaged(tmp_path: Path) -> None:
    for run in range(5):
        for model in ("a", "b"):
            write(
                tmp_path,
                model,
                0.2 + 0.1 * run,
                lambda said, run=run: said.update(run=run),  # type: ignore[misc]
                place=f"{model}/run{run}",
                protocol="panet",
                seed=run if run < 2 else 0,
                noise=f"{model}{run}",
            )
    (board,) = [board for board in boards(tmp_path) if board.seed == 0]
    row = next(row for row in board.rows if row.record.model.name == "a")
    assert row.marks == ("4 of 5 runs",)
    scores = [entry.record.miou or 0.0 for entry in row.entries]
    assert [entry.record.run for entry in row.entries] == [0, 2, 3, 4]
    assert row.miou.score == fmean(scores)
    assert row.miou.deviation == stdev(scores)
    assert row.miou.ci95 is None
    assert row_cells(board, row)["miou_std"] == row.miou.deviation


def test_all_runs_are_ranked_but_not_said_to_be_separable(tmp_path: Path) -> None:
    for run in range(5):
        for model, quality in (("a", 0.4), ("b", 0.6)):
            change = {"run": run}
            place = f"{model}/run{run}"
            write(tmp_path, model, quality, lambda said, c=change: said.update(c), place=place, protocol="panet")  # type: ignore[misc]
    (board,) = boards(tmp_path)
    assert [(row.record.model.name, row.rank, row.rank_range, row.from_best) for row in board.rows] == [
        ("b", 1, None, None),
        ("a", 2, None, None),
    ]


def test_a_limit_reaches_no_board_and_a_copy_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5)
    write(tmp_path, "a", 0.5, place="copy")
    write(tmp_path, "trial", 0.5, lambda said: said.update(limit=3))
    results = read_results(tmp_path)
    (board,) = make_boards(results.entries)
    assert names(board) == ["a"]
    assert results.refused == ()
    assert results.remarks == (
        "copy: is the record of a once more: left out.",
        "1 record of a --limit is left out: a trial is no score.",
    )


def test_the_table_of_a_board(three: Path) -> None:
    (board,) = boards(three)
    table = board_table(board)
    assert list(table["model"]) == names(board)
    assert list(table["miou"]) == [row.miou.score for row in board.rows]
    assert list(table["rank_high"]) == [2, 2, 3]
    assert {"fold0", "fold0_low", "fold1_high", "miou_low", "fb_iou_high", "test_images_seen"} <= set(table)
    assert set(table["test_images_seen"]) == {"unknown"}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**31), st.floats(0, 3))
def test_ranges_are_those_of_a_naive_count(rows: int, seed: int, apart: float) -> None:
    generator = np.random.RandomState(seed)
    scores = [
        np.round(generator.normal(apart * row, 1, 100), 1) for row in range(rows)
    ]  # rounded, so that some are equal
    drawn = [np.where(generator.rand(100) < 0.02, np.nan, of_row) for of_row in scores]
    by_replicate = []
    for column in zip(*drawn, strict=True):
        known = [-99.0 if np.isnan(value) else value for value in column]
        by_replicate.append([1 + sum(other > value for other in known) for value in known])
    expected = []
    for row in range(rows):
        ordered = sorted(of_all[row] for of_all in by_replicate)
        expected.append((ordered[2], ordered[97]))  # places 0.025 * 99 = 2.475 rounded down, 0.975 * 99 = 96.525 up
    assert rank_ranges(drawn) == expected


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), max_size=8))
def test_ranks_are_one_more_than_those_above(values: list[float]) -> None:
    assert ranks(values) == [1 + sum(other > value for other in values) for value in values]


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.02, 0.02), st.integers(0, 2**31))
def test_separable_is_an_interval_without_zero(shift: float, seed: int) -> None:
    generator = np.random.RandomState(seed)
    a, b = generator.normal(0.5, 0.01, 400), generator.normal(0.5 + shift, 0.01, 400)
    low, high = np.percentile(a - b, (2.5, 97.5))
    assert separable(a, b) == (low > 0 or high < 0)
    assert separable(a, a) is False
    assert paired_interval(a, b) == pytest.approx((low, high))
