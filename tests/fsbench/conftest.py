"""What several tests need: a small benchmark, built once."""

from __future__ import annotations

import pytest

from fsbench.index.benchmark import Benchmark
from tests.fsbench.small_benchmark import small_benchmark


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four folds of two classes, ten samples each; not to be damaged."""
    return small_benchmark(tmp_path_factory.mktemp("small"))
