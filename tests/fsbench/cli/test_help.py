"""Help, completion and lists: what a newcomer sees first."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.main import get_command

from fsbench.cli.main import app, main
from tests.command import run


def commands() -> Iterator[list[str]]:
    """Every command with its subcommands, as typed."""
    with pytest.raises(SystemExit):
        main(["--version"])  # adds the siblings' commands

    def below(command: object, path: list[str]) -> Iterator[list[str]]:
        yield path
        for name, child in getattr(command, "commands", {}).items():
            yield from below(child, [*path, name])

    yield from below(get_command(app), [])


def test_every_help_has_an_example_and_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    every = list(commands())
    assert ["leaderboard", "export"] in every
    for command in every:
        code, out, _ = run(*command, "--help")
        assert code == 0
        cut = [line for line in out.splitlines() if "…" in line or len(line) > 80]
        assert not cut, (command, cut)
        assert "Example: fsbench" in out or command in ([], ["fusioner"], ["leaderboard"]), command


def test_panels_are_in_the_order_of_use() -> None:
    out = run("--help").out
    places = [out.index(f"─ {panel} ─") for panel in ("Start here", "Benchmarks", "Models", "Results")]
    assert places == sorted(places)
    assert "Of other packages" not in out


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("fsbench eval", "evaluate"),
        ("fsbench evaluate -m proto", "prototype"),
        ("fsbench evaluate --protocol hsn", "hsnet"),
    ],
)
def test_completion(words: str, completed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    assert completed in run().out.split()


def test_list_models_shows_what_follows_a_prefix() -> None:
    code, out, err = run("list", "models", "--json")
    assert (code, err) == (0, "")
    models = {row["model"]: row["description"] for row in json.loads(out)}
    assert {"prototype", "fusioner:RUN", "predictions:DIR"} <= set(models)
    assert not any("Error" in description for description in models.values())
    refused = run("evaluate", "-m", "fusioner", "-b", "toy")
    assert (refused.code, refused.err.split(": ", 1)[1]) == (
        2,
        "model fusioner: expected fusioner:RUN, with its run after the colon\n",
    )
