"""A build of each form that is killed before any file operation: the same command then ends with the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic4.dataset import FORMS, Form
from tests.leaderboard.test_killed_commands import check
from tests.mosaic4.drawn_folders import KEYS, draw_folders

STEPS: dict[Form, tuple[int, int]] = {"recipe": (23, 1), "png": (307, 11), "parquet": (29, 1)}
"""Form -> steps from one operation to the next that is met, here and by ``pytest -m long``; PNGs are 100 files."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", [pytest.param(0, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)])
def test_build(form: Form, which: int, tmp_path: Path) -> None:
    raw = draw_folders(tmp_path / "raw")
    (tmp_path / "classes.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    given = ("--root", raw, "--classes", tmp_path / "classes.txt", "--format", form, "--workers", "1")
    step = STEPS[form][which]
    commands = [("build", "mosaic4", *given, "--out", "{}/mosaic"), ("verify", "{}/mosaic")]
    (tmp_path / "tries").mkdir()
    assert check(commands, tmp_path / "tries", step) > 20 // step
