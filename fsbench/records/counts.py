"""Counts per episode, which are all that an evaluation measures: every score is computed from them.

Each record has a ``counts.parquet``. While a fold runs, its counts are appended batch by batch to a log, from which a
killed run resumes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from fsbench.errors import FsbenchError
from fsbench.io.files import make_folder, sha256_json, sha256_text
from fsbench.io.parquet import PARQUET_ERRORS, read_table, refused, write_table
from fsbench.io.untrusted import append_regular
from fsbench.records.score_stats import ScoreStats

SCHEMA = pa.schema(
    [("fold", pa.string()), ("number", pa.int32()), ("query", pa.string()), ("image", pa.string())]
    + [("class_id", pa.int32())]
    + [(name, pa.int64()) for name in ("intersection", "predicted", "truth", "valid")]
)
SCENE_SCHEMA = pa.schema(
    [
        *SCHEMA,
        ("position", pa.int32()),
        *((name, pa.list_(pa.int64())) for name in ("tile_predicted", "object_predicted", "object_pixels")),
    ]
)
"""Counts of composed queries."""

MOST_ROWS = 8_000_000
"""Rows of the largest file: the 67,135 val images of COCO-20i, asked for 80 classes and the background."""
MOST_PIXELS = 2**40
BACKGROUND = -1
"""The class id of the background, which is counted in multi-class episodes."""
ABSENT = -1
"""The position of a class that is asked of a composed query and is not in it."""


class SceneCounts(NamedTuple):
    """Pixels of one answer to a composed query, by position, row by row from the top left.

    ``position``: of the class asked, -1 if absent; ``tiles``: predicted in each tile; ``objects``: predicted on each
    object; ``areas``: pixels of each object.
    """

    position: int
    tiles: tuple[int, ...]
    objects: tuple[int, ...]
    areas: tuple[int, ...]


class Row(NamedTuple):
    """One episode and class. ``image``: the source photograph (the query itself, but for mosaics).

    A row with ``valid`` 0 is in no score. A multi-class episode has a row for the background and for each class that is
    true or predicted somewhere. ``scene``: further counts of a composed query.
    """

    fold: str
    number: int
    query: str
    image: str
    class_id: int
    intersection: int
    predicted: int
    truth: int
    valid: int
    scene: SceneCounts | None = None

    @property
    def absent(self) -> bool:
        """Whether the class asked is not in the query; such a row is in no mIoU."""
        return self.scene is not None and self.scene.position == ABSENT

    def line(self) -> str:
        """The values, separated by spaces, then those of a scene, lists joined by ``,``."""
        values = [str(value) for value in self[:9]]
        if self.scene is not None:
            position, *counted = self.scene
            values += [str(position), *(",".join(map(str, numbers)) for numbers in counted)]
        return " ".join(values)


def rows_digest(rows: Iterable[Row]) -> str:
    """SHA-256 (hex) over the lines of the rows."""
    return sha256_text("".join(f"{row.line()}\n" for row in rows))


def write_counts(path: Path, rows: Sequence[Row]) -> None:
    """Write rows to Parquet atomically."""
    scenes = [row.scene for row in rows if row.scene is not None]
    schema = SCENE_SCHEMA if scenes else SCHEMA
    columns = [*zip(*(row[:9] for row in rows), strict=True), *zip(*scenes, strict=True)] or [[] for _ in schema]
    table = pa.table([pa.array(c, kind) for c, kind in zip(columns, schema.types, strict=True)], schema=schema)
    write_table(path, table)


def read_counts(path: Path, most_rows: int = MOST_ROWS) -> list[Row]:
    """Rows of an untrusted ``counts.parquet``.

    Raises FsbenchError if it is missing, broken, of another schema, or has more than ``most_rows`` rows or impossible
    numbers.
    """
    try:
        table = read_table(path, (SCHEMA, SCENE_SCHEMA), most_rows)
        for name, column in zip(table.schema.names, table.columns, strict=True):
            _check_range(name, column)
    except PARQUET_ERRORS as error:
        raise refused(path, "counts", error) from error
    values = zip(*(_values(column) for column in table.columns), strict=True)
    if table.num_columns == len(SCHEMA):
        return [Row(*row) for row in values]
    return [Row(*row[:9])._replace(scene=SceneCounts(row[9], *map(tuple, row[10:]))) for row in values]


def _values(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column; equal strings are one object, to save memory."""
    if not pa.types.is_string(column.type):
        return list(column.to_pylist())
    encoded = column.combine_chunks().dictionary_encode()
    strings = encoded.dictionary.to_pylist()
    return [strings[place] for place in encoded.indices.to_pylist()]


