"""What README and docs promise is run: the model of 20 lines, and every command's flags."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import fsbench
from fsbench.cli.main import main
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


HELP: dict[tuple[str, ...], str] = {}
"""What ``--help`` printed, by command: pages name the same ones again and again."""


def help_of(name: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main([*name, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_pages_exist_with_their_flags(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    commands = [line.split("#")[0].split(">")[0] for line in lines if line.startswith("fsbench ")]
    for line in commands:
        words = shlex.split(line)[1:]
        name = words[:2] if words[0] in ("build", "train", "fusioner", "leaderboard") else words[:1]
        if tuple(name) not in HELP:
            HELP[tuple(name)] = help_of(name, capsys)
        help_text = HELP[tuple(name)]
        for word in words:
            if word.startswith("-") and len(word) > 1:
                assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", help_text), f"{line}: no flag {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target
