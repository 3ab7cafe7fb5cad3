"""What a build of COCO-20i reports about photographs that cannot be read and of annotations that have no area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fsbench.errors import FsbenchError

NAMED = 3
BROKEN_SAMPLE = "train2014/COCO_train2014_000000167126"
BROKEN_COPY = "old archives of train2014 hold a broken copy of this photograph, the one COCO serves today is whole"
"""Detectron's catalogue of data sets; neuraltalk2 issue 4, darknet issues 312 and 1534, PANet issue 13."""


class Unreadable(NamedTuple):
    """A photograph that exists but cannot be read, by its sample's name of 2014."""

    sample: str
    path: Path
    error: FsbenchError


def refusal(photograph: Unreadable) -> FsbenchError:
    """The error where every photograph is wanted: what is wrong with it, and what helps."""
    known = f" ({BROKEN_COPY})" if photograph.sample == BROKEN_SAMPLE else ""
    return FsbenchError(f"{photograph.error}, or leave it out with --partial{known}")


def unreadable_remark(photographs: Sequence[Unreadable]) -> str:
    """One line: how many photographs are left out, the first of them, and what to do."""
    first = ", ".join(str(photograph.path) for photograph in photographs[:NAMED])
    remark = f"{len(photographs)} photographs cannot be read and are left out, first {first}: "
    remark += "fetch them again and rebuild"
    if len(photographs) == 1:
        remark = f"1 photograph cannot be read and is left out: {first}: fetch it again and rebuild"
    return remark + "".join(f" ({p.path.name}: {BROKEN_COPY})" for p in photographs if p.sample == BROKEN_SAMPLE)


def skipped_remark(skipped: Mapping[Path, Sequence[int]]) -> str:
    """One line: how many annotations hold polygons without area, and the first ids of each file (file -> ids)."""
    count = sum(map(len, skipped.values()))
    files = [
        f"{path} ({'first ' if len(ids) > NAMED else ''}{', '.join(map(str, ids[:NAMED]))})"
        for path, ids in skipped.items()
    ]
    what = "1 annotation holds" if count == 1 else f"{count} annotations hold"
    return f"{what} polygons of fewer than three points; these have no area and are skipped: {', '.join(files)}"
