"""``training.json``: what was trained and how, with the digests of the folder's files and of itself.

It is written last, so a fold that has one is finished; any altered byte in report, card or weights is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_file, sha256_json, write_text
from fsbench.io.typed_json import LARGEST_INDEX, read_typed
from fsbench.training.state import Epoch

SCHEMA: Literal["fsbench-training/1"] = "fsbench-training/1"
REPORT, CARD, CHECKPOINT = "training.json", "card.json", "model.safetensors"
REMEDY = "copy it again, or train again with --if-exists replace"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TrainedOn(_Strict):
    """The benchmark: ``lists`` and ``data`` are digests."""

    title: str
    lists: str
    train_list: str
    drop_novel_images: bool
    held_out: float
    data: str


class DataCounts(_Strict):
    """How much was trained on, held out and refused."""

    train_pairs: Count
    train_images: Count
    held_out_pairs: Count
    held_out_images: Count
    images_refused: Count
    novel_images_dropped: Literal["yes", "no", "unknown"]


class Contents(_Strict):
    """A report without its own digest. ``checkpoint_bytes``: the size of ``model.safetensors``."""

    schema_: Literal["fsbench-training/1"] = Field(default=SCHEMA, alias="schema")
    trainer: str
    options: dict[str, Any]
    seed: int
    fold: str
    benchmark: TrainedOn
    conditions: dict[str, str | int]
    recipe: dict[str, Any]
    metadata: dict[str, str]
    environment: dict[str, str | int | bool | None]
    data: DataCounts
    steps: Count
    selected_by: str
    selected_epoch: Count
    epochs: list[Epoch]
    checkpoint_sha256: Sha256
    checkpoint_bytes: Count
    card_sha256: Sha256
    timings: dict[str, float]

    @model_validator(mode="after")
    def _has_a_selected_score(self) -> Self:
        if self.selected_epoch >= len(self.epochs) or self.selected_by not in self.epochs[self.selected_epoch].scores:
            raise ValueError(f"epoch {self.selected_epoch} has no score {self.selected_by!r}")
        return self

    @property
    def selected_score(self) -> float:
        """The score that chose the weights."""
        return self.epochs[self.selected_epoch].scores[self.selected_by]

    def contents(self) -> dict[str, Any]:
        """As plain JSON values, without the digest."""
        return self.model_dump(mode="json", by_alias=True, exclude={"sha256"})


class Report(Contents):
    """``sha256``: of ``contents``, by ``sha256_json``."""

    sha256: Sha256

    @model_validator(mode="after")
    def _is_unaltered(self) -> Self:
        if self.sha256 != sha256_json(self.contents()):
            raise ValueError("it was altered: its SHA-256 is not the one it was written with")
        return self


def write_report(folder: Path, values: Mapping[str, Any]) -> None:
    """Write ``training.json`` of ``Contents``' values, with its digest."""
    contents = Contents(**values).contents()
    sealed = {**contents, "sha256": sha256_json(contents)}
    write_text(folder / REPORT, json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_report(path: Path) -> Report:
    """A report; raises FsbenchError, one line, where it cannot be read, is not one, or was altered."""
    return read_typed(path, Report, "a training report", "train again with --if-exists replace")


def check_finished(folder: Path) -> Report:
    """The report of a finished fold; raises FsbenchError where it, the card or the weights were altered."""
    report = read_report(folder / REPORT)
    check_file(folder / CARD, report.card_sha256, LARGEST_INDEX)
    check_file(folder / CHECKPOINT, report.checkpoint_sha256, report.checkpoint_bytes)
    return report


def check_file(path: Path, expected: str, most: int) -> None:
    """Raise FsbenchError unless ``path`` is a file of at most ``most`` bytes with the SHA-256 ``expected``."""
    try:
        found = sha256_file(path, most)
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be read ({error.strerror}), but {REPORT} names it: {REMEDY}") from error
    if found != expected:
        raise FsbenchError(f"{path}: was altered (SHA-256 {found[:8]}…, {REPORT} says {expected[:8]}…): {REMEDY}")
