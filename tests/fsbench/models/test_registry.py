"""Models by name: loaded and built with options of the right types, or refused in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fsbench import plugins
from fsbench.errors import FsbenchError, ModelError
from fsbench.index.published import published_lists
from fsbench.models.contract import ModelCard
from fsbench.models.registry import check_model, load_model
from fsbench.plugins import registered

MODELS = """
from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import fsbench
from fsbench import FsbenchError, ModelCard

if TYPE_CHECKING:
    from decimal import Decimal

TEXT = "no factory"


class Made:
    card = ModelCard(name="made", prompts="text")

    def __init__(
        self, size: int = 3, share: float = 0.5, fast: bool = False, kind: Literal["a", "b"] = "a",
        most: int | None = None, where: Path = Path("."), plain="x", *, only: int = 0,
    ) -> None:
        self.got = {name: value for name, value in locals().items() if name != "self"}

    def segment(self, episodes):
        return []


def function(size: int = 1) -> Made:
    return Made(size=size)


def everything(**options: int) -> Made:
    made = Made()
    made.got = options
    return made


def nothing() -> Made:
    return Made()


def positional(first: str = "", /, second: int = 0) -> Made:
    return Made(size=second)


def unresolved(size: Decimal = 0) -> Made:
    return Made()


half = functools.partial(function, size=7)


def broken(size: int = 1) -> Made:
    raise RuntimeError("no checkpoint\\n  here\\n" + "x" * 1000)


def refused() -> Made:
    raise FsbenchError("weights.pt: is missing: download it")


def required(size: int) -> Made:
    return Made()


def cardless() -> object:
    return type("Cardless", (), {"segment": Made.segment})()


def wrong_card() -> object:
    made = Made()
    made.card = {"name": "made"}
    return made


def mute() -> object:
    return type("Mute", (), {"card": Made.card, "segment": "not a method"})()


def nameless() -> Made:
    return ModelCard(name="Über Model", prompts="text")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with models of the user's own; imports are undone afterwards."""
    (tmp_path / "usersmodels.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    yield tmp_path
    for name in ("usersmodels", "halfdone", "failing"):
        sys.modules.pop(name, None)


def got(spec: str, /, **options: str) -> dict[str, Any]:
    model: Any = load_model(spec, options)
    return dict(model.got)


def refusal(spec: str, kind: type[FsbenchError] = FsbenchError, /, **options: str) -> str:
    """The one-line message of a model that does not load; its class is exactly ``kind``."""
    with pytest.raises(FsbenchError) as caught:
        load_model(spec, options)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


NAMES = ("size", "share", "fast", "kind", "most", "where", "plain", "only")
DEFAULTS = dict(zip(NAMES, (3, 0.5, False, "a", None, Path(), "x", 0), strict=True))


def test_a_factory_is_found_in_the_current_folder(folder: Path) -> None:
    model = load_model("usersmodels:Made", {})
    assert model.card.name == "made"
    assert sys.modules["usersmodels"].__file__ == str(folder / "usersmodels.py")
    assert got("usersmodels:Made") == DEFAULTS
    assert got("usersmodels:nothing") == DEFAULTS


def test_options_are_converted_as_the_factory_is_annotated() -> None:
    options = {"size": "-12", "share": "1e-3", "fast": "true", "kind": "b", "most": "4", "where": "a/b"}
    converted = got("usersmodels:Made", **options, plain="7", only="9")
    expected = (-12, 0.001, True, "b", 4, Path("a/b"), "7", 9)
    assert converted == dict(zip(NAMES, expected, strict=True))
    assert [*map(type, converted.values())] == [*map(type, expected)]
    assert got("usersmodels:Made", fast="false")["fast"] is False
    assert got("usersmodels:function", size="5")["size"] == 5
    assert got("usersmodels:everything", any="x", other="y") == {"any": "x", "other": "y"}
    assert got("usersmodels:half")["size"] == 7
    assert got("usersmodels:half", size="8")["size"] in (8, "8")


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("size", "1.5", "valid integer"),
        ("size", "", "valid integer"),
        ("share", "half", "valid number"),
        ("fast", "maybe", "valid boolean"),
        ("kind", "c", "'a' or 'b'"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(option: str, value: str, expected: str) -> None:
    message = refusal("usersmodels:Made", **{option: value})
    assert message.startswith(f"model usersmodels:Made: option {option}={value}: ")
    assert expected in message


def test_an_unknown_option_names_those_that_are_accepted() -> None:
    accepted = ", ".join(NAMES)
    assert refusal("usersmodels:Made", sise="3") == f"model usersmodels:Made: no option 'sise': it takes {accepted}"
    assert refusal("usersmodels:function", kind="a") == "model usersmodels:function: no option 'kind': it takes size"
    assert refusal("usersmodels:nothing", size="1") == "model usersmodels:nothing: no option 'size': it takes none"
    assert refusal("usersmodels:positional", first="1").endswith("no option 'first': it takes second")


def test_a_factory_that_raises_is_reported_with_its_line() -> None:
    line = next(n for n, text in enumerate(MODELS.splitlines(), 1) if "raise RuntimeError" in text)
    message = refusal("usersmodels:broken", ModelError, size="2")
    assert message.startswith("model usersmodels:broken: its factory raised RuntimeError: no checkpoint here xxx")
    assert message.endswith(f"xxx (usersmodels.py line {line})")
    assert len(message) < 400
    message = refusal("usersmodels:required", ModelError)
    assert "TypeError" in message
    assert "'size'" in message
    message = refusal("usersmodels:nameless", ModelError)
    assert "model usersmodels:nameless: its factory raised ValidationError" in message
    assert "Über Model" in message
    assert refusal("usersmodels:refused") == "model usersmodels:refused: weights.pt: is missing: download it"


def test_a_model_needs_a_card_and_segment() -> None:
    assert "Cardless has no card" in refusal("usersmodels:cardless", ModelError)
    assert "Made has no card" in refusal("usersmodels:wrong_card", ModelError)
    assert "Mute has no segment" in refusal("usersmodels:mute", ModelError)
    good = SimpleNamespace(card=ModelCard(name="n", prompts="none"), segment=lambda episodes: [])
    assert check_model("spec", good) is good  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("nosuchmodule:Made", "cannot import nosuchmodule (ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("usersmodels:Mode", "usersmodels has no 'Mode'"),
        ("usersmodels:", "usersmodels has no ''"),
        ("usersmodels:TEXT", "TEXT is a str, expected a factory or a class"),
        (":Made", "cannot import"),
        (".usersmodels:Made", "cannot import .usersmodels"),
    ],
)
def test_a_spec_that_names_no_factory(spec: str, expected: str) -> None:
    assert expected in refusal(spec)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def made(:\n", "SyntaxError"),
        ("raise RuntimeError('no\\nGPU')\n", "RuntimeError"),
        ("import os\nos.nosuchname\n", "nosuchname"),
        ("import nosuchpackage\n", "nosuchpackage"),
    ],
)
def test_a_module_that_does_not_import(folder: Path, code: str, expected: str) -> None:
    (folder / "halfdone.py").write_text(code, encoding="utf-8")
    message = refusal("halfdone:made")
    assert message.startswith("model halfdone:made: cannot import halfdone (")
    assert expected in message


