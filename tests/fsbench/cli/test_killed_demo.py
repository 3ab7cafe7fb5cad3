"""The demo killed before a file operation: the same command then ends with the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kills import check_kills


def small_demo() -> None:
    """Folds of eight and two classes, six samples each; one guess, two pictures, two training steps."""
    from fsbench.benchmarks.fss import class_folders
    from fsbench.benchmarks.toy import build
    from fsbench.cli import demo
    from fusioner import recipes

    class_folders.PER_CLASS = 6
    build.FOLDS = {fold: build.FOLDS[fold][:classes] for fold, classes in (("0", 8), ("1", 2))}
    demo.GUESSES, demo.PICTURES = ("foreground",), 2
    quick = recipes.quick
    recipes.quick = lambda *given, **options: replace(quick(*given, **options), epochs=1, pairs=16)


@pytest.mark.long
def test_a_killed_demo_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole = check_kills(
        [("demo", "--workers", "1", "--out", "{}")], tmp_path / "tries", False, patch=small_demo, kills=3
    )
    assert {"answers.png", "fusioner/fold0/card.json"} <= whole.keys()
