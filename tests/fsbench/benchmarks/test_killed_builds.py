"""A build and an archive by hand, killed before any file operation: the same command ends with the same bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.fss_as_released import write_release
from tests.leaderboard.test_killed_commands import EVERY, check


@pytest.mark.parametrize("step", EVERY)
def test_fss_1000(step: int, tmp_path: Path) -> None:
    write_release(tmp_path / "raw", ("peregine_falcon", "screw"))
    (tmp_path / "classes.txt").write_text("screw\nperegine_falcon\n", encoding="utf-8")
    given = ("--root", tmp_path / "raw", "--classes", tmp_path / "classes.txt", "--workers", "1")
    (tmp_path / "tries").mkdir()
    commands = [("build", "fss-1000", *given, "--out", "{}/fss"), ("verify", "{}/fss")]
    assert check(commands, tmp_path / "tries", step) > 10 // step


@pytest.mark.parametrize("step", EVERY)
def test_an_archive_by_hand(step: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "fewshot_data.zip", "w") as archive:
        for path in sorted(write_release(tmp_path / "raw", ("screw",)).rglob("*.*")):
            archive.write(path, f"fewshot_data/{path.relative_to(tmp_path / 'raw')}")
    (tmp_path / "tries").mkdir()
    commands = [("download", "fss-1000", "--archive", tmp_path / "fewshot_data.zip", "--root", "{}")]
    assert check(commands, tmp_path / "tries", step) > 20 // step
