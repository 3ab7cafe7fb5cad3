"""One module of ``make bench`` in this process: ``python -m benchmarks.run_module MODULE FILE [--quick]``."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.measured import Measured, NoDataError
from fsbench.io.files import write_text


class Outcome(BaseModel):
    """What a module measured, or why it did not: real data is missing (``skipped``), or it ended badly (``failed``)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    measured: list[Annotated[Measured, Field(discriminator="kind")]] = []
    skipped: str | None = None
    failed: str | None = None


def main() -> None:
    """Measure, and write the outcome to FILE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("file", type=Path)
    parser.add_argument("--quick", action="store_true")
    said = parser.parse_args()
    try:
        outcome = Outcome(measured=import_module(f"benchmarks.{said.module}").measure(said.quick))
    except NoDataError as error:
        outcome = Outcome(skipped=str(error))
    write_text(said.file, outcome.model_dump_json())


if __name__ == "__main__":
    main()
