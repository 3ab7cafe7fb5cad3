"""A build of each form killed before a file operation: the same command then ends with the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic4.dataset import FORMS, Form
from tests.kills import EVERY, check_kills
from tests.mosaic4.drawn_folders import KEYS, draw_folders


def one_sample_of_a_class() -> None:
    """Four mosaics, the fewest there can be."""
    from mosaic4 import build

    build.sample_ids = lambda key: [f"{key}/1"]


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("form", FORMS)
def test_a_killed_build_ends_with_the_same_bytes(form: Form, every: bool, tmp_path: Path) -> None:
    keys = KEYS[:4]
    raw = draw_folders(tmp_path / "raw", keys, samples=1)
    (tmp_path / "classes.txt").write_text("\n".join(keys) + "\n", encoding="utf-8")
    given = ("--root", raw, "--classes", tmp_path / "classes.txt", "--format", form, "--workers", "1")
    command = ("build", "mosaic4", *given, "--out", "{}/mosaic")
    whole = check_kills([command], tmp_path / "tries", every, patch=one_sample_of_a_class)
    assert len([name for name in whole if name.endswith(".png")]) == (8 if form == "png" else 0)
