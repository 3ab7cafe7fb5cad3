"""``bench.json``: what is written is read back, anything else is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measured import Limit, Machine, Measured, Ratio, Report, read_report, write_report
from fsbench.errors import FsbenchError


def report(*measured: Measured, cores: int = 2, quick: bool = False) -> Report:
    made_on = Machine(processor="P", cores=cores, python="3.11.7", torch="2.4.0", numpy="2.0.0", pillow="10.3.0")
    figures = {"counting": list(measured)}
    return Report(date="2025-01-01", quick=quick, load=0.5, machine=made_on, measured=figures, skipped={}, failed={})


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = report(
        Ratio(name="a", ours=2.0, plain=3.0, unit="ms", floor=1.5), Limit(name="b", ours=2.0, unit="s", limit=1.0)
    )
    write_report(tmp_path / "bench.json", written)
    read = read_report(tmp_path / "bench.json")
    assert read == written
    assert [one.met for one in read.measured["counting"]] == [True, False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"ours": 2.0', '"ours": "2"'),
        ('"ours": 2.0', '"ours": 0'),
        ('"ours": 2.0', '"ours": NaN'),
        ('"kind": "ratio"', '"kind": "other"'),
        ('"unit"', '"units"'),
        ("bench/1", "bench/9"),
        ("{", "["),
    ],
)
def test_a_damaged_report_is_refused_in_one_line(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    write_report(path, report(Ratio(name="a", ours=2.0, plain=3.0, unit="ms")))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FsbenchError) as refused:
        read_report(path)
    assert str(refused.value).startswith(f"{path}: is not a file of measurements")
    assert "\n" not in str(refused.value)
