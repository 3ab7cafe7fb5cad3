"""``benchmark.json``, the index of a benchmark folder, as a strict model with a digest of its own values.

``Index`` is that of a folder that ``write_benchmark`` wrote, with the SHA-256 of its tables; ``BuilderIndex`` that of a
builder that opens its folders itself (``open_folder``). The digest finds damage; it does not prove who wrote the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import ClassName
from fsbench.index.sample_table import PAIRS, SAMPLES
from fsbench.io.field_types import MOST_FOLDS, Count, FolderName, FoldName, Sha256, Text
from fsbench.io.files import sha256_json, write_text
from fsbench.io.typed_json import first_fault, read_typed
from fsbench.io.untrusted import plain

SCHEMA = "fsbench-benchmark/2"
INDEX = "benchmark.json"
REMEDY = "build it again"
MOST_CLASSES, MOST_VARIANTS, MOST_ROOTS = 100_000, 100, 20

ClassId = Annotated[int, Field(ge=0, lt=MOST_CLASSES)]
Name = Annotated[str, Field(min_length=1, max_length=400)]
RootName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
RootPath = Annotated[str, Field(min_length=1, max_length=4096)]
TableName = Annotated[str, Field(pattern=r"^(samples\.parquet|pairs\.parquet|masks\.arrow)$")]
Schema = Literal["fsbench-benchmark/2"]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Head(BaseModel):
    """The fields that decide which kind of index a file is."""

    model_config = ConfigDict(strict=True, frozen=True)

    schema_: Text = Field(alias="schema")
    name: Text = ""
    builder: Text = ""


class IndexedClass(_Strict):
    """A class; see ``ClassName``."""

    id: ClassId
    key: Name
    name: Name


@dataclass(frozen=True)
class Digests:
    """``lists``: names and lists. ``masks``: decoded masks in order. ``sources``: hashes of the raw files."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    lists: Sha256
    masks: Sha256
    sources: Sha256


class BuilderIndex(_Strict):
    """The index of a builder that opens its folders itself.

    ``roots``: name -> folder of raw data; ``sha256``: of all other values (``files.sha256_json``).
    """

    schema_: Schema = Field(alias="schema")
    name: FolderName
    title: Text
    roots: Annotated[dict[RootName, RootPath], Field(min_length=1, max_length=MOST_ROOTS)]
    builder: Text
    builder_version: Text
    sha256: Sha256

    @model_validator(mode="after")
    def _is_unaltered(self) -> BuilderIndex:
        if self.sha256 != sha256_json(self.model_dump(mode="json", by_alias=True, exclude={"sha256"})):
            raise ValueError("its values were altered after it was written")
        return self


class Index(BuilderIndex):
    """The index of a folder that ``write_benchmark`` wrote.

    ``counts``: samples per split; ``lists``: pairs per list; ``files``: SHA-256 of the tables.
    """

    partial: bool
    counts: Annotated[dict[Name, Count], Field(max_length=4)]
    partition: Text
    mask_rule: Text
    mask_format: Text
    classes: Annotated[tuple[IndexedClass, ...], Field(min_length=1, max_length=MOST_CLASSES)]
    folds: Annotated[dict[FoldName, tuple[ClassId, ...]], Field(min_length=1, max_length=MOST_FOLDS)]
    lists: Annotated[dict[Name, Count], Field(max_length=MOST_FOLDS * (MOST_VARIANTS + 1))]
    train_variants: Annotated[tuple[Name, ...], Field(max_length=MOST_VARIANTS)]
    without_mask: Annotated[tuple[Name, ...], Field(max_length=MOST_CLASSES)]
    digests: Digests
    files: Annotated[dict[TableName, Sha256], Field(max_length=3)]

    @model_validator(mode="after")
    def _fits(self) -> Index:
        if [c.id for c in self.classes] != list(range(len(self.classes))):
            raise ValueError("class ids are not 0, 1, 2, … in order")
        if len({c.key for c in self.classes}) != len(self.classes):
            raise ValueError("two classes have the same key")
        if max((c for ids in self.folds.values() for c in ids), default=0) >= len(self.classes):
            raise ValueError("a fold names an unknown class")
        named = [f"val-fold{fold}" for fold in self.folds]
        named += [f"train-fold{fold}-{variant}" for variant in self.train_variants for fold in self.folds]
        if list(self.lists) != named:
            raise ValueError("its lists are not those of its folds")
        if not {SAMPLES, PAIRS} <= self.files.keys():
            raise ValueError(f"files lacks {SAMPLES} or {PAIRS}")
        return self

    def class_names(self) -> tuple[ClassName, ...]:
        """The classes as the fold lists hold them."""
        return tuple(ClassName(c.id, c.key, c.name) for c in self.classes)


AnyIndex = TypeVar("AnyIndex", bound=BuilderIndex)


def read_head(folder: Path) -> Head:
    """Name and builder of a folder's index; raises FsbenchError for another kind of file or another version."""
    path = folder / INDEX
    head = read_typed(path, Head, "the index of a benchmark", REMEDY)
    if head.schema_ != SCHEMA:
        raise FsbenchError(f"{path}: schema is {plain(head.schema_)[:80]!r}, expected {SCHEMA!r}: {REMEDY}")
    return head


def read_index(folder: Path, model: type[AnyIndex]) -> AnyIndex:
    """The index of a folder; raises FsbenchError if a value is wrong or altered."""
    read_head(folder)
    return read_typed(folder / INDEX, model, "the index of a benchmark", REMEDY)


def write_index(folder: Path, model: type[AnyIndex], values: Mapping[str, Any]) -> None:
    """Write ``benchmark.json`` atomically, with its schema and digest; raises FsbenchError if the values do not fit.

    ``values``: all fields of ``model`` but ``schema`` and ``sha256``.
    """
    path = folder / INDEX
    unsealed = {"schema": SCHEMA, **values}
    text = json.dumps({**unsealed, "sha256": sha256_json(unsealed)}, indent=1, ensure_ascii=False) + "\n"
    try:
        model.model_validate_json(text.encode("utf-8"))
    except ValidationError as error:
        fault = first_fault(error, "values")
        raise FsbenchError(f"{path}: cannot be written ({fault}): change what the benchmark is made of") from error
    except UnicodeEncodeError as error:
        text = plain(error.object[max(0, error.start - 40) : error.end].encode("utf-8", "replace").decode())
        raise FsbenchError(f"{path}: cannot be written ({text!r} is not UTF-8): rename the file or folder") from error
    write_text(path, text)
