"""Untrusted records: broken ones are refused in one line, ugly ones are read, and neither costs much."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fsbench.errors import FsbenchError
from fsbench.io.untrusted import check_json
from fsbench.records.record import read_record
from fsbench.results.read_back import read_checked, read_replicates
from leaderboard.checking.report import check_submission
from leaderboard.checking.submission import Desk
from tests.leaderboard.hostile import CONTROLS, TEXTS, made_up
from tests.leaderboard.sample_records import altered

MOST_MEMORY = 200 * 2**10
"""KiB that reading all broken records may take beyond reading one that is whole."""
MOST_SECONDS = 60


def refusal(path: Path) -> str:
    """What the readers say: of the record, of its counts, or of its replicates."""
    try:
        read_record(path)
        read_replicates(read_checked(path))
    except FsbenchError as error:
        return str(error)
    return ""


def test_readers_refuse_each_in_one_harmless_line(broken: dict[str, Path]) -> None:
    assert len(broken) > 100
    for name, path in broken.items():
        message = refusal(path)
        assert message, name
        assert message.isprintable(), (name, message)
        assert len(message.removeprefix(str(path.parent))) < 600, (name, message)
        files = {"counts": "counts.parquet", "replicates": "bootstrap.parquet"}
        where = path.with_name(files.get(name.partition(":")[0], "record.json"))
        assert message.startswith(f"{where}: "), (name, message)


_RUN = """
import contextlib, io, resource, sys
from pathlib import Path
from leaderboard.cli.check import check
from fsbench.errors import CheckFailedError

with contextlib.redirect_stdout(io.StringIO()):
    check([Path(sys.argv[1])], None, None, None, None, True)
one = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    check([Path(sys.argv[2])], None, None, None, None, True)
except CheckFailedError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - one, file=sys.stderr)
"""


def test_check_finds_each_fault_once_at_little_cost(broken: dict[str, Path], tmp_path: Path) -> None:
    made_up(tmp_path)
    root = next(iter(broken.values())).parents[5]
    command = [sys.executable, "-c", _RUN, str(tmp_path), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    found = {}
    for report in json.loads(done.stdout)["records"]:
        ((name, fault),) = [(outcome["name"], fault) for outcome in report["outcomes"] for fault in outcome["faults"]]
        assert fault.isprintable()
        found[report["record"]] = name
    expected = {path: name.partition(":")[0] if ": " in name else "record" for name, path in broken.items()}
    assert found == {str(path): name for path, name in expected.items()}
    assert int(done.stderr) < MOST_MEMORY


def test_ugly_records_are_sound(ugly: Path) -> None:
    paths = list(ugly.glob("ugly-*/**/record.json"))
    assert len(paths) == len(TEXTS)
    for path in paths:
        read_replicates(read_checked(path))
        report = check_submission(path, Desk())
        assert report.faults == [], path
        for line in (*report.notes, *(outcome.skipped or "" for outcome in report.outcomes)):
            assert line.isprintable(), (path, line)


def test_ugly_texts_are_really_in_them(ugly: Path) -> None:
    """Else the tests of those who show them would show nothing."""
    for name, text in TEXTS.items():
        record = read_record(ugly / "again" / name / "record.json")
        assert record.model.name == f"ugly-{name}-again"
        assert text in (record.model.description, record.model.url, record.benchmark.title)
        assert text == record.environment.processor
        assert all(key.startswith(text[:380]) for fold in record.folds.values() for key in fold.classes)


def test_faults_with_ugly_names_stay_one_line(tmp_path: Path) -> None:
    def change(said: dict[str, Any]) -> None:
        fold = said["folds"]["0"]
        fold["classes"]["class_0"]["iou"] = 0.9
        fold["classes"] = {f"{CONTROLS}{key}": c for key, c in fold["classes"].items()}

    (fault,) = check_submission(altered(made_up(tmp_path), change), Desk()).faults
    assert fault.isprintable()
    assert "follows from the counts" in fault


def test_json_that_says_two_things_is_refused() -> None:
    for data, said in (
        (b'{"a": {"b": 1, "b": 1}}', "key 'b' is duplicated"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[" + b"0," * 1_000_001 + b"0]", "more than 1000000 values"),
        (b"[" * 5000, "nested too deeply"),
    ):
        with pytest.raises(ValueError, match=said):
            check_json(data)
    check_json(json.dumps({"a": [1, {"b": 2}], "b": {"a": 1}}).encode())
