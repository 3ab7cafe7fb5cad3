"""Shared fixtures: a small benchmark and a Fusioner trained on it, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbench.index.benchmark import Benchmark
from tests.fsbench.conftest import small  # noqa: F401
from tests.fusioner.small_model import train


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature store that all trainings share."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="session")
def trained(small: Benchmark, features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """RUN/fold1 of a Fusioner of small encoders; not to be changed."""
    return train(small, tmp_path_factory.mktemp("trained"), features=features)
