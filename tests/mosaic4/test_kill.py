"""A build killed with SIGKILL at random moments: no partial file under a final name, and the same bytes in the end.

Every other kill waits for a file to appear first, so that half-done builds are met on any machine.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mosaic4.dataset import Form
from tests.mosaic4.drawn_folders import contents, draw_folders
from tests.mosaic4.test_build import command

LETTERS: dict[Form, str] = {"png": "abcdef", "parquet": "abcdefghijkl"}
"""Form -> a class for each letter: 60 mosaics in 120 files, and 120 in two shards."""
KILLS = 10
IN_A_ROW = 3
"""Kills of one build, which resumes each time, before it may finish."""


def names(out: Path) -> set[str]:
    """The final names in a folder that is being written."""
    return {path.name for path in out.rglob("[!.]*.*")}


def visible(out: Path) -> dict[str, bytes]:
    """The files under final names."""
    return {name: data for name, data in contents(out).items() if not Path(name).name.startswith(".")}


@pytest.mark.long
@pytest.mark.parametrize("form", ["png", "parquet"])
def test_a_build_killed_at_any_moment_ends_with_the_same_bytes(form: Form, tmp_path: Path) -> None:
    raw = draw_folders(tmp_path / "raw", tuple(LETTERS[form]))
    moments, undisturbed = random.Random(form), tmp_path / "undisturbed"

    def build(out: Path, seconds: float | None, *, wait: bool = False) -> int:
        """Exit code of a build that is killed so many seconds after its start, or after its first new file."""
        before = names(out)
        with subprocess.Popen(command(raw, str(out), form, 2, LETTERS[form]), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            if seconds is not None:
                while wait and process.poll() is None and names(out) <= before:
                    time.sleep(0.002)
                time.sleep(seconds)
                process.kill()
        return process.wait()

    begun = time.monotonic()
    assert build(undisturbed, None) == 0
    seconds, expected = time.monotonic() - begun, contents(undisturbed)
    counts: list[int] = []
    for number in range(10 * KILLS):
        out, wait = tmp_path / f"out{number // IN_A_ROW}", bool(len(counts) % 2)
        code = build(out, moments.uniform(0, seconds / 8 if wait else seconds), wait=wait)
        assert code in (0, -signal.SIGKILL)
        files = visible(out)
        assert all(expected[name] == data for name, data in files.items()), "a partial file"
        if code:
            counts.append(len(files))
        if number % IN_A_ROW == IN_A_ROW - 1:
            assert build(out, None) == 0
            assert contents(out) == expected
        if len(counts) >= KILLS:
            break
    assert len(counts) >= KILLS, "builds end before they are killed"
    assert any(0 < count < len(expected) for count in counts), counts
