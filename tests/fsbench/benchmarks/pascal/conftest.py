"""A made-up VOC 2012 with a few samples of every published list."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fsbench.benchmarks.synthetic_voc import listed_samples, write_voc


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``VOCdevkit``; not to be damaged."""
    return write_voc(tmp_path_factory.mktemp("raw"), listed_samples())
