"""What README and docs promise is run: the model of 20 lines, and every command's flags."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import fsbench
from fsbench.cli import main as main_module
from fsbench.index.benchmark import Benchmark
from tests import ROOT
from tests.fsbench.small_benchmark import small_benchmark

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return small_benchmark(tmp_path_factory.mktemp("docs"))


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "models.md"], ids=lambda page: page.name)
def test_the_model_of_a_page_is_evaluated(page: Path, small: Benchmark, tmp_path: Path) -> None:
    code = next(block for block in blocks(page, "python") if "class MyModel" in block)
    assert len(code.splitlines()) <= 23
    names: dict[str, type] = {"__name__": "my_model"}
    exec(compile(code, str(page), "exec"), names)
    record = fsbench.evaluate(names["MyModel"](), small, out=tmp_path, limit=8)
    assert record.shots == 1
    assert record.miou is not None
    assert record.miou > 0.1


@cache
def whole_app() -> Any:
    main_module._add_siblings()
    return typer.main.get_command(main_module.app)


@cache
def flags_of(*name: str) -> frozenset[str]:
    """Every flag of a command, which must exist."""
    command = whole_app()
    for part in name:
        command = command.get_command(typer.Context(command), part)
        assert command is not None, f"no command {' '.join(name)}"
    return frozenset(flag for p in command.params for flag in (*p.opts, *p.secondary_opts))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_pages_exist_with_their_flags(page: Path) -> None:
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    for line in (line.split("#")[0].split(">")[0] for line in lines if line.startswith("fsbench ")):
        words = shlex.split(line)[1:]
        name = words[:2] if words[0] in ("build", "train", "fusioner", "leaderboard") else words[:1]
        given = {word for word in words if word.startswith("-") and len(word) > 1}
        assert given <= flags_of(*name) | {"--help"}, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target
