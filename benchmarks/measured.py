"""What a measurement says, and the file ``bench.json`` that keeps those of one run with the machine they were made on.

Every module that ``make bench`` runs has ``measure(quick: bool = False) -> list[Measured]``; it raises ``NoDataError``
where it needs real data that is not on this machine.
"""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fsbench.errors import FsbenchError
from fsbench.io.files import write_text
from fsbench.io.typed_json import read_typed
from fsbench.parallel import processors
from fsbench.records.environment import processor

ROOT = Path(__file__).resolve().parents[1]
SCHEMA: Literal["fsbench-bench/1"] = "fsbench-bench/1"

Positive = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class NoDataError(FsbenchError):
    """Real data that a measurement needs is not on this machine; the message says which, and stands in the table."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Ratio(_Strict):
    """Our way beside the plain one, measured in turns in one run; both in ``unit``, where less is better.

    ``ratio``: times as fast (or small) as the plain way. ``floor``: the least ratio that is promised, below 1 where
    ours does more than the plain way and may cost that much; None where nothing is promised. ``note``: the plain way.
    """

    kind: Literal["ratio"] = "ratio"
    name: Name
    ours: Positive
    plain: Positive
    unit: str
    floor: Positive | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """plain / ours."""
        return self.plain / self.ours

    @property
    def met(self) -> bool:
        """Whether the promise holds; True where there is none."""
        return self.floor is None or self.ratio >= self.floor


class Limit(_Strict):
    """A figure with no plain way beside it, in ``unit``, where less is better.

    ``limit``: the most that is promised; None where nothing is promised.
    """

    kind: Literal["limit"] = "limit"
    name: Name
    ours: Positive
    unit: str
    limit: Positive | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the promise holds; True where there is none."""
        return self.limit is None or self.ours <= self.limit


Measured = Ratio | Limit


class Machine(_Strict):
    """Where a run was made. ``cores``: those that the process may use."""

    processor: str
    cores: int
    python: str
    torch: str
    numpy: str
    pillow: str


class Report(_Strict):
    """One run of ``make bench``: what each module measured, or why it did not.

    ``quick``: small sizes were used, so the figures are no results. ``load``: processes at work when the run began.
    ``skipped``, ``failed``: module -> reason.
    """

    schema_: Literal["fsbench-bench/1"] = Field(default=SCHEMA, alias="schema")
    date: str
    quick: bool
    load: float
    machine: Machine
    measured: dict[str, list[Annotated[Measured, Field(discriminator="kind")]]]
    skipped: dict[str, str]
    failed: dict[str, str]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for module, measured in self.measured.items():
            names = [one.name for one in measured]
            if len(set(names)) < len(names):
                raise ValueError(f"{module}: two measurements have the same name")
        return self


def machine() -> Machine:
    """This machine."""
    import numpy
    import PIL
    import torch

    return Machine(
        processor=processor(),
        cores=processors(),
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=numpy.__version__,
        pillow=PIL.__version__,
    )


def today() -> str:
    """The date, UTC, as 2024-12-31."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def write_report(path: Path, report: Report) -> None:
    """Write ``bench.json``, whole or not at all; raises FsbenchError."""
    write_text(path, report.model_dump_json(indent=1, by_alias=True) + "\n")


def read_report(path: Path) -> Report:
    """Read ``bench.json``; raises FsbenchError, in one line, if it is missing, damaged or something else."""
    return read_typed(path, Report, "a file of measurements", "make it with: make bench")


def real_data(name: str) -> Path:
    """The folder ``name`` of real data, in ``FSBENCH_DATA`` or ``../shared/data`` beside the checkout.

    ``VOCdevkit``, ``coco``, ``fss_like``; raises NoDataError where it is not there.
    """
    folder = Path(os.environ.get("FSBENCH_DATA") or ROOT.parent / "shared" / "data") / name
    if not folder.is_dir():
        raise NoDataError(f"no real data: no folder {name} in FSBENCH_DATA")
    return folder


def show(measured: list[Measured]) -> None:
    """Print measurements, a line each, for a module that is run on its own."""
    for one in measured:
        if isinstance(one, Ratio):
            promise = "" if one.floor is None else f", floor {one.floor:.3g}: {'met' if one.met else 'MISSED'}"
            said = (
                f"{one.ours:.4g} {one.unit}, plain {one.plain:.4g} {one.unit}, {one.ratio:.3g} times as fast{promise}"
            )
        else:
            promise = "" if one.limit is None else f", limit {one.limit:.4g}: {'met' if one.met else 'MISSED'}"
            said = f"{one.ours:.4g} {one.unit}{promise}"
        print(f"{one.name}: {said}{one.note and f' ({one.note})'}")
