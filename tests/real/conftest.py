"""Where real data lies: ``FSBENCH_DATA``, then ``../shared/data`` beside the repository. Skipped, saying so, else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import ROOT


def _wanted(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"REAL DATA MISSING: {folder} is not there: set FSBENCH_DATA to the folder of real data")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (``VOCdevkit``, ``coco``, ``fss_like``); the published lists lie in ``../lists``."""
    return _wanted(Path(os.environ.get("FSBENCH_DATA") or ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def voc_root(shared_data: Path) -> Path:
    """The folder ``VOCdevkit/VOC2012``."""
    return _wanted(shared_data / "VOCdevkit" / "VOC2012")


@pytest.fixture(scope="session")
def published_lists(shared_data: Path) -> Path:
    """The folder of published lists (``pascal-5i``, ``coco-20i``, ``fss-1000``, ``pascal-voc``)."""
    return _wanted(shared_data.parent / "lists")
