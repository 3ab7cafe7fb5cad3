"""fsbench: a referee for few-shot and zero-shot segmentation.

It builds benchmarks from raw data, asks any model the questions of a named protocol, counts pixels exactly, and
writes records that anyone can check.

Evaluate a model and read the result::

    record = fsbench.evaluate("prototype", "toy", shots=1)
    print(record)                    # the table; a notebook shows it as HTML
    record.to_pandas("fold")         # or "class"

Your own model is any object with a ``card`` and a method ``segment``::

    class Mine:
        card = fsbench.ModelCard(name="mine", prompts="text")

        def segment(self, episodes):  # of fsbench.Episode: image, prompts
            return [my_scores(e.image, e.prompts) for e in episodes]  # K x H x W, foreground where > 0

    fsbench.evaluate(Mine(), "pascal-5i", protocol="hsnet")

evaluate, segment
    Ask a model every question of a protocol; paint what it finds in one photograph.
Benchmark, open_benchmark
    A built benchmark, by its name under ``FSBENCH_HOME`` or its folder (``fsbench build`` makes one).
Model, ModelCard, TrainingCard, Episode, Prompt
    What a model is, what it says of itself, and what it is asked.
Record, Segmentation
    What comes back.
FsbenchError
    Raised for bad usage and bad input, with one line that says what to do.

The command line does the same: ``fsbench --help``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fsbench.version import __version__ as __version__

_ROOMS = {
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
"""Where each public name is; loaded when first used, so that ``import fsbench`` and ``fsbench --help`` stay fast."""

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
    if name not in _ROOMS:
        raise AttributeError(f"module 'fsbench' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


if TYPE_CHECKING:
    from fsbench.engine.evaluate import evaluate
    from fsbench.engine.segment import Segmentation, segment
    from fsbench.errors import FsbenchError
    from fsbench.index.benchmark import Benchmark, open_benchmark
    from fsbench.models.contract import Episode, Model, ModelCard, Prompt, TrainingCard
    from fsbench.records.record import Record
