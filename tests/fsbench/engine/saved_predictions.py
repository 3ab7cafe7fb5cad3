"""What several tests ask of saved predictions: handed in again, do they give the counts of the model itself?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import fsbench
from fsbench.index.benchmark import Benchmark
from fsbench.records.counts import Row, read_counts


def rows(out: Path, record: fsbench.Record) -> list[Row]:
    """The counts of a record below ``out``."""
    return read_counts(out / record.folder() / "counts.parquet")


def saved_and_handed_in(model: Any, benchmark: Benchmark, out: Path, **asked: Any) -> tuple[Path, fsbench.Record]:
    """Evaluate with predictions saved, hand them in, and compare the counts; gives the record's folder and record."""
    record = fsbench.evaluate(model, benchmark, out=out / "a", threads=1, save_predictions=True, **asked)
    folder = out / "a" / record.folder()
    again = fsbench.evaluate(f"predictions:{folder / 'predictions'}", benchmark, out=out / "b", threads=1, **asked)
    assert rows(out / "b", again) == rows(out / "a", record)
    assert again.counts_sha256 == record.counts_sha256
    assert (again.folds, again.miou, again.evidence) == (record.folds, record.miou, "predictions")
    assert (again.model.name, again.model.prompts) == (record.model.name, record.model.prompts)
    return folder, record


def png(path: Path) -> tuple[str, npt.NDArray[np.generic]]:
    """The mode and the pixels of a picture."""
    with Image.open(path) as picture:
        return picture.mode, np.array(picture)
