"""fsbench: a referee for few-shot and zero-shot segmentation.

It builds benchmarks from raw data, asks any model the questions of a named protocol, counts pixels exactly, and
writes records that anyone can check. The names below are loaded when they are first used, so that
``import fsbench`` and ``fsbench --help`` stay fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Benchmark": "fsbench.benchmark",
    "Episode": "fsbench.model",
    "FsbenchError": "fsbench.errors",
    "Model": "fsbench.model",
    "ModelCard": "fsbench.model",
    "Prompt": "fsbench.model",
    "Record": "fsbench.record",
    "Segmentation": "fsbench.segmenting",
    "TrainingCard": "fsbench.model",
    "evaluate": "fsbench.evaluation",
    "open_benchmark": "fsbench.benchmark",
    "segment": "fsbench.segmenting",
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
    from fsbench.benchmark import Benchmark, open_benchmark
    from fsbench.errors import FsbenchError
    from fsbench.evaluation import evaluate
    from fsbench.model import Episode, Model, ModelCard, Prompt, TrainingCard
    from fsbench.record import Record
    from fsbench.segmenting import Segmentation, segment
