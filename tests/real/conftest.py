"""Real data and the benchmarks built from it, each once and read-only; without the data these tests are skipped.

The data is in ``FSBENCH_DATA``, else in ``../shared/data`` beside the repository.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from fsbench.benchmarks.coco import coco20i
from fsbench.benchmarks.pascal import pascal5i
from fsbench.index.benchmark import Benchmark, open_benchmark
from mosaic4.benchmark import MosaicBenchmark
from mosaic4.benchmark import build as build_mosaics
from tests import ROOT


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"REAL DATA MISSING: no folder {folder}: set FSBENCH_DATA to the folder of real data")
    return folder


def _built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Benchmark:
    """What ``build(folder)`` builds, made by the first of the processes that share this run's temporary folder."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"built-{name}"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            build(folder)
    return open_benchmark(folder)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (``VOCdevkit``, ``coco``, ``fss_like``); the published lists are in ``../lists``."""
    return _existing(Path(os.environ.get("FSBENCH_DATA") or ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def voc_root(shared_data: Path) -> Path:
    """The folder ``VOCdevkit/VOC2012``."""
    return _existing(shared_data / "VOCdevkit" / "VOC2012")


@pytest.fixture(scope="session")
def published_lists(shared_data: Path) -> Path:
    """The folder of published lists (``pascal-5i``, ``coco-20i``, ``fss-1000``, ``pascal-voc``)."""
    return _existing(shared_data.parent / "lists")


@pytest.fixture(scope="session")
def fss_like(shared_data: Path) -> Path:
    """Class folders of 27 classes in the layout of FSS-1000, which are not FSS-1000."""
    return _existing(shared_data / "fss_like")


@pytest.fixture(scope="session")
def fss_like_classes(fss_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that names the classes of ``fss_like``, a line each."""
    file = tmp_path_factory.mktemp("fss_like") / "classes.txt"
    file.write_text("\n".join(sorted(path.name for path in fss_like.iterdir() if path.is_dir())))
    return file


@pytest.fixture(scope="session")
def pascal(voc_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """PASCAL-5i of all 12031 masks and the photographs that are available."""
    return _built_once(tmp_path_factory, "pascal", lambda out: pascal5i.build(voc_root, out, partial=True))


@pytest.fixture(scope="session")
def coco(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """COCO-20i of 268 images, with union masks."""
    root = shared_data / "coco"
    return _built_once(tmp_path_factory, "coco", lambda out: coco20i.build(root, out, partial=True, workers=2))


@pytest.fixture(scope="session")
def mosaic(fss_like: Path, fss_like_classes: Path, tmp_path_factory: pytest.TempPathFactory) -> MosaicBenchmark:
    """270 mosaics of ``fss_like``."""
    built = build_mosaics(fss_like, tmp_path_factory.mktemp("mosaic"), classes=fss_like_classes)
    assert isinstance(built, MosaicBenchmark)
    return built
