"""A record that says its model answers probabilities is ranked like any other, and every table says so beneath."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fsbench.index.benchmark import Benchmark
from fsbench.records.remarks import ADVICE
from leaderboard.boards import make_boards
from leaderboard.diff import diff_records
from leaderboard.render.json_text import json_text
from leaderboard.render.latex import latex
from leaderboard.render.markdown import markdown
from leaderboard.results import read_results
from leaderboard.site.build import build_site
from leaderboard.site.pages import Site, benchmark_path
from tests.fsbench.records.test_remarks import Sigmoid
from tests.leaderboard.sample_records import write
from tests.leaderboard.submissions import check, evaluated

LINE = f"model probable (fold 1): {ADVICE}."


def remarked(said: dict[str, Any]) -> None:
    said["folds"]["1"]["remarks"] = ["probabilities"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write(tmp_path / "results", "probable", 0.8, remarked)
    write(tmp_path / "results", "plain", 0.6)
    return tmp_path / "results"


def test_tables_say_it_beneath(results: Path, tmp_path: Path) -> None:
    read = read_results(results)
    boards = make_boards(read.entries)
    ranked = [(row.record.model.name, row.rank, row.marks) for row in boards[0].rows]
    assert ranked == [("probable", 1, ()), ("plain", 2, ())]
    assert LINE in markdown(boards)
    assert LINE in latex(boards).replace("\n", " ")
    rows = json.loads(json_text(boards))["boards"][0]["rows"]
    assert [row["remarks"] for row in rows] == [[LINE], []]
    build_site(Site(read, boards), tmp_path / "site")
    assert LINE[1:] in (tmp_path / "site" / benchmark_path("made-up")).read_text(encoding="utf-8")


def test_a_resubmission_without_it_is_another(results: Path, tmp_path: Path) -> None:
    path = next(results.glob("probable/record.json"))
    write(tmp_path, "probable", 0.8)
    (change,) = diff_records("here", path, tmp_path / "probable" / "record.json").scores
    assert (change.what, change.old, change.new) == ("fold 1 remarks", ["probabilities"], [])


def test_a_check_notes_it_and_finds_no_fault(small: Benchmark, tmp_path: Path) -> None:
    report = check(evaluated(Sigmoid(), small, tmp_path / "results"), small)
    assert report.faults == []
    assert f"model sigmoid: {ADVICE}." in report.notes
