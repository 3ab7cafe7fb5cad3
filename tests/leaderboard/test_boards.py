"""What shares a board, what is ranked on it, and what is never ranked."""

from __future__ import annotations

import json
import shutil
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
from leaderboard.tables import boards_of, row_cells
from tests.leaderboard.sample_records import altered, at, part, write
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


OTHER_QUESTIONS = (
    changed("benchmark", masks_sha256="1" * 64),
    changed("benchmark", lists_sha256="1" * 64),
    changed("benchmark", class_names_sha256="1" * 64),
    changed("benchmark", mask_rule="other"),
    changed("benchmark", partition="other"),
    changed("benchmark", name="another"),
    changed("benchmark", present=2, total=3),
    changed("manifests_sha256", **{"1": "1" * 64}),
    at("shots", value=1),
    at("seed", value=1),
    at("modified", value=["draw-from=present"]),
    at("protocol", value="fsbench-v1-50"),
)
SAME_QUESTIONS = (
    changed("benchmark", sources_sha256="1" * 64, builder_version="9"),
    changed("environment", processor="other"),
)


def test_records_share_a_board_where_they_answer_the_same_questions(tmp_path: Path) -> None:
    """The photographs' files and the machine may differ."""
    path = write(tmp_path, "first", 0.5)
    for number, change in enumerate((*OTHER_QUESTIONS, *SAME_QUESTIONS)):
        again = tmp_path / str(number)
        shutil.copytree(path.parent, again)
        altered(again / "record.json", change)
        altered(again / "record.json", changed("model", name=f"other-{number}"))
    results = read_results(tmp_path)
    assert not results.refused
    found = sorted(len(board.rows) for board in make_boards(results.entries))
    assert found == [1] * len(OTHER_QUESTIONS) + [1 + len(SAME_QUESTIONS)]


def test_rows_with_a_mark_folds_missing_or_no_replicates_have_no_rank(tmp_path: Path) -> None:
    write(tmp_path, "whole", 0.3)
    write(tmp_path, "half", 0.9, run=["1"])
    (write(tmp_path, "bare", 0.8).parent / "bootstrap.parquet").unlink()
    write(tmp_path, "contaminated", 0.7, changed("model", contaminated=True))
    write(tmp_path, "example", 0.6, changed("model", example=True))
    (board,) = boards(tmp_path)
    assert {row.record.model.name: row.marks for row in board.rows} == {
        "whole": (),
        "bare": (NO_REPLICATES,),
        "contaminated": (CONTAMINATED,),
        "example": (OFFLINE_EXAMPLE,),
        "half": ("no fold 0",),
    }
    whole, *others = board.rows
    assert (whole.rank, whole.rank_range, board.ranked) == (1, (1, 1), (whole,))
    assert {(row.rank, row.rank_range, row.from_best) for row in others} == {(None, None, None)}


@pytest.mark.parametrize(
    ("partial", "title", "of_all"),
    [
        (False, "made-up", {"present": 7, "total": 9}),
        (True, "made-up [partial 1/1]", {"present": 7, "total": 9}),
        (False, "PASCAL-5i", {"present": 7, "total": 9}),
        (True, "made-up", {}),
    ],
)
def test_a_part_is_never_on_a_main_board_though_the_record_lies(
    partial: bool, title: str, of_all: dict[str, int], tmp_path: Path
) -> None:
    write(tmp_path, "honest", 0.5)
    write(tmp_path, "liar", 0.9, changed("benchmark", partial=partial, title=title, **of_all))
    main, off = boards(tmp_path)
    assert (names(main), main.off) == (["honest"], ())
    assert (names(off), off.off) == (["liar"], (PARTIAL,))
    assert ("[partial 7/9]" if of_all else "[partial 1/1]") in off.title


def test_a_part_that_calls_itself_whole_is_on_no_main_board(tmp_path: Path) -> None:
    """Fewer episodes than the val lists have pairs, fewer asked than drawn, a protocol without a rule there."""
    path = made_of_lists("pascal-5i", tmp_path / "results", "fsbench-v1", 1)
    original = path.read_text(encoding="utf-8")
    (board,) = boards(path.parent)
    assert board.off == ()
    for protocol in ("fsbench-v1", "hsnet", "mosaic4-v1"):
        record = json.loads(original)
        record["protocol"] = protocol
        for fold in record["folds"].values():
            fold["drawn"] += 1
        path.write_text(json.dumps(record), encoding="utf-8")
        (board,) = boards(path.parent)
        assert board.off == (OTHER_EPISODES,)


def test_other_lists_and_a_modified_protocol_are_no_main_board(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, changed("benchmark", name="pascal-5i"))
    write(tmp_path, "b", 0.5, lambda record: record.update(modified=["draw-from=present"]))
    modified, other = boards(tmp_path)
    assert other.off == (OTHER_LISTS,)
    assert other.benchmark.title == "PASCAL-5i"
    assert modified.off == ("modified: draw-from=present",)
    assert "fsbench-v1(modified)" in modified.title


def test_main_boards_come_first(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, part)
    write(tmp_path, "b", 0.5, lambda said: said.update(shots=5))
    write(tmp_path, "c", 0.5)
    found = boards(tmp_path)
    assert [(board.shots, bool(board.off)) for board in found] == [(0, False), (5, False), (0, True)]
    assert boards_of(found, "made-up", 5, None) == [found[1]]
    assert boards_of(found, "made-up", None, "hsnet") == []
    assert boards_of(found, "other", None, None) == []


def test_runs_are_averaged_and_ranked_but_never_separable(tmp_path: Path) -> None:
    """A has 4 runs of 5 (its run 1 is of another seed), B all."""
    for run in range(5):
        for model, seed in (("a", run if run < 2 else 0), ("b", 0)):
            given = {"place": f"{model}/run{run}", "noise": f"{model}{run}", "protocol": "panet", "seed": seed}
            write(tmp_path, model, 0.2 + 0.1 * run, at("run", value=run), **given)
    (board,) = [board for board in boards(tmp_path) if board.seed == 0]
    b, a = board.rows
    assert (a.record.model.name, a.marks, a.rank) == ("a", ("4 of 5 runs",), None)
    assert [entry.record.run for entry in a.entries] == [0, 2, 3, 4]
    scores = [entry.record.miou or 0.0 for entry in a.entries]
    assert (a.miou.score, a.miou.deviation, a.miou.ci95) == (fmean(scores), stdev(scores), None)
    assert row_cells(board, a)["miou_std"] == a.miou.deviation
    assert (b.marks, b.rank, b.rank_range, b.from_best) == ((), 1, None, None)


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


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**31), st.floats(0, 3))
def test_ranges_are_those_of_a_naive_count(rows: int, seed: int, apart: float) -> None:
    generator = np.random.RandomState(seed)
    scores = np.round([generator.normal(apart * row, 1, 100) for row in range(rows)], 1)  # so that some are equal
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


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.02, 0.02), st.integers(0, 2**31))
def test_separable_is_an_interval_without_zero(shift: float, seed: int) -> None:
    generator = np.random.RandomState(seed)
    a, b = generator.normal(0.5, 0.01, 400), generator.normal(0.5 + shift, 0.01, 400)
    low, high = np.percentile(a - b, (2.5, 97.5))
    assert separable(a, b) == (low > 0 or high < 0)
    assert separable(a, a) is False
    assert paired_interval(a, b) == pytest.approx((low, high))
