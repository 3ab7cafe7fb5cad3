"""Bounded reading of Parquet: what pyarrow wrote is read as pyarrow reads it, in every layout it may choose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsbench.io.parquet import read_table
from fsbench.io.parquet_headers import check_footer, read_pages
from fsbench.records.counts import SCENE_SCHEMA, SCHEMA, read_counts

ROWS = 50_000


def table(schema: pa.Schema, rows: int = ROWS) -> pa.Table:
    random = np.random.RandomState(3)
    columns = []
    for field in schema:
        if pa.types.is_string(field.type):
            values = [f"val2014/COCO_val2014_{n:012d}" for n in random.randint(0, 30_000, rows)]
        elif pa.types.is_list(field.type):
            values = random.randint(0, 2**30, (rows, 16)).tolist()
        else:
            values = random.randint(0, 2**30, rows).tolist()
        columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=schema)


@pytest.mark.parametrize("schema", [SCHEMA, SCENE_SCHEMA], ids=["counts", "scenes"])
@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zstd"},
        {"compression": "none", "use_dictionary": False},
        {"compression": "snappy", "row_group_size": 700},
        {"data_page_version": "2.0", "compression": "gzip"},
        {"data_page_size": 2000, "write_statistics": False},
        {"write_page_index": True, "write_page_checksum": True},
    ],
    ids=["ours", "plain", "groups", "v2", "small pages", "index"],
)
def test_what_pyarrow_writes_is_read(tmp_path: Path, schema: pa.Schema, options: dict[str, object]) -> None:
    written = table(schema, 4000)
    pq.write_table(written, tmp_path / "x.parquet", **options)
    assert read_table(tmp_path / "x.parquet", [SCHEMA, SCENE_SCHEMA], 4000).equals(written)
    with pytest.raises(ValueError, match="4000 rows, expected at most 3999"):
        read_table(tmp_path / "x.parquet", [SCHEMA, SCENE_SCHEMA], 3999)


def test_no_rows_are_read(tmp_path: Path) -> None:
    pq.write_table(SCHEMA.empty_table(), tmp_path / "x.parquet")
    assert read_counts(tmp_path / "x.parquet", 0) == []


def test_page_headers_say_what_the_footer_says(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(SCENE_SCHEMA, 5000), path, compression="zstd", data_page_size=3000)
    metadata = pq.read_metadata(path)
    pages = 0
    with path.open("rb") as file:
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(0).column(column)
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            found = read_pages(file, path.stat().st_size, start, chunk.total_compressed_size)
            assert sum(page.values for page in found if not page.dictionary) == chunk.num_values
            headers = chunk.total_uncompressed_size - sum(page.size for page in found)
            assert 0 < headers < 200 * len(found)  # the footer counts the headers as well
            pages += len(found)
    assert pages > 60


def test_bytes_changed_anywhere_never_raise_anything_else(tmp_path: Path) -> None:
    """400 damaged copies: each is read as something, or refused as every damaged file is."""
    from fsbench.errors import FsbenchError

    path = tmp_path / "x.parquet"
    pq.write_table(table(SCHEMA, 60), path, compression="zstd")
    data = path.read_bytes()
    random = np.random.RandomState(5)
    said = []
    for _ in range(400):
        damaged = bytearray(data)
        for place in random.randint(4, len(data), random.randint(1, 4)):
            damaged[place] = random.randint(256)
        path.write_bytes(bytes(damaged))
        try:
            read_counts(path, 60)
        except FsbenchError as error:
            said.append(str(error))
    assert len(said) > 200
    assert all(line.isprintable() for line in said)


def test_a_footer_that_does_not_fit_its_schema_is_refused_before_pyarrow_is_asked(tmp_path: Path) -> None:
    """The footer of one file beside the schema of another, as a flipped bit leaves them; both files are whole."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(SCHEMA, 60), path, compression="zstd")
    pq.write_table(table(SCENE_SCHEMA, 60), tmp_path / "scenes.parquet")
    required = pa.schema([field.with_nullable(False) for field in SCHEMA])
    pq.write_table(table(SCHEMA, 60).cast(required), tmp_path / "required.parquet")
    size = path.stat().st_size
    with path.open("rb") as file:
        check_footer(file, size, pq.ParquetFile(path).schema)
        with pytest.raises(ValueError, match="size statistics of fold do not fit its type"):
            check_footer(file, size, pq.ParquetFile(tmp_path / "required.parquet").schema)
        with pytest.raises(ValueError, match="a row group has 9 columns, expected 13"):
            check_footer(file, size, pq.ParquetFile(tmp_path / "scenes.parquet").schema)
        with pytest.raises(ValueError, match="its footer is cut off"):
            check_footer(file, size - 1, pq.ParquetFile(path).schema)