def _check_range(name: str, column: pa.ChunkedArray) -> None:
    """Raise ValueError for an impossible number and for a null inside a list."""
    numbers = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    if numbers.null_count:
        raise ValueError(f"{name} has nulls")
    if not pa.types.is_integer(numbers.type):
        return
    least = {"class_id": BACKGROUND, "position": ABSENT}.get(name, 0)
    found = pc.min_max(numbers).as_py()
    if found["min"] is not None and not least <= found["min"] <= found["max"] < MOST_PIXELS:
        raise ValueError(f"{name} is from {found['min']} to {found['max']}, expected {least} to 2^40")


class Confused(NamedTuple):
    """``pixels`` of class ``truth`` that were labelled ``predicted`` (class ids, -1 the background)."""

    truth: int
    predicted: int
    pixels: int


class DoneBatch(NamedTuple):
    """A batch in the log: rows, seconds of wall time and in the model, confusion counts, and score statistics."""

    rows: list[Row]
    seconds: float
    model_seconds: float
    confused: list[Confused]
    scores: ScoreStats


class _Line(BaseModel):
    """A batch's line of the log; ``sha256``: of its other values."""

    model_config = ConfigDict(strict=True, extra="forbid")

    batch: int
    rows: list[Row]
    seconds: float
    model_seconds: float
    confused: list[Confused]
    scores: ScoreStats
    sha256: str


LONGEST_LINE = 256 * 2**20
"""Bytes of a line of a log: a batch of a million episodes."""


def _lock(file: BinaryIO) -> bool:
    """Lock an open log for this process, if the system has such locks; False if another one holds it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(path: Path) -> bool:
    """Whether no run is writing a log, or there is none."""
    if not path.exists():
        return True
    with append_regular(path) as file:
        return _lock(file)


def remove_log(path: Path) -> bool:
    """Remove a log unless a run is writing it; returns whether it is gone.

    Only one process may remove or open logs at a time: another may have opened the log just before it is removed.
    """
    free = is_free(path)
    if free:
        path.unlink(missing_ok=True)
    return free


class CountLog:
    """The log of a fold in progress, a context manager: a JSON line that identifies the run, then one per batch.

    A log of another ``run`` starts anew. Each line has a SHA-256 of its values: a line that was cut by a kill, or
    damaged, is dropped, and its batch is asked again.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.run = dict(run)
        self._run = json.dumps(run, sort_keys=True).encode() + b"\n"
        self.done: dict[int, DoneBatch] = {}

    def __enter__(self) -> CountLog:
        make_folder(self.path.parent)
        try:
            self._file = append_regular(self.path)
            if not _lock(self._file):
                self._file.close()
                raise FsbenchError(f"{self.path}: another run is at work here: wait for it, or choose another --out")
            self._keep_whole_lines()
        except OSError as error:
            raise FsbenchError(f"{self.path}: cannot be written ({error.strerror}): choose another --out") from error
        return self

    def _keep_whole_lines(self) -> None:
        """Read the log, and rewrite it unless every line is whole and of this run."""
        self._file.seek(0)
        ours = self._file.readline(len(self._run)) == self._run
        kept, altered = [self._run], not ours
        while ours and (line := self._file.readline(LONGEST_LINE)):
            whole, ended = self._is_whole(line), line.endswith(b"\n")
            altered |= not (whole and ended)
            if whole:
                kept.append(line if ended else line + b"\n")
            elif not ended:
                break  # cut by a kill, or longer than any line
        if altered:
            self._file.truncate(0)
            self._file.writelines(kept)
            self._file.flush()

    def _is_whole(self, line: bytes) -> bool:
        """Whether a line is as it was written; its batch is then done."""
        try:
            read = _Line.model_validate_json(line)
        except ValidationError:
            return False
        values = json.loads(line)
        if values.pop("sha256") != sha256_json(values):
            return False
        self.done[read.batch] = DoneBatch(read.rows, read.seconds, read.model_seconds, read.confused, read.scores)
        return True

    def append(self, batch: int, done: DoneBatch) -> None:
        """Write a finished batch, which then survives a kill."""
        self.done[batch] = done
        values = {"batch": batch, **done._asdict()}
        self._file.write(json.dumps({**values, "sha256": sha256_json(values)}).encode() + b"\n")
        self._file.flush()

    def forget(self) -> None:
        """Drop every batch."""
        self.done.clear()
        self._file.truncate(0)
        self._file.write(self._run)
        self._file.flush()

    def sync(self) -> None:
        """Have the disk keep what was appended, which then survives a loss of power."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sync()
        self._file.close()
