"""All 480 samples of ``toy``, drawn once by two fresh processes, and the benchmark built from them."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from numpy.typing import NDArray

from fsbench.benchmarks.toy import draw as drawing
from fsbench.benchmarks.toy.build import build
from fsbench.benchmarks.toy.classes import CLASS_NAMES, SAMPLES_PER_CLASS
from fsbench.index.benchmark import Benchmark

Drawn = dict[tuple[str, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
SAMPLES = [(name, n) for name in CLASS_NAMES for n in range(1, SAMPLES_PER_CLASS + 1)]


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    """(class, number) -> image and mask; not to be altered."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        names, numbers = zip(*SAMPLES, strict=True)
        return dict(zip(SAMPLES, pool.map(drawing.draw, names, numbers, chunksize=16), strict=True))


@pytest.fixture(scope="session")
def toy(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "draw", lambda name, n: drawn[name, n])  # drawing them again takes seconds
        return build(out=tmp_path_factory.mktemp("home") / "toy")
