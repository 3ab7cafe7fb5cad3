"""Masks as COCO RLE in one memory-mapped Arrow IPC file, for benchmarks whose masks are not image files.

``masks.arrow`` has a row per (sample, class) with a mask, in the order of the samples, classes ascending: ``sample``,
``class_id``, ``height``, ``width``, ``area`` (pixels that are true and not void), ``rle`` (the class) and ``void``
(null, or the void pixels). RLE is COCO's compressed form, canonical: only the first run may be empty, so equal masks
have equal bytes and a digest over the bytes is one over the decoded masks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fsbench.errors import FsbenchError
from fsbench.index.rle import decode_rle
from fsbench.index.truths import VOID, join_truths
from fsbench.io.files import atomic_write, sha256_file
from fsbench.io.untrusted import plain

FILE = "masks.arrow"
LARGEST = 4 * 2**30
"""Bytes of the largest file; that of COCO-20i at full size has less than 1 GiB."""
SCHEMA = pa.schema(
    {
        "sample": pa.string(),
        "class_id": pa.int32(),
        "height": pa.int32(),
        "width": pa.int32(),
        "area": pa.int64(),
        "rle": pa.binary(),
        "void": pa.binary(),
    }
)

Truth = npt.NDArray[np.uint8]


class MaskRow(NamedTuple):
    """The mask of one class in one sample: ``rle`` and ``void`` are COCO's compressed RLE, column by column."""

    sample: str
    class_id: int
    height: int
    width: int
    area: int
    rle: bytes
    void: bytes | None


def rows_digest(rows: Iterable[MaskRow]) -> str:
    """SHA-256 (hex) over all masks in order: a line ``sample class height width``, the RLE and the void RLE each."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.sample} {row.class_id} {row.height} {row.width}\n".encode())
        digest.update(row.rle + b"\n" + (row.void or b"") + b"\n")
    return digest.hexdigest()


def write_mask_table(folder: Path, rows: Sequence[MaskRow]) -> None:
    """Write ``masks.arrow`` atomically into a benchmark folder; rows of a sample are adjacent."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCHEMA)
    table = pa.table(dict(zip(SCHEMA.names, map(list, columns), strict=True)), schema=SCHEMA)
    with (
        atomic_write(folder / FILE) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        writer.write_table(table)


class MaskTable:
    """Reads ``masks.arrow``; raises FsbenchError if its SHA-256 is not ``sha256`` (hex) or it has other columns."""

    def __init__(self, folder: Path, sha256: str) -> None:
        self.path = folder / FILE
        try:
            if sha256_file(self.path, LARGEST) != sha256:
                raise FsbenchError(f"{self.path}: was altered after it was built: build the benchmark again")
            with pa.memory_map(str(self.path)) as source:
                table = pa.ipc.open_file(source).read_all()
            table.validate(full=True)  # damaged offsets would be read as they are
            whole = table.schema == SCHEMA and not any(table[n].null_count for n in SCHEMA.names if n != "void")
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            reason = plain(" ".join(str(error).split()))[:200]
            raise FsbenchError(f"{self.path}: cannot be read as masks ({reason}): build the benchmark again") from error
        if not whole:
            raise FsbenchError(f"{self.path}: its columns are not those of masks: build the benchmark again")
        self._table = table

    @cached_property
    def _columns(self) -> tuple[pa.Array, pa.Array, npt.NDArray[np.int32]]:
        """RLE, void RLE and class ids, one chunk each."""
        table = self._table if self._table["rle"].num_chunks == 1 else self._table.combine_chunks()
        if not table.num_rows:
            return pa.array([], pa.binary()), pa.array([], pa.binary()), np.zeros(0, np.int32)
        return table["rle"].chunk(0), table["void"].chunk(0), table["class_id"].to_numpy()

    @cached_property
    def _first(self) -> dict[str, tuple[int, int]]:
        """Sample -> its rows, from and to."""
        found: dict[str, tuple[int, int]] = {}
        for row, sample in enumerate(self._table["sample"].to_pylist()):
            found[sample] = (found.get(sample, (row,))[0], row + 1)
        return found

    def rows(self) -> list[MaskRow]:
        """Everything in the table."""
        return [MaskRow(*values) for values in zip(*(c.to_pylist() for c in self._table.columns), strict=True)]

    def classes(self, sample: str) -> dict[int, int]:
        """Class id -> row of the classes that have a mask in the sample, ascending."""
        begin, end = self._first.get(sample, (0, 0))
        return {int(class_id): begin + i for i, class_id in enumerate(self._columns[2][begin:end])}

    def truth(self, sample: str, class_id: int, size: tuple[int, int]) -> Truth:
        """The class's mask, uint8 H x W in {0, 1, 255 = void}, all 0 where the sample has none of the class.

        Raises FsbenchError if the stored mask has another size or is damaged.
        """
        row = self.classes(sample).get(class_id)
        return np.zeros(size, np.uint8) if row is None else self._truth(sample, row, size)

    def labels(self, sample: str, class_ids: Sequence[int], size: tuple[int, int]) -> Truth:
        """Which of ``class_ids`` each pixel is, as ``truths.join_truths``; raises FsbenchError as ``truth``."""
        there = self.classes(sample)
        places = [place for place, class_id in enumerate(class_ids) if class_id in there]
        return join_truths({p: self._truth(sample, there[class_ids[p]], size) for p in places}, size)

    def _truth(self, sample: str, row: int, size: tuple[int, int]) -> Truth:
        rle, void, _ = self._columns
        truth = self._decoded(sample, rle[row].as_py(), size)
        if void[row].is_valid:
            truth |= np.uint8(VOID) * (self._decoded(sample, void[row].as_py(), size) > truth)
        return truth

    def _decoded(self, sample: str, rle: bytes, size: tuple[int, int]) -> Truth:
        try:
            return decode_rle(rle, size)
        except ValueError as error:
            fault = f"the mask of {sample} does not fill {size[0]} x {size[1]} pixels"
            raise FsbenchError(f"{self.path}: {fault} ({error}): build the benchmark again") from error
