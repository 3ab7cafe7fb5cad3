"""Remarks on a model's answers that its counts cannot show, in records and as printed lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.io.field_types import Remark
from fsbench.records.record import FoldRecord, Record
from fsbench.records.score_stats import ScoreStats

PROBABILITIES: Remark = "probabilities"
ADVICE = (
    "all scores are between 0 and 1, like probabilities, but foreground is where a score is above 0: subtract the "
    "threshold (score - 0.5), or answer a bool mask"
)


class ScoreWatch:
    """Warns once on standard error that a model seems to answer probabilities."""

    def __init__(self, model: str) -> None:
        self._model, self._warned = model, False

    def __call__(self, scores: ScoreStats) -> None:
        if scores.probabilities and not self._warned:
            self._warned = True
            print(f"fsbench: model {self._model}: {ADVICE}", file=sys.stderr)  # noqa: T201


def remarks_on(scores: ScoreStats) -> tuple[Remark, ...]:
    """The remarks on all scores of a fold."""
    return (PROBABILITIES,) if scores.probabilities else ()


def with_remarks(folds: Mapping[str, FoldRecord], remarks: Mapping[str, Sequence[Remark]]) -> dict[str, FoldRecord]:
    """The folds with their remarks."""
    return {fold: record.model_copy(update={"remarks": tuple(remarks[fold])}) for fold, record in folds.items()}


def benchmark_lines(record: Record) -> list[str]:
    """A sentence about the samples without a mask in the release, if any."""
    if not record.benchmark.without_mask:
        return []
    line = f"{', '.join(record.benchmark.without_mask)}: the release has no mask of it"
    if record.protocol in PROTOCOLS and PROTOCOLS[record.protocol].published_draw:
        return [f"{line}; kept, with the file in the mask's place read as the original code read it."]
    return [f"{line}; left out."]


def remark_lines(record: Record) -> list[str]:
    """The remarks of a record as sentences with the model and, unless it is all, the folds."""
    folds = [name for name, fold in record.folds.items() if PROBABILITIES in fold.remarks]
    where = "" if len(folds) == len(record.folds) else f" (fold {', '.join(folds)})"
    return [f"model {record.model.name}{where}: {ADVICE}."] if folds else []
