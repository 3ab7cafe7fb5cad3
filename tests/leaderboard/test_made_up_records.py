"""The records that ``benchmarks/leaderboard_scale.py`` makes up are what an evaluation would have left."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.made_up_records import LARGE, OTHERS, write_records
from fsbench.results.read_back import read_checked
from fsbench.scoring.scores import write_replicates
from leaderboard.boards import make_boards
from leaderboard.results import find_records, read_results


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-up")
    assert write_records(folder, 2, 4) == 6
    return folder


def test_scores_and_replicates_are_those_of_the_counts(folder: Path, tmp_path: Path) -> None:
    paths = find_records(folder)
    assert len(paths) == 6
    for path in paths:
        stored = read_checked(path)
        scores = stored.scores(stored.protocol, imagewise=False)
        said = stored.record
        for name in ("folds", "miou", "fb_iou", "ci95"):
            assert getattr(scores, name) == getattr(said, name)
        write_replicates(tmp_path / "bootstrap.parquet", scores.replicates)
        assert pq.read_table(path.with_name("bootstrap.parquet")) == pq.read_table(tmp_path / "bootstrap.parquet")


def test_boards_are_main_boards(folder: Path) -> None:
    results = read_results(folder)
    assert not results.refused
    assert not results.remarks
    boards = make_boards(results.entries)
    assert not any(board.off for board in boards)
    found = {(board.benchmark.name, board.protocol.id, board.shots): len(board.rows) for board in boards}
    assert found == {LARGE: 2, **dict.fromkeys(OTHERS, 1)}


def test_another_call_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_records(tmp_path, 2, 0)
    for path in tmp_path.rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()
    assert len(list(tmp_path.rglob("record.json"))) == 2
