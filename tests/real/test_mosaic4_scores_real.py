"""Models that can be reasoned about, asked about mosaics of real photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbench import evaluate
from fsbench.records.counts import Row, read_counts
from mosaic4.benchmark import MosaicBenchmark


def test_everything_is_foreground(mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    """All four objects are covered alike, so none is named; three quarters of the prediction leak."""
    record = evaluate("foreground", mosaic, out=tmp_path)
    assert record.protocol == "mosaic4-v1"
    scores = {name: score.score for name, score in record.other.items()}
    assert (scores["named"], scores["hit"], scores["miss"], scores["leak"]) == (0.0, 0.0, 0.0, 0.75)
    assert scores["false_alarm_5"] == 1.0
    present = [row for row in read_counts(tmp_path / record.folder() / "counts.parquet") if not row.absent]
    wrong = [sum(row.scene.areas) - row.truth for row in present if row.scene is not None]
    assert scores["wrong_object"] == pytest.approx(sum(w / 448**2 for w in wrong) / len(wrong), abs=1e-9)
    of_class: dict[int, list[Row]] = {}
    for row in present:
        of_class.setdefault(row.class_id, []).append(row)
    ious = [sum(row.truth for row in rows) / (len(rows) * 448**2) for rows in of_class.values()]
    assert record.miou == pytest.approx(sum(ious) / 27)


@pytest.mark.parametrize("model", ["center", "random"])
def test_guesses_that_know_no_name_are_at_chance(model: str, mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    """One of four: 0.25 lies in the interval, or ties take from it; no tile holds more than half of the prediction."""
    scores = evaluate(model, mosaic, out=tmp_path).other
    interval = scores["named"].ci95
    assert interval is not None
    assert interval[0] < 0.26
    assert interval[1] > 0.20
    assert scores["hit"].score == 0.0
    assert scores["leak"].score == pytest.approx(0.75, abs=0.01)


@pytest.mark.long
def test_a_model_that_looks_is_above_chance(mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    record = evaluate("prototype", mosaic, out=tmp_path)
    interval = record.other["named"].ci95
    assert record.shots == 1
    assert interval is not None
    assert interval[0] > 0.5
