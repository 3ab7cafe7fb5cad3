"""The record of an evaluation: ``record.json``, strict and versioned.

``RESULTS/<model>/<revision>-<config8>/<benchmark>/<protocol>-<K>shot-s<seed>[-limit<N>]/`` holds ``record.json``,
``counts.parquet`` and ``bootstrap.parquet``. Records are untrusted: reading one loads nothing but JSON, checks every
field, and refuses a file of more than 64 MiB. Scores are fractions from 0 to 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.io.field_types import (
    MOST_CLASSES,
    MOST_FOLDS,
    MOST_LABELS,
    Amount,
    ClassId,
    Count,
    FolderName,
    FoldName,
    Fraction,
    Interval,
    Limit,
    Modification,
    ProtocolId,
    Remark,
    Run,
    ScoreName,
    Seed,
    Sha256,
    Shots,
    Text,
)
from fsbench.io.files import write_text
from fsbench.io.typed_json import first_fault
from fsbench.io.untrusted import check_json, plain, read_bytes
from fsbench.records.recorded_model import RecordedModel

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "fsbench-record/1"
LARGEST_RECORD = 64 * 2**20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sparse(_Strict):
    """Earlier versions had no ``without_mask`` and ``remarks``, which are not written if empty."""

    @model_serializer(mode="wrap")
    def _leave_out(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        return {name: value for name, value in values.items() if value or name not in ("without_mask", "remarks")}


class RecordedBenchmark(_Sparse):
    """The benchmark. ``present`` of ``total`` val samples were there; ``folds``: all it has.

    ``without_mask``: as in ``FoldLists``.
    """

    name: FolderName
    title: Text
    partial: bool
    present: Count
    total: Count
    partition: Text
    mask_rule: Text
    class_names_sha256: Sha256
    lists_sha256: Sha256
    masks_sha256: Sha256
    sources_sha256: Sha256
    folds: Annotated[tuple[FoldName, ...], Field(min_length=1, max_length=MOST_FOLDS)]
    builder_version: Text
    without_mask: Annotated[tuple[Text, ...], Field(max_length=100)] = ()


class ClassRecord(_Strict):
    """One class; ``iou`` is null if the class had no sample and is left out. ``class_id``: as in the counts."""

    class_id: ClassId | None = None
    iou: Fraction | None
    intersection: Count
    union: Count
    episodes: Count


class OtherScore(_Strict):
    """A score other than the mIoU."""

    score: Fraction | None
    ci95: Interval | None


ConfusionRow = Annotated[tuple[Count, ...], Field(max_length=MOST_LABELS)]


class Confusion(_Strict):
    """Pixels by true class (rows) and predicted class (columns); ``class_ids`` in their order, -1 the background."""

    class_ids: Annotated[tuple[ClassId, ...], Field(max_length=MOST_LABELS)]
    pixels: Annotated[tuple[ConfusionRow, ...], Field(max_length=MOST_LABELS)]

    @model_validator(mode="after")
    def _is_square(self) -> Confusion:
        size = len(self.class_ids)
        if len(set(self.class_ids)) != size or len(self.pixels) != size or any(len(row) != size for row in self.pixels):
            raise ValueError(f"pixels are not {size} rows of {size} for as many different classes")
        return self


class FoldRecord(_Sparse):
    """One fold. ``drawn``: episodes before those with missing files were dropped; ``asked``: those the model answered;
    ``episodes``: those counted. ``left_out``: classes with no sample. ``vanished_replicates``: bootstrap replicates in
    which a class lost its last sample. ``other``: further scores. Of multi-class episodes, ``others`` are the classes
    outside the fold and the background, and ``confusion`` counts all.
    """

    miou: Fraction | None
    fb_iou: Fraction | None
    ci95: Interval | None
    episodes: Count
    asked: Count
    drawn: Count
    manifest_sha256: Sha256
    left_out: Annotated[tuple[Text, ...], Field(max_length=MOST_CLASSES)]
    vanished_replicates: Count
    classes: Annotated[dict[Text, ClassRecord], Field(max_length=MOST_CLASSES)]
    other: dict[ScoreName, OtherScore] = Field(default_factory=dict, max_length=100)
    others: dict[Text, ClassRecord] = Field(default_factory=dict, max_length=MOST_LABELS)
    confusion: Confusion | None = None
    remarks: Annotated[tuple[Remark, ...], Field(max_length=1)] = ()


class Environment(_Strict):
    """Versions, hardware and settings that the numbers may depend on."""

    fsbench: Text
    git_commit: Text | None
    git_dirty: bool | None
    python: Text
    torch: Text
    numpy: Text
    pillow: Text
    platform: Text
    processor: Text
    device: Text
    threads: Count
    batch_size: Count


class Timings(_Strict):
    """The fields in which two equal runs differ. ``seconds``: reading, answering and counting; ``model_seconds``: the
    model alone; ``images_per_second``: query images per second of ``seconds``; memory of the process.
    """

    seconds: Amount
    model_seconds: Amount
    images_per_second: Amount
    peak_memory_mib: Amount
    workers: Count


class Record(_Strict):
    """An evaluation of one model on one benchmark under one protocol.

    ``modified``: how the evaluation differs from its protocol; such a record shares no column with the real one.
    ``run``: of a protocol with several runs. ``miou``, ``fb_iou``, ``ci95`` and ``other`` are of the mean over folds,
    null unless all folds are there. An interval covers the sampling of queries only, given supports, weights and
    classes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Literal["fsbench-record/1"] = Field(alias="schema")
    evidence: Literal["counts", "predictions", "rerun"]
    model: RecordedModel
    benchmark: RecordedBenchmark
    protocol: ProtocolId
    modified: Annotated[tuple[Modification, ...], Field(max_length=20)]
    shots: Shots
    seed: Seed
    run: Run = 0
    limit: Limit | None
    folds: Annotated[dict[FoldName, FoldRecord], Field(max_length=MOST_FOLDS)]
    miou: Fraction | None
    fb_iou: Fraction | None
    ci95: Interval | None
    other: dict[ScoreName, OtherScore] = Field(default_factory=dict, max_length=100)
    manifests_sha256: Annotated[dict[FoldName, Sha256], Field(max_length=MOST_FOLDS)]
    counts_sha256: Sha256
    environment: Environment
    timings: Timings

    @property
    def protocol_title(self) -> str:
        """The protocol's id as tables print it."""
        known = PROTOCOLS.get(self.protocol)
        title = f"{self.protocol}(modified)" if self.modified else self.protocol
        return title + (" (rule only)" if known is not None and known.rule_only else "")

    def to_pandas(self, by: Literal["class", "fold"] = "class") -> pd.DataFrame:
        """The scores as a data frame, fractions from 0 to 1.

        ``class``: indexed by fold and class: ``iou``, ``intersection`` and ``union`` (pixels), ``episodes``; ``tested``
        is false for classes asked beside the fold's. ``fold``: indexed by fold: ``miou``, its 95 % interval
        ``ci_low`` to ``ci_high``, ``fb_iou``, further scores, and numbers of episodes. Raises ValueError for another
        ``by``.
        """
        from fsbench.tables.of_record import record_frame

        if by not in ("class", "fold"):
            raise ValueError(f"by is {by!r}, expected 'class' or 'fold'")
        return record_frame(self, by)

    def __str__(self) -> str:
        from fsbench.tables.of_record import record_text

        return record_text(self)

    def __repr__(self) -> str:
        asked = f"{self.benchmark.title}, {self.protocol_title}, {self.shots}-shot, seed {self.seed}"
        score = f"{len(self.folds)} of {len(self.benchmark.folds)} folds" if self.miou is None else f"{self.miou:.4f}"
        return f"<Record {self.model.name} on {asked}: {'mIoU ' if self.miou is not None else ''}{score}>"

    def _repr_html_(self) -> str:
        from fsbench.tables.of_record import record_html

        return record_html(self)

    def json_text(self) -> str:
        """The JSON text of the file: indented, keys in the schema's order."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False) + "\n"

    def folder(self) -> Path:
        """The record's folder below the results folder."""
        return record_folder(
            self.model, self.benchmark.name, self.protocol, self.shots, self.seed, self.run, self.limit, self.modified
        )


