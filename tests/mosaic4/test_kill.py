"""A build killed with SIGKILL at random moments: no partial file under a final name, and the same bytes in the end.

Every other kill waits for a file to appear first, so that half-done builds are met on any machine.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mosaic4.dataset import Form
from tests.mosaic4.drawn_folders import contents, draw_folders

LETTERS: dict[Form, str] = {"png": "abcdef", "parquet": "abcdefghijkl"}
"""Form -> a class for each letter: 60 mosaics in 120 files, and 120 in two shards."""
KILLS = 10
"""For each of the two forms."""
IN_A_ROW = 3
"""Kills of one build, which resumes each time, before it may finish."""

BUILD = """
import sys
from pathlib import Path
from mosaic4.build import build, recipe_of_classes
root, out, form, *keys = sys.argv[1:]
print("ready", flush=True)
build(Path(root), Path(out), recipe_of_classes(keys), form=form, workers=2)
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve classes of ten samples."""
    return draw_folders(tmp_path_factory.mktemp("raw"), tuple(LETTERS["parquet"]))


def started(raw: Path, out: Path, form: Form) -> subprocess.Popen[bytes]:
    """A build in a process of its own that has just begun."""
    command = [sys.executable, "-c", BUILD, str(raw), str(out), form, *LETTERS[form]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def ended(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    process.stdout.close()
    return process.wait()


def seen(out: Path) -> dict[str, bytes]:
    """The files under final names."""
    there = contents(out) if out.exists() else {}
    return {name: data for name, data in there.items() if not Path(name).name.startswith(".")}


def until_a_file_is_there(out: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait for one more file under a final name, or the end of the build."""
    before = names(out)
    while process.poll() is None and names(out) <= before:
        time.sleep(0.002)


def names(out: Path) -> set[str]:
    """The final names in a folder that is being written."""
    return {path.name for folder in (out, *out.glob("*/")) if folder.is_dir() for path in folder.glob("[!.]*.*")}


@pytest.mark.long
@pytest.mark.parametrize("form", ["png", "parquet"])
def test_a_build_killed_at_any_moment_ends_with_the_same_bytes(form: Form, raw: Path, tmp_path: Path) -> None:
    moments = random.Random(form)
    process, begun = started(raw, tmp_path / "undisturbed", form), time.monotonic()
    assert ended(process) == 0
    seconds = time.monotonic() - begun
    expected = contents(tmp_path / "undisturbed")
    kills, builds, left = 0, 0, []
    while kills < KILLS:
        out, builds = tmp_path / f"out{builds}", builds + 1
        assert builds < 10 * KILLS, "builds end before they are killed"
        for _ in range(IN_A_ROW):
            process = started(raw, out, form)
            if kills % 2:
                until_a_file_is_there(out, process)
                time.sleep(moments.uniform(0, seconds / 8))
            else:
                time.sleep(moments.uniform(0, seconds))
            process.kill()
            code = ended(process)
            there = seen(out)
            assert all(expected[name] == data for name, data in there.items()), "a partial file"
            if code == 0:
                break
            assert code == -signal.SIGKILL
            kills += 1
            left.append(len(there))
        if code != 0:
            assert ended(started(raw, out, form)) == 0
        assert contents(out) == expected
    assert any(0 < files < len(expected) for files in left), left
