"""The GitHub Actions workflow in ``examples/``: safe to give to strangers, and its script does what it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests import ROOT
from tests.leaderboard.hostile import made_up
from tests.leaderboard.sample_records import altered

FILE = ROOT / "examples" / "check-records.yml"
WORKFLOW: dict[Any, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["check"]["steps"]
(CHECK,) = (step for step in STEPS if step.get("name") == "Check")

needs_tools = pytest.mark.skipif(
    sys.platform == "win32" or any(shutil.which(tool) is None for tool in ("bash", "git", "xargs", "dirname")),
    reason="no bash, git or GNU tools here to run the workflow's script with",
)


def test_it_gives_strangers_nothing() -> None:
    triggers = WORKFLOW[True]  # YAML reads the key `on` as true
    assert list(triggers) == ["pull_request"]
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in WORKFLOW["jobs"]["check"]
    for step in STEPS:
        assert "${{" not in step.get("run", ""), "what a stranger names must not be pasted into a script"
        if "uses" in step:
            assert step["uses"].startswith("actions/")
            assert step["uses"].partition("@")[2] in ("v4", "v5")
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
    assert "secrets" not in FILE.read_text(encoding="utf-8")


def test_fsbench_comes_from_the_base_branch() -> None:
    by_path = {step["with"]["path"]: step["with"]["ref"] for step in STEPS if "path" in step.get("with", {})}
    assert by_path["base"] == "${{ github.event.pull_request.base.sha }}"
    (install,) = (step["run"] for step in STEPS if "pip install" in step.get("run", ""))
    assert install == "python -m pip install ./base"
    assert CHECK["working-directory"] == "submission"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    here = tmp_path / "submission"
    here.mkdir()
    git(here, "init", "-q", "-b", "main")
    (here / "README.md").write_text("records\n")
    made_up(here / "results", model="older")
    commit(here)
    git(here, "tag", "base")
    return here


def git(here: Path, *arguments: str) -> None:
    said = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *said, *arguments], cwd=here, check=True, capture_output=True)


def commit(here: Path) -> None:
    git(here, "add", "-A")
    git(here, "commit", "-q", "--allow-empty", "-m", "records")


def run_script(here: Path, tmp_path: Path) -> tuple[int, str]:
    """Exit code and output of the workflow's script, with this installation's fsbench."""
    binaries = tmp_path / "bin"
    binaries.mkdir(exist_ok=True)
    command = binaries / "fsbench"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m fsbench "$@"\n')
    command.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {
        "BASE": "base",
        "PYTHONPATH": str(FILE.parents[1]),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "FSBENCH_HOME": str(tmp_path / "home"),
    }
    environment |= {name: value for name, value in CHECK["env"].items() if "${{" not in value}
    script = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", CHECK["run"]]
    done = subprocess.run(script, cwd=here, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


@needs_tools
def test_nothing_changed_is_no_failure(repository: Path, tmp_path: Path) -> None:
    (repository / "README.md").write_text("more\n")
    commit(repository)
    assert run_script(repository, tmp_path) == (0, "")


@needs_tools
def test_changed_records_alone_are_checked(repository: Path, tmp_path: Path) -> None:
    good = made_up(repository / "results", model="good")
    commit(repository)
    code, said = run_script(repository, tmp_path)
    assert code == 0, said
    assert str(good.relative_to(repository)) in said
    assert "older" not in said


@needs_tools
def test_forged_records_changed_counts_and_odd_names(repository: Path, tmp_path: Path) -> None:
    forged = altered(made_up(repository / "results", model="forged"), lambda record: record.update(miou=0.99))
    (older,) = (repository / "results" / "older").glob("**/counts.parquet")
    older.unlink()
    odd = repository / "results" / "$(touch pwned)\n-rf; echo `touch pwned`"
    made_up(odd, model="odd")
    (repository / "results" / "--help").mkdir()
    (repository / "results" / "--help" / "x").write_text("x")
    commit(repository)
    code, said = run_script(repository, tmp_path)
    assert code != 0
    assert "FAULT   scores: mean miou is 0.99, but" in said
    assert "FAULT   counts: counts.parquet: cannot be read as counts" in said
    assert said.count("FAULT") == 2
    assert str(forged.relative_to(repository)) in said
    assert "$(touch pwned)<U+000A>-rf" in said
    assert not list(tmp_path.rglob("pwned"))
