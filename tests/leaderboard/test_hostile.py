"""What strangers may hand in: broken records are refused in one line, ugly ones are read, and neither costs much."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fsbench.errors import FsbenchError
from fsbench.io.untrusted import check_json
from fsbench.records.record import read_record
from fsbench.results.read_back import read_replicates, read_stored
from leaderboard.checking.report import check_submission
from leaderboard.checking.submission import Desk
from tests.leaderboard.hostile import CONTROLS, TEXTS, altered, broken_records, made_up, ugly_records

MOST_MEMORY = 200 * 2**10
"""KiB that reading all broken records may take beyond reading one that is whole."""
MOST_SECONDS = 60


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return broken_records(tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def ugly(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return ugly_records(tmp_path_factory.mktemp("ugly"))


def refusal(path: Path) -> str:
    """What the readers say: of the record, of its counts, or of its replicates."""
    try:
        read_record(path)
        read_replicates(read_stored(path))
    except FsbenchError as error:
        return str(error)
    return ""


def test_readers_refuse_each_in_one_harmless_line(broken: dict[str, Path]) -> None:
    assert len(broken) > 100
    for name, path in broken.items():
        said = refusal(path)
        assert said, name
        assert said.isprintable(), (name, said)
        assert len(said.removeprefix(str(path.parent))) < 600, (name, said)
        where = {"counts": "counts.parquet", "replicates": "bootstrap.parquet"}.get(
            name.partition(":")[0], "record.json"
        )
        assert said.startswith(f"{path.parent / where}: "), (name, said)


def test_check_finds_each_fault_once(broken: dict[str, Path]) -> None:
    for name, path in broken.items():
        report = check_submission(path, Desk())
        assert len(report.faults) == 1, (name, report.faults)
        assert report.faults[0].isprintable(), name
        expected = name.partition(":")[0] if ": " in name else "record"
        assert report.faults[0].startswith(f"{expected}: "), (name, report.faults)


_RUN = """
import resource, sys
from leaderboard.cli import app
from leaderboard.cli.check import check
from fsbench.cli.main import main
from fsbench.errors import FsbenchError
import typer
code = 0
try:
    check([__import__("pathlib").Path(sys.argv[1])], None, None, None, None, False)
except FsbenchError as error:
    code = error.exit_code
    print(error, file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
raise SystemExit(code)
"""


def run(folder: Path) -> tuple[int, list[str], list[str], int]:
    """Exit code, lines of standard output and error, and the most memory (KiB) of a check of ``folder``."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(folder)], capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )
    *said, memory = done.stderr.splitlines()
    return done.returncode, done.stdout.splitlines(), said, int(memory)


def test_all_of_them_cost_little_and_end(broken: dict[str, Path], tmp_path: Path) -> None:
    made_up(tmp_path)
    code, _, said, one = run(tmp_path)
    assert (code, said) == (0, [])
    root = next(iter(broken.values())).parents[5]
    code, out, said, memory = run(root)
    assert code == 1
    assert said == [f"{len(broken)} faults in {len(broken)} of {len(broken)} records"]
    assert sum(line.startswith("FAULT") for line in out) == len(broken)
    assert memory - one < MOST_MEMORY


def test_ugly_records_are_sound(ugly: list[Path]) -> None:
    for path in ugly:
        read_replicates(read_stored(path))
        report = check_submission(path, Desk())
        assert report.faults == [], path
        for line in (*report.notes, *(outcome.skipped or "" for outcome in report.outcomes)):
            assert line.isprintable(), (path, line)


def test_ugly_texts_really_stand_in_them(ugly: list[Path]) -> None:
    """Else the tests of those who show them would show nothing."""
    for (name, text), path in zip(TEXTS.items(), ugly, strict=False):
        record = read_record(path)
        assert record.model.name == f"ugly-{name}"
        assert text in (record.model.description, record.model.url, record.benchmark.title)
        assert text == record.environment.processor
        assert all(key.startswith(text[:380]) for fold in record.folds.values() for key in fold.classes)


def test_faults_with_ugly_names_stay_one_line(tmp_path: Path) -> None:
    path = altered(made_up(tmp_path), lambda said: said["folds"]["0"]["classes"]["class_0"].update(iou=0.9))
    path = altered(
        path,
        lambda said: said["folds"]["0"].update(
            classes={f"{CONTROLS}{key}": c for key, c in said["folds"]["0"]["classes"].items()}
        ),
    )
    (fault,) = check_submission(path, Desk()).faults
    assert fault.isprintable()
    assert "follows from the counts" in fault


def test_json_that_says_two_things_is_refused() -> None:
    for data, said in (
        (b'{"a": {"b": 1, "b": 1}}', "key 'b' stands twice"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[" + b"0," * 1_000_001 + b"0]", "more than 1000000 values"),
        (b"[" * 5000, "nested too deeply"),
    ):
        with pytest.raises(ValueError, match=said):
            check_json(data)
    check_json(json.dumps({"a": [1, {"b": 2}], "b": {"a": 1}}).encode())
