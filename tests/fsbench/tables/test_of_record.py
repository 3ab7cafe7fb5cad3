"""A record in Python: its table as text and HTML, its scores as data frames, and the face of the package."""

from __future__ import annotations

import pydoc
from pathlib import Path

import pandas as pd
import pytest

import fsbench
from fsbench.index.benchmark import Benchmark
from fsbench.records.record import Record
from tests.fsbench.sample_models import Bright


@pytest.fixture(scope="module")
def record(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Record:
    return fsbench.evaluate(Bright(), small, shots=0, threads=1, out=tmp_path_factory.mktemp("results"))


def test_print_shows_the_table_and_repr_is_one_line(record: Record) -> None:
    assert record.miou is not None
    text = str(record)
    assert text.startswith("tiny · fsbench-v1 · 0-shot · seed 0\n")
    row = next(line for line in text.splitlines() if line.startswith(" bright"))
    assert f"{100 * record.miou:.1f}" in row.split()
    assert repr(record) == f"<Record bright on tiny, fsbench-v1, 0-shot, seed 0: mIoU {record.miou:.4f}>"


def test_html_escapes_what_the_record_says(record: Record) -> None:
    benchmark = record.benchmark.model_copy(update={"title": "<script>alert(1)</script>"})
    html = record.model_copy(update={"benchmark": benchmark})._repr_html_()
    assert html.startswith("<pre")
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def test_data_frames_hold_the_scores_of_the_record(record: Record) -> None:
    folds, classes = record.to_pandas("fold"), record.to_pandas()
    assert folds["miou"].mean() == pytest.approx(record.miou)
    tested = classes[classes["tested"]]
    by_fold = (tested["intersection"] / tested["union"]).groupby("fold").mean()
    pd.testing.assert_series_equal(by_fold, folds["miou"], check_names=False)
    assert folds["episodes"].sum() == classes["episodes"].sum()
    with pytest.raises(ValueError, match="by is 'shot', expected 'class' or 'fold'"):
        record.to_pandas("shot")  # type: ignore[arg-type]


def test_classes_asked_beside_the_folds_are_not_tested(small: Benchmark, tmp_path: Path) -> None:
    asked = {"protocol": "fsbench-general-v1", "folds": 0, "shots": 0, "threads": 1, "out": tmp_path}
    frame = fsbench.evaluate("foreground", small, **asked).to_pandas()
    assert set(frame["tested"]) == {True, False}


def test_the_face_of_the_package() -> None:
    assert {*fsbench.__all__, "__version__"} == set(dir(fsbench))
    assert all(getattr(fsbench, name) for name in dir(fsbench))
    page = pydoc.plain(pydoc.render_doc(fsbench))
    assert "Evaluate a model and read the result" in page
