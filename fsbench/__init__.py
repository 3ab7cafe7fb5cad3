"""fsbench: a referee for few-shot and zero-shot segmentation.

It builds benchmarks from raw data, asks any model the questions of a named protocol, counts pixels exactly, and
writes records that anyone can check. The names below are loaded when they are first used, so that
``import fsbench`` and ``fsbench --help`` stay fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fsbench.version import __version__ as __version__

_PUBLIC = {
    "Benchmark": "fsbench.index.benchmark",
    "Episode": "fsbench.models.contract",
    "FsbenchError": "fsbench.errors",
    "Model": "fsbench.models.contract",
    "ModelCard": "fsbench.models.contract",
    "Prompt": "fsbench.models.contract",
    "Record": "fsbench.records.record",
    "Segmentation": "fsbench.engine.segment",
    "TrainingCard": "fsbench.models.contract",
    "evaluate": "fsbench.engine.evaluate",
    "open_benchmark": "fsbench.index.benchmark",
    "segment": "fsbench.engine.segment",
}

__all__ = [
    "Benchmark",
    "Episode",
    "FsbenchError",
    "Model",
    "ModelCard",
    "Prompt",
    "Record",
    "Segmentation",
    "TrainingCard",
    "evaluate",
    "open_benchmark",
    "segment",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fsbench' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


if TYPE_CHECKING:
    from fsbench.engine.evaluate import evaluate
    from fsbench.engine.segment import Segmentation, segment
    from fsbench.errors import FsbenchError
    from fsbench.index.benchmark import Benchmark, open_benchmark
    from fsbench.models.contract import Episode, Model, ModelCard, Prompt, TrainingCard
    from fsbench.records.record import Record
