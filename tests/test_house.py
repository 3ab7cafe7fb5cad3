"""Rules of the house, kept by reading the source: who imports whom, what is never loaded, and a fast ``--help``."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

MAY_IMPORT = {
    "fsbench": {"fsbench"},
    "mosaic4": {"mosaic4", "fsbench"},
    "baselines": {"baselines", "fsbench"},
    "fusioner": {"fusioner", "fsbench"},
    "leaderboard": {"leaderboard", "fsbench"},
}
ROOMS = {*MAY_IMPORT, "tests", "benchmarks", "tools"}
FLOORS = (
    {"cli"},
    {"download"},
    {"tables", "results"},
    {"engine"},
    {"pictures"},
    {"benchmarks", "training", "scoring"},
    {"records"},
    {"episodes", "models"},
    {"index"},
    {"io"},
    {"data", "errors", "home", "parallel", "plugins", "progress", "version"},
)
"""Rooms of ``fsbench/`` from the roof to the ground: a room imports from floors beneath its own."""
SAME_FLOOR = {("parallel", "progress"), ("home", "errors"), ("plugins", "errors")}
"""Imports within a floor that are allowed."""
CLIMBS = {("records", "fsbench.tables.of_record")}
"""The one import that goes up, made when it is called: ``print(record)`` draws the table."""
FAMILIES = {("toy", "fss"), ("own", "fss")}
"""Imports between families of builders that are allowed: the layout and the class names of FSS-1000."""
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SLOW = ("torch", "torchvision", "timm", "pyarrow", "numpy", "pandas", "scipy", "PIL", "transformers")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def sources() -> list[Path]:
    return sorted(path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, anywhere in the file, ``import_module("…")`` with a literal name included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and called(node).rpartition(".")[2] in ("import_module", "__import__"):
            yield from (
                (node.lineno, a.value) for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
            )


def called(node: ast.Call) -> str:
    """The dotted name that is called, ``torch.load``; for a call of anything else the last part of it, or nothing."""
    parts: list[str] = []
    function: ast.expr = node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        parts.append(function.id)
    return ".".join(reversed(parts))


def crossings(room: str, tree: ast.AST) -> list[str]:
    """Imports of rooms that ``room`` may not import."""
    barred = ROOMS - MAY_IMPORT[room]
    return [f"line {line} imports {name}" for line, name in imported(tree) if name.partition(".")[0] in barred]


def climbs(where: Path, tree: ast.AST) -> list[str]:
    """Imports within ``fsbench/`` that do not go down a floor; the face of the package is above the roof."""
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    here = where.parts[1].removesuffix(".py")
    found = []
    for line, name in imported(tree):
        parts = name.split(".")
        if parts[0] != "fsbench" or here in ("__init__", "__main__"):
            continue
        there = parts[1] if len(parts) > 1 else ""
        if here == there == "benchmarks" and len(where.parts) > 3 and len(parts) > 3:
            fine = where.parts[2] == parts[2] or (where.parts[2], parts[2]) in FAMILIES
        else:
            allowed = (here, there) in SAME_FLOOR or (here, name) in CLIMBS
            fine = here == there or allowed or floor[here] < floor.get(there, -1)
        if not fine:
            found.append(f"line {line} imports {name}")
    return found


def says(node: ast.Call, keyword: str, value: bool) -> bool:
    """Whether the call has ``keyword=value``, spelled out."""
    return any(k.arg == keyword and isinstance(k.value, ast.Constant) and k.value.value is value for k in node.keywords)


def dangers(tree: ast.AST) -> list[str]:
    """Places where a file could make code run: pickles, ``eval``, ``exec``, loaders that are not told to be safe."""
    found = [f"line {line} imports {name}" for line, name in imported(tree) if name.partition(".")[0] in PICKLES]
    origin = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            origin |= {alias.asname or alias.name: f"{module}{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in ("eval", "exec"):
            found.append(f"line {node.lineno} uses {node.id}")
        if not isinstance(node, ast.Call):
            continue
        first, _, rest = called(node).partition(".")
        name = ".".join(filter(None, (origin.get(first, first), rest)))
        last = name.rpartition(".")[2]
        unsafe = (
            (name in ("torch.load", "torch.serialization.load") and not says(node, "weights_only", True))
            or any(k.arg == "allow_pickle" and not says(node, "allow_pickle", False) for k in node.keywords)
            or (name in ("yaml.load", "yaml.load_all") or last in ("unsafe_load", "full_load", "UnsafeLoader"))
            or last in ("read_pickle", "to_pickle", "load_state_dict_from_url")
            or (name.startswith("numpy.") and last == "load" and len(node.args) > 2)
        )
        if unsafe:
            found.append(f"line {node.lineno} calls {name}")
    return found


def docstring(tree: ast.Module) -> list[str]:
    return [] if ast.get_docstring(tree) else ["does not say why it exists"]


def faults(check: Callable[[Path, ast.Module], list[str]]) -> list[str]:
    """What ``check`` finds wrong, given the path from the checkout and the tree of every file."""
    said = []
    for path in sources():
        where = path.relative_to(ROOT)
        tree = parsed(path)
        said += [f"{where.as_posix()}: {fault}" for fault in check(where, tree)]
    return said


def test_every_room_is_looked_at() -> None:
    rooms = {path.relative_to(ROOT).parts[0] for path in sources()}
    assert "fsbench" in rooms
    there = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert there <= set(MAY_IMPORT), "a new package: say in MAY_IMPORT what it may import"


def test_siblings_import_fsbench_alone_and_fsbench_none_of_them() -> None:
    assert faults(lambda where, tree: crossings(where.parts[0], tree)) == []


def test_rooms_import_only_rooms_beneath_them() -> None:
    rooms = {
        path.stem for path in (ROOT / "fsbench").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert rooms - {"__init__", "__main__"} == set().union(*FLOORS), "a new room: say in FLOORS where it is"
    assert faults(lambda where, tree: climbs(where, tree) if where.parts[0] == "fsbench" else []) == []


def test_no_circle_of_imports() -> None:
    arrows = {}
    for path in sources():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree = parsed(path)
        top = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        names = {name for _, name in imported(top)}
        names |= {f"{n.module}.{a.name}" for n in top.body if isinstance(n, ast.ImportFrom) for a in n.names}
        arrows[module] = names - {module}
    graph = {module: names & set(arrows) for module, names in arrows.items()}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_nothing_that_is_loaded_can_run_code() -> None:
    assert faults(lambda _, tree: dangers(tree)) == []


def test_every_module_says_why_it_exists() -> None:
    assert faults(lambda _, tree: docstring(tree)) == []


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("fsbench", "import baselines"),
        ("fsbench", "from mosaic4.recipe import recipe"),
        ("fsbench", "def f():\n    import leaderboard.tables as t"),
        ("fsbench", "if TYPE_CHECKING:\n    from fusioner import Model"),
        ("fsbench", "importlib.import_module('baselines.center')"),
        ("fsbench", "from tests.fsbench.small_benchmark import small_benchmark"),
        ("baselines", "import fsbench, fusioner"),
        ("fusioner", "from baselines import center"),
        ("leaderboard", "__import__('mosaic4')"),
        ("mosaic4", "import benchmarks.counting"),
    ],
)
def test_a_forbidden_import_is_found(room: str, code: str) -> None:
    assert len(crossings(room, ast.parse(code))) == 1


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("fsbench/io/files.py", "from fsbench.index.benchmark import Benchmark"),
        ("fsbench/scoring/scores.py", "def f():\n    import fsbench.training.run"),
        ("fsbench/engine/plan.py", "from fsbench import __version__"),
        ("fsbench/errors.py", "import fsbench.home"),
        ("fsbench/benchmarks/coco/raw.py", "from fsbench.benchmarks.pascal.voc import find_voc"),
    ],
)
def test_an_import_that_climbs_is_found(where: str, code: str) -> None:
    assert len(climbs(Path(where), ast.parse(code))) == 1


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("fsbench", "import fsbench.benchmarks.toy.build\nfrom fsbench import benchmarks\nfrom . import baselines"),
        ("baselines", "from fsbench.models.contract import Model\nimport baselines.center"),
        ("leaderboard", "import torch\nimport_module('fsbench.records.record')\nimport_module(name)"),
        ("fsbench", "import baselines_of_another_house"),
    ],
)
def test_other_imports_are_left_alone(room: str, code: str) -> None:
    assert crossings(room, ast.parse(code)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle as json",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\ntorch.load(path, weights_only=flag)",
        "import torch as t\nt.load(path)",
        "from torch import load\nload(path)",
        "from torch import load as read\nread(path, map_location='cpu')",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, None, True)",
        "from numpy import load\nload(path, allow_pickle=flag)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "from yaml import load\nload(text)",
        "import yaml\nyaml.unsafe_load(text)",
        "import pandas as pd\npd.read_pickle(path)",
        "eval(text)",
        "exec(text)",
        "run = eval",
    ],
)
def test_a_dangerous_load_is_found(code: str) -> None:
    assert dangers(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.load(path, map_location='cpu', weights_only=True)",
        "import numpy as np\nnp.load(path)\nnp.load(path, allow_pickle=False)",
        "import json\njson.load(file)",
        "import yaml\nyaml.safe_load(text)",
        "model.eval()\nmodel.exec()",
        "point.load()",
    ],
)
def test_safe_loads_are_left_alone(code: str) -> None:
    assert dangers(ast.parse(code)) == []


def helped(*arguments: str) -> str:
    called = f"from fsbench.cli.main import main\ntry: main({[*arguments, '--help']!r})\n"
    return called + "except SystemExit as end: assert not end.code"


@pytest.mark.parametrize(
    "code", ["import fsbench.cli.main", "import fsbench; fsbench.FsbenchError", helped(), helped("evaluate")]
)
def test_help_loads_nothing_that_is_slow(code: str) -> None:
    code += f"\nimport sys; print('loaded', *sorted(set({SLOW!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["loaded"]


def test_the_drawing_of_the_rooms_is_of_the_imports() -> None:
    drawing = runpy.run_path(str(ROOT / "tools" / "draw_rooms.py"))["drawing"]
    said = "run python tools/draw_rooms.py docs/rooms.svg"
    assert (ROOT / "docs" / "rooms.svg").read_text(encoding="utf-8") == drawing(), said
