"""The home of benchmark folders: ``FSBENCH_HOME``, by default the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from fsbench.errors import FsbenchError


def home() -> Path:
    """The folder that holds benchmarks by name."""
    named = os.environ.get("FSBENCH_HOME")
    return Path(named).expanduser() if named else user_cache_path("fsbench", appauthor=False)


def built_benchmarks() -> dict[str, Path]:
    """Name -> folder of every benchmark under ``home()``, sorted by name."""
    return {path.parent.name: path.parent for path in sorted(home().glob("*/benchmark.json"))}


def benchmark_folder(name_or_folder: str) -> Path:
    """The benchmark folder of a name or path; raises FsbenchError, naming the built ones, if there is none."""
    for folder in (Path(name_or_folder).expanduser(), home() / name_or_folder):
        if os.path.lexists(folder / "benchmark.json"):  # a special file is refused when it is opened
            return folder
    known = ", ".join(built_benchmarks()) or "none yet"
    raise FsbenchError(
        f"no benchmark {name_or_folder!r}: give the folder of one, or build it with 'fsbench build' "
        f"(built under {home()}: {known})"
    )