PRESENT = "draw-from=present"
"""In ``modified``: a paper's protocol drew on the files present instead of the published list."""

OTHER_MASKS = "mask-rule="
"""In ``modified``, before the mask rule: COCO masks of another rule than the protocol binds."""


def record_folder(
    model: RecordedModel,
    benchmark: str,
    protocol: str,
    shots: int,
    seed: int,
    run: int,
    limit: int | None,
    modified: Sequence[str],
) -> Path:
    """``<model>/<revision>-<config8>/<benchmark>/<protocol>-<K>shot-s<seed>[-run<R>][-limit<N>][-present][-<masks>]``.

    ``-run<R>``: for protocols of several runs.
    """
    questions = f"{protocol}-{shots}shot-s{seed}"
    questions += f"-run{run}" if protocol in PROTOCOLS and PROTOCOLS[protocol].runs > 1 else ""
    questions += "" if limit is None else f"-limit{limit}"
    questions += "-present" if PRESENT in modified else ""
    questions += "".join(f"-{how.removeprefix(OTHER_MASKS)}" for how in modified if how.startswith(OTHER_MASKS))
    return Path(model.name) / f"{model.revision}-{model.config8}" / benchmark / questions


def read_record(path: Path) -> Record:
    """Read a ``record.json`` (or the one in a folder); raises FsbenchError if it is not one."""
    path = path / "record.json" if path.is_dir() else path
    try:
        data = read_bytes(path, LARGEST_RECORD)
        check_json(data)
        return Record.model_validate_json(data)
    except OSError as error:
        raise FsbenchError(
            f"{path}: cannot be read ({error.strerror}): expected the record.json of an evaluation"
        ) from error
    except ValueError as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else plain(error)[:200]
        raise FsbenchError(f"{path}: is no {SCHEMA} record: {fault}") from error


def write_record(folder: Path, record: Record) -> Path:
    """Write ``record.json`` atomically into ``folder``."""
    path = folder / "record.json"
    write_text(path, record.json_text())
    return path
