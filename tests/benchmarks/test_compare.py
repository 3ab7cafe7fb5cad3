"""``python -m benchmarks.compare``: names what got worse or went missing, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.measured import Limit, Measured, Ratio, Report, write_report
from tests.benchmarks.test_measured import report


def ratio(name: str, plain: float) -> Ratio:
    return Ratio(name=name, ours=1.0, plain=plain, unit="s")


def seconds(ours: float) -> Limit:
    return Limit(name="site", ours=ours, unit="s")


def compared(
    old: Report, new: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, list[str]]:
    """Exit code and lines of the command."""
    for name, of in (("old", old), ("new", new)):
        write_report(tmp_path / name, of)
    monkeypatch.setattr("sys.argv", ["compare", str(tmp_path / "old"), str(tmp_path / "new")])
    return compare.main(), capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (ratio("a", 4.0), ratio("a", 3.0), "counting: a: 4.00 times as fast -> 3.00 times as fast, 25% worse"),
        (seconds(10.0), seconds(12.0), "counting: site: 10 s -> 12 s, 20% worse"),
        (ratio("a", 4.0), ratio("b", 4.0), "counting: a: missing (not measured)"),
        (seconds(10.0), Limit(name="site", ours=0.01, unit="h"), "counting: site: missing (not measured)"),
    ],
)
def test_what_got_worse_or_went_missing_is_named(
    old: Measured,
    new: Measured,
    line: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert compared(report(old), report(new), tmp_path, capsys, monkeypatch) == (1, [line])


def test_a_little_worse_better_or_new_is_not_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = report(ratio("a", 4.0), ratio("b", 4.0), seconds(10.0))
    new = report(ratio("a", 3.5), ratio("b", 9.0), seconds(11.0), ratio("c", 0.1))
    assert compared(old, new, tmp_path, capsys, monkeypatch) == (0, ["nothing got more than 15% worse"])


def test_a_module_that_failed_is_named_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = report(ratio("a", 4.0))
    new = old.model_copy(update={"measured": {"counting": []}, "failed": {"counting": "exit 1: they disagree"}})
    code, lines = compared(old, new, tmp_path, capsys, monkeypatch)
    assert (code, lines) == (1, ["counting: a: missing (exit 1: they disagree)"])


def test_another_machine_and_a_quick_run_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = report(ratio("a", 4.0)), report(ratio("a", 4.0), cores=8, quick=True)
    code, lines = compared(old, new, tmp_path, capsys, monkeypatch)
    assert code == 0
    assert lines[:2] == ["note: another cores: 2 -> 8", "note: NEW is a --quick run: its figures are no results"]


@pytest.mark.parametrize("text", ["", "{}", None])
def test_a_file_that_cannot_be_read_ends_it_with_2(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(tmp_path / "old", report(ratio("a", 4.0)))
    if text is not None:
        (tmp_path / "new").write_text(text)
    monkeypatch.setattr("sys.argv", ["compare", str(tmp_path / "old"), str(tmp_path / "new")])
    assert compare.main() == 2
    error = capsys.readouterr().err
    assert error.startswith(f"benchmarks.compare: {tmp_path / 'new'}: ")
    assert error.count("\n") == 1
