"""Finds the benchmark that a record was made on: among those given, else among those built here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.home import built_benchmarks
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.index.index_file import read_head
from fsbench.records.record import Record


def finder(given: Sequence[str], root: Path | None) -> Callable[[Record], Benchmark | None]:
    """A function that finds the benchmark of a record: the one with its lists and masks, else one with its lists.

    Raises FsbenchError for one that was given and cannot be opened; one that is built here and cannot is passed over.
    """
    opened = {name: open_benchmark(name, root=root) for name in given}
    here: dict[str, Path] = {} if given else {str(folder): folder for folder in built_benchmarks().values()}

    def find(record: Record) -> Benchmark | None:
        for key, folder in here.items():
            with suppress(FsbenchError):
                if key not in opened and read_head(folder).name == record.benchmark.name:
                    opened[key] = open_benchmark(folder, root=root)
        said = record.benchmark
        fitting = [b for b in opened.values() if (b.lists.name, b.digests.lists) == (said.name, said.lists_sha256)]
        same = [b for b in fitting if b.digests.masks == said.masks_sha256]
        return next(iter([*same, *fitting]), None)

    return find
