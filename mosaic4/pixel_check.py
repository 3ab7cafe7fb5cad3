"""Compares written mosaics with their composition: every fault is a line that names the file.

PNGs are decoded and compared pixel by pixel. With ``exact`` (the library versions of the build are installed) files
must also have the bytes that would be written now, so that every altered byte is found. A mosaic that cannot be
composed, since its sources were altered, is a fault as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsbench.errors import FsbenchError
from fsbench.io.images import read_grey, read_image
from fsbench.io.untrusted import open_regular, read_bytes
from fsbench.parallel import in_threads
from mosaic4.compose import Mosaics
from mosaic4.dataset import Dataset
from mosaic4.parquet_shards import PER_SHARD, SCHEMA, shard_paths, shard_row, write_shard
from mosaic4.png import encode_png
from mosaic4.png_folder import png_paths
from mosaic4.queries import mosaic_id
from mosaic4.resample import Pixels

LARGEST_SHARD = 2**30
"""Bytes of the largest written file; 100 mosaics of 16 tiles have about 200 MiB."""


def mosaic_files(folder: Path, dataset: Dataset) -> set[Path]:
    """The files that hold mosaics; none in the form ``recipe``."""
    mosaics = len(dataset.recipe.mosaics)
    if dataset.form == "png":
        return {path for mosaic in range(mosaics) for path in png_paths(folder, mosaic)}
    return set(shard_paths(folder, mosaics)) if dataset.form == "parquet" else set()


def written_faults(
    folder: Path, dataset: Dataset, composed: Mosaics, workers: int | None, *, exact: bool, images: bool
) -> list[str]:
    """A line per fault. ``images``: compare images too, not only masks. ``composed``: the expected mosaics."""
    shards = shard_paths(folder, len(composed))

    def of_pngs(mosaic: int) -> list[str]:
        try:
            both = composed[mosaic]
        except FsbenchError as error:
            return [_uncomposed(mosaic, error)]
        return [
            f"{path} {fault}"
            for path, pixels in zip(png_paths(folder, mosaic), both, strict=True)
            if (images or pixels.ndim == 2) and (fault := _png_fault(_read(path), pixels, exact=exact))
        ]

    def of_shard(shard: int) -> list[str]:
        return list(_shard_faults(shards[shard], shard, composed, exact=exact, images=images))

    if dataset.form == "png":
        found = in_threads(of_pngs, range(len(composed)), workers, "written files")
    elif dataset.form == "parquet":
        found = in_threads(of_shard, range(len(shards)), workers, "shards")
    else:
        return []
    return [fault for faults in found for fault in faults]


def written_images(folder: Path, dataset: Dataset) -> Iterator[Pixels | None]:
    """The written images in order, uint8 H x W x 3; None for one that cannot be read."""
    mosaics = len(dataset.recipe.mosaics)
    if dataset.form == "png":
        yield from (_decoded(_read(png_paths(folder, mosaic)[0]), "RGB") for mosaic in range(mosaics))
    elif dataset.form == "parquet":
        for path in shard_paths(folder, mosaics):
            rows = _rows(path)
            yield from (_decoded(row["image"]["bytes"], "RGB") for row in rows) if isinstance(rows, list) else [None]


def _shard_faults(path: Path, shard: int, composed: Mosaics, *, exact: bool, images: bool) -> Iterator[str]:
    rows = _rows(path)
    if isinstance(rows, str):
        yield f"{path} {rows}"
        return
    first = shard * PER_SHARD
    mosaics = range(first, min(first + PER_SHARD, len(composed)))
    if len(rows) != len(mosaics):
        yield f"{path} has {len(rows)} rows, not {len(mosaics)}"
        return
    expected, correct = [], True
    for mosaic, row in zip(mosaics, rows, strict=True):
        try:
            both = composed[mosaic]
        except FsbenchError as error:
            correct = False
            yield _uncomposed(mosaic, error)
            continue
        expected.append(shard_row(composed.recipe, mosaic, *both))
        for fault in _row_faults(row, expected[-1], both, images=images):
            correct = False
            yield f"{path} row {mosaic - first} {fault}"
    if correct and exact:
        sink = pa.BufferOutputStream()
        write_shard(expected, sink)
        if sink.getvalue().to_pybytes() != _read(path):
            yield f"{path} was altered: it holds the right mosaics, but not the bytes that were written"


def _row_faults(
    row: dict[str, Any], expected: dict[str, Any], both: tuple[Pixels, Pixels], *, images: bool
) -> Iterator[str]:
    for name, pixels in zip(("image", "mask"), both, strict=True):
        if (images or name == "mask") and (fault := _png_fault(row[name]["bytes"], pixels, exact=False)):
            yield f"{name}: {fault}"
    texts = ("mosaic", "classes", "samples")
    if any(row[name] != expected[name] for name in texts) or row["image"]["path"] != expected["image"]["path"]:
        yield f"is not that of mosaic {mosaic_id(expected['mosaic'])}"


def _rows(path: Path) -> list[dict[str, Any]] | str:
    """The rows of a shard, or its fault."""
    try:
        with open_regular(path) as file:
            table = pq.read_table(file, page_checksum_verification=True)
        rows: list[dict[str, Any]] = table.to_pylist()
    except (OSError, ValueError, FsbenchError, pa.ArrowException) as error:
        return f"cannot be read ({' '.join(str(error).split())[:200]})"
    if not table.schema.equals(SCHEMA) or table.schema.metadata != SCHEMA.metadata:
        return "has other columns than a shard"
    if any(row[name] is None for row in rows for name in SCHEMA.names):
        return "has empty cells"
    return rows


def _png_fault(data: bytes | None, pixels: Pixels, *, exact: bool) -> str | None:
    """The fault of a written PNG that should hold ``pixels``."""
    if data is None:
        return "is missing"
    if exact and data == encode_png(pixels):
        return None
    found = _decoded(data, "L" if pixels.ndim == 2 else "RGB")
    if found is None:
        return "cannot be read"
    if found.shape != pixels.shape:
        return f"is {found.shape[0]} x {found.shape[1]}, not {pixels.shape[0]} x {pixels.shape[1]}"
    differs = found != pixels
    if differs.any():
        count = int(np.count_nonzero(differs.any(axis=2) if differs.ndim == 3 else differs))
        return f"differs from its composition in {count} pixels"
    return "was altered: it holds the right pixels, but not the bytes that were written" if exact else None


def _uncomposed(mosaic: int, error: FsbenchError) -> str:
    return f"mosaic {mosaic_id(mosaic)} cannot be compared ({error})"


def _decoded(data: bytes | None, mode: Literal["RGB", "L"]) -> Pixels | None:
    """The pixels of a written PNG; None for one that cannot be read."""
    if data is None:
        return None
    try:
        return (read_image if mode == "RGB" else read_grey)(Path("PNG"), data)
    except FsbenchError:
        return None


def _read(path: Path) -> bytes | None:
    try:
        return read_bytes(path, LARGEST_SHARD)
    except (OSError, FsbenchError):
        return None
