"""Compares written mosaics with their composition: what is wrong with a file is a line that names it.

Stored PNGs are decoded and compared pixel by pixel. With ``exact`` (the library versions of the build are at hand) files
must also have the bytes that would be written now, so that no altered byte goes unseen.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from fsbench.errors import FsbenchError
from fsbench.parallel import in_threads
from mosaic4.compose import Pixels
from mosaic4.dataset import Dataset
from mosaic4.parquet_shards import PER_SHARD, SCHEMA, shard_paths, shard_row, write_shard
from mosaic4.png import encode_png
from mosaic4.png_folder import png_paths
from mosaic4.queries import mosaic_id

Composed = Sequence[tuple[Pixels, Pixels]]

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def mosaic_files(folder: Path, dataset: Dataset) -> set[Path]:
    """The files that hold mosaics; none where they are not written out."""
    mosaics = len(dataset.recipe.mosaics)
    if dataset.form == "png":
        return {path for mosaic in range(mosaics) for path in png_paths(folder, mosaic)}
    return set(shard_paths(folder, mosaics)) if dataset.form == "parquet" else set()


def written_faults(
    folder: Path, dataset: Dataset, composed: Composed, workers: int | None, *, exact: bool, images: bool
) -> list[str]:
    """A line per fault. ``images``: compare images too; without, masks alone are. ``composed``: the mosaics.

    A mosaic that cannot be composed, since its sources are altered, is a fault as well.
    """

    def of_pngs(mosaic: int) -> list[str]:
        try:
            both = composed[mosaic]
        except FsbenchError as error:
            return [f"mosaic {mosaic_id(mosaic)} cannot be compared ({error})"]
        return [
            f"{path} {said}"
            for path, pixels in zip(png_paths(folder, mosaic), both, strict=True)
            if (images or pixels.ndim == 2) and (said := _png_fault(_read(path), pixels, exact=exact))
        ]

    def of_shard(shard: int) -> list[str]:
        path, first = shard_paths(folder, len(composed))[shard], shard * PER_SHARD
        return list(_shard_faults(path, first, dataset, composed, exact=exact, images=images))

    if dataset.form == "png":
        found = in_threads(of_pngs, range(len(composed)), workers, "written files")
    elif dataset.form == "parquet":
        found = in_threads(of_shard, range(-(-len(composed) // PER_SHARD)), workers, "shards")
    else:
        return []
    return [said for faults in found for said in faults]


def written_images(folder: Path, dataset: Dataset) -> Iterator[Pixels | None]:
    """The written images in order, uint8 H x W x 3; None for one that cannot be read."""
    mosaics = len(dataset.recipe.mosaics)
    if dataset.form == "png":
        yield from (_decoded(_read(png_paths(folder, mosaic)[0]), "RGB") for mosaic in range(mosaics))
    elif dataset.form == "parquet":
        for path in shard_paths(folder, mosaics):
            rows = _rows(path)
            yield from (_decoded(row["image"]["bytes"], "RGB") for row in rows) if isinstance(rows, list) else [None]


def _shard_faults(
    path: Path, first: int, dataset: Dataset, composed: Composed, *, exact: bool, images: bool
) -> Iterator[str]:
    rows = _rows(path)
    if isinstance(rows, str):
        yield f"{path} {rows}"
        return
    wanted, fine = [], True
    mosaics = range(first, min(first + PER_SHARD, len(composed)))
    if len(rows) != len(mosaics):
        yield f"{path} has {len(rows)} rows, not {len(mosaics)}"
        return
    for mosaic, row in zip(mosaics, rows, strict=True):
        try:
            image, mask = composed[mosaic]
        except FsbenchError as error:
            yield f"mosaic {mosaic_id(mosaic)} cannot be compared ({error})"
            return
        wanted.append(shard_row(dataset.recipe, mosaic, image, mask))
        for name, pixels in (("image", image), ("mask", mask)):
            said = _png_fault(row[name]["bytes"], pixels, exact=False) if images or name == "mask" else None
            if said:
                fine = False
                yield f"{path} row {mosaic - first}: the {name} of mosaic {mosaic_id(mosaic)} {said}"
        texts = ("mosaic", "classes", "samples")
        if any(row[name] != wanted[-1][name] for name in texts) or row["image"]["path"] != wanted[-1]["image"]["path"]:
            fine = False
            yield f"{path} row {mosaic - first}: is not that of mosaic {mosaic_id(mosaic)}"
    if fine and exact:
        sink = pa.BufferOutputStream()
        write_shard(wanted, sink)
        if sink.getvalue().to_pybytes() != _read(path):
            yield f"{path} was altered: it holds the right mosaics, but not the bytes that were written"


def _rows(path: Path) -> list[dict[str, Any]] | str:
    """The rows of a shard, or what is wrong with it."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        return f"cannot be read ({' '.join(str(error).split())[:200]})"
    if not table.schema.equals(SCHEMA, check_metadata=True):
        return "has other columns than a shard"
    rows: list[dict[str, Any]] = table.to_pylist()
    if any(row[name] is None for row in rows for name in SCHEMA.names):
        return "has empty cells"
    return rows


def _png_fault(data: bytes | None, pixels: Pixels, *, exact: bool) -> str | None:
    if data is None:
        return "is missing"
    stored = _decoded(data, "L" if pixels.ndim == 2 else "RGB")
    if stored is None:
        return "cannot be read"
    if stored.shape != pixels.shape:
        return f"is {stored.shape[0]} x {stored.shape[1]}, not {pixels.shape[0]} x {pixels.shape[1]}"
    differs = stored != pixels
    if differs.any():
        count = int(np.count_nonzero(differs.any(axis=2) if differs.ndim == 3 else differs))
        return f"differs from its composition in {count} pixels"
    if exact and data != encode_png(pixels):
        return "was altered: it holds the right pixels, but not the bytes that were written"
    return None


def _decoded(data: bytes | None, mode: str) -> Pixels | None:
    """The pixels of a PNG of ``mode``; None for anything else."""
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            return np.asarray(image) if image.mode == mode else None
    except _DAMAGE:
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
