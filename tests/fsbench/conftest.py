"""What several tests need: a tiny benchmark, built once."""

from __future__ import annotations

import pytest

from fsbench.index.benchmark import Benchmark
from tests.fsbench.small_benchmark import tiny_benchmark


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four folds of two classes, ten samples each; not to be damaged."""
    return tiny_benchmark(tmp_path_factory.mktemp("tiny"))
