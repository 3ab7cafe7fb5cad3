"""Local benchmarks, for what records do not hold: the photographs of a gallery and the sizes of supports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fsbench.errors import FsbenchError
from fsbench.home import built_benchmarks
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.index.index_file import Index, read_index
from fsbench.records.record import Record
from leaderboard.site.pages import Site
from leaderboard.support_sizes import SupportSizes, support_sizes
from leaderboard.text import visible


class LocalBenchmarks:
    """Opened benchmarks; ``remarks``: (name, masks digest) -> why another could not be opened."""

    def __init__(
        self, benchmarks: Sequence[Benchmark] = (), remarks: Mapping[tuple[str, str], str] | None = None
    ) -> None:
        self._benchmarks = {(b.lists.name, b.digests.masks): b for b in benchmarks}
        self._remarks = dict(remarks or {})
        self._supports: dict[str, SupportSizes | None] = {}

    def benchmark(self, record: Record) -> Benchmark | None:
        """The benchmark of a record, None where it is not available."""
        found = self._benchmarks.get(_key(record))
        return found if found is not None and found.digests.lists == record.benchmark.lists_sha256 else None

    def why_missing(self, record: Record) -> str:
        """Why the benchmark of a record is not available."""
        return self._remarks.get(_key(record), "the benchmark is not at hand where the site was built")

    def supports(self, record: Record) -> SupportSizes | None:
        """The sizes of queries against supports, computed once for the same questions."""
        if (benchmark := self.benchmark(record)) is None:
            return None
        key = f"{record.protocol} {record.modified} {sorted(record.manifests_sha256.items())}"
        if key not in self._supports:
            self._supports[key] = support_sizes(record, benchmark)
        return self._supports[key]


def find_benchmarks(site: Site, given: Sequence[str] = (), root: Path | None = None) -> LocalBenchmarks:
    """The benchmarks in ``given``, by folder or name, and those under ``FSBENCH_HOME`` that a record was made on.

    ``root``: the new location of the raw data of the given ones. Raises FsbenchError where one cannot be opened.
    """
    wanted = {_key(entry.record) for entry in site.results.entries}
    opened = [open_benchmark(name, root=root) for name in given]
    there = {(b.lists.name, b.digests.masks) for b in opened}
    remarks = {}
    for folder in built_benchmarks().values():
        try:
            index = read_index(folder, Index)
        except FsbenchError:
            continue
        key = index.name, index.digests.masks
        if key in wanted - there:
            try:
                opened.append(open_benchmark(folder))
            except FsbenchError as error:
                remarks[key] = visible(error).replace(f"{folder.parent}/", "")
    return LocalBenchmarks(opened, remarks)


def _key(record: Record) -> tuple[str, str]:
    return record.benchmark.name, record.benchmark.masks_sha256