def test_annotations_that_cannot_be_resolved_only_matter_where_they_are_needed() -> None:
    assert got("usersmodels:unresolved") == DEFAULTS
    assert "model usersmodels:unresolved: option size=1: " in refusal("usersmodels:unresolved", size="1")


def entry_points(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    found = [EntryPoint(name, value, "fsbench.models") for name, value in points.items()]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found if group == "fsbench.models" else [])


def test_registered_names_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"pascal-5i", "toy"} <= set(registered("benchmarks"))
    assert published_lists("nobody") is None
    message = refusal("usersmodels")
    assert message.startswith(f"no model 'usersmodels': choose one of {', '.join(registered('models'))}, or give ")
    entry_points(monkeypatch, zebra="a:a", ant="z:z", moth="m:m")
    assert list(registered("models")) == ["ant", "moth", "zebra"]
    assert registered("commands") == {}


def test_a_registered_name_and_prefix_win(monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.insert(0, str(Path.cwd()))
    entry_points(
        monkeypatch, named="usersmodels:function", usersmodels="usersmodels:positional", rest="usersmodels:nothing"
    )
    assert got("named", size="6")["size"] == 6
    assert got("usersmodels:Made", second="4")["size"] == 4, "the factory got 'Made' as its first argument"
    assert refusal("rest:something") == "model rest:something: rest takes nothing after ':'"
    assert refusal("nobody").startswith("no model 'nobody': choose one of named, rest, usersmodels, or give ")


def test_a_registered_model_whose_package_is_broken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.insert(0, str(folder))
    (folder / "failing.py").write_text("raise RuntimeError('driver too old')\n", encoding="utf-8")
    entry_points(monkeypatch, gone="nosuchpackage:made", less="usersmodels:less", failing="failing:made")
    for name in ("gone", "less", "failing"):
        assert refusal(name).startswith(f"model {name}: its package does not import (")
