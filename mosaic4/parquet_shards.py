"""Writes the mosaics as Parquet shards, which ``datasets.load_dataset("parquet", data_dir=…)`` reads as split ``test``.

``data/test-00000-of-00024.parquet``, 100 mosaics each: ``mosaic``, ``image`` and ``mask`` (PNG; Hugging Face ``Image``
features), ``classes`` and ``samples`` of its tiles. Pages carry checksums.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fsbench.io.files import atomic_write, sha256_file
from fsbench.parallel import in_threads
from mosaic4.compose import Mosaics
from mosaic4.digests import PixelHashes
from mosaic4.out_folder import BuildLog
from mosaic4.png import encode_png
from mosaic4.queries import mosaic_id
from mosaic4.recipe import Recipe, class_of
from mosaic4.resample import Pixels

PER_SHARD = 100

_TEXT = {"dtype": "string", "_type": "Value"}
_FEATURES = {
    "mosaic": {"dtype": "int32", "_type": "Value"},
    "image": {"_type": "Image"},
    "mask": {"_type": "Image"},
    "classes": {"feature": _TEXT, "_type": "Sequence"},  # the name that versions of datasets before 4 know too
    "samples": {"feature": _TEXT, "_type": "Sequence"},
}
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    [
        ("mosaic", pa.int32()),
        ("image", _IMAGE),
        ("mask", _IMAGE),
        ("classes", pa.list_(pa.string())),
        ("samples", pa.list_(pa.string())),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


def shard_paths(out: Path, mosaics: int) -> list[Path]:
    """The files of ``mosaics`` mosaics; mosaic i is in shard i // 100."""
    count = -(-mosaics // PER_SHARD)
    return [out / "data" / f"test-{shard:05d}-of-{count:05d}.parquet" for shard in range(count)]


def shard_row(recipe: Recipe, mosaic: int, image: Pixels, mask: Pixels) -> dict[str, Any]:
    """A mosaic's row."""
    name = f"{mosaic_id(mosaic)}.png"
    return {
        "mosaic": mosaic,
        "image": {"bytes": encode_png(image), "path": name},
        "mask": {"bytes": encode_png(mask), "path": name},
        "classes": [class_of(sample) for sample in recipe.mosaics[mosaic]],
        "samples": list(recipe.mosaics[mosaic]),
    }


def write_shard(rows: Sequence[dict[str, Any]], sink: Path | pa.BufferOutputStream) -> None:
    """Write the rows of a shard; PNG is compressed already, so pages are not."""
    table = pa.Table.from_pylist(list(rows), SCHEMA)
    pq.write_table(
        table, sink, compression="none", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )


def write_parquet_shards(out: Path, mosaics: Mosaics, log: BuildLog, workers: int | None = None) -> PixelHashes:
    """Write all shards that ``log`` does not keep; returns the hashes of all pixels.

    Raises FsbenchError where a mosaic cannot be read or a file cannot be written.
    """
    paths = shard_paths(out, len(mosaics))
    wanted = [log.kept(path) is None for path in paths]

    def row(mosaic: int) -> tuple[Pixels, Pixels, dict[str, Any] | None]:
        image, mask = mosaics[mosaic]
        return image, mask, shard_row(mosaics.recipe, mosaic, image, mask) if wanted[mosaic // PER_SHARD] else None

    hashes = PixelHashes()
    rows: list[dict[str, Any]] = []
    for mosaic, (image, mask, its_row) in enumerate(in_threads(row, range(len(mosaics)), workers, "mosaics")):
        hashes.update(image, mask)
        if its_row is not None:
            rows.append(its_row)
        if rows and (len(rows) == PER_SHARD or mosaic + 1 == len(mosaics)):
            path = paths[mosaic // PER_SHARD]
            with atomic_write(path) as temporary:
                write_shard(rows, temporary)
                log.add(path, sha256_file(temporary))
            rows.clear()
    return hashes
