"""What several tests need: a tiny benchmark and a Fusioner trained on it, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbench.index.benchmark import Benchmark
from tests.fsbench.small_benchmark import small_benchmark
from tests.fusioner.small_model import train


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four folds of two classes, ten samples each; not to be damaged."""
    return small_benchmark(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def trained(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RUN/fold1 of a Fusioner of tiny encoders; not to be changed."""
    return train(small, tmp_path_factory.mktemp("trained"))
