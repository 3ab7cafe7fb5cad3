"""The published rows are those of the reference file, and as consistent as their sources are."""

from __future__ import annotations

import csv
from importlib.resources import files
from itertools import pairwise

import pytest

from fsbench.episodes.protocols import PROTOCOLS
from leaderboard.boards import known_lists
from leaderboard.published import FOLDS, published_for, published_rows
from leaderboard.text import visible
from tests import ROOT

REFERENCE = ROOT.parent / "shared" / "reference" / "published_results.csv"


def test_there_are_111_of_four_benchmarks() -> None:
    assert len(published_rows()) == 111
    names = {row.benchmark for row in published_rows()}
    assert names == {"pascal-5i", "coco-20i", "coco-20i-to-pascal-voc", "fss-1000"}


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference file is not beside this checkout")
def test_they_are_the_reference_file() -> None:
    shipped = files("leaderboard.data").joinpath("published_results.csv").read_bytes()
    assert shipped == REFERENCE.read_bytes()
    for cells, row in zip(csv.DictReader(shipped.decode().splitlines()), published_rows(), strict=True):
        for name, value in [*((f"fold{fold}", row.folds[fold]) for fold in FOLDS), ("mean", row.mean)]:
            assert cells[name] == as_printed(value, cells[name])
        assert (cells["model"], cells["source"], cells["note"]) == (row.model, row.source, row.note)


def as_printed(value: float | None, text: str) -> str:
    """A number with as many decimals as ``text``."""
    return "" if value is None else f"{value:.{len(text.partition('.')[2])}f}"


def test_rows_are_sane() -> None:
    for row in published_rows():
        assert known_lists(row.benchmark) is not None
        assert row.model, row
        assert row.source, row
        assert row.shots in (0, 1, 5), row
        assert row.protocol is None or row.protocol in PROTOCOLS, row
        assert (row.protocol_title == "not known") == (row.protocol is None), row
        for value in (*row.folds.values(), row.mean, row.fb_iou):
            assert value is None or 1 < value < 100, row
        assert row.mean is not None or None not in row.folds.values(), row
        for text in (row.model, row.encoders, row.source, row.note):
            assert visible(text) == text


def test_every_mean_is_that_of_its_folds_as_far_as_rounding_tells() -> None:
    checked = 0
    for row in published_rows():
        folds = [value for value in row.folds.values() if value is not None]
        if row.mean is None or len(folds) < 4:
            continue
        decimals = min(len(repr(value).partition(".")[2]) for value in (*folds, row.mean))
        assert abs(sum(folds) / 4 - row.mean) <= 10**-decimals + 1e-9, row  # half a unit each, of folds and mean
        checked += 1
    assert checked > 80


def test_best_mean_first_by_shots_and_protocol() -> None:
    rows = published_for("pascal-5i")
    assert len(rows) == sum(row.benchmark == "pascal-5i" for row in published_rows())
    assert [row.shots for row in rows] == sorted(row.shots for row in rows)
    for first, second in pairwise(rows):
        if (first.shots, first.protocol) == (second.shots, second.protocol):
            assert (first.mean or 0) >= (second.mean or 0)
    assert {row.shots for row in published_for("coco-20i", 1)} == {1}
    assert published_for("nothing") == []
