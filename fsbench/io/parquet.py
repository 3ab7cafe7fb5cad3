"""Bounded reading of untrusted Parquet: the size in memory is known, and refused, before anything is decoded.

A few kilobytes can declare ten billion rows, or hold a page that inflates to gigabytes, a string that a dictionary
repeats a million times, or a list of a billion numbers in one row. A footer may lie, so the header of every page is
read as well (``parquet_headers.py``). Encodings are those of our own files; strings stay dictionaries until the longest
is known. Our own files have a checksum per page, which pyarrow checks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fsbench.errors import FsbenchError
from fsbench.io.files import atomic_write
from fsbench.io.parquet_headers import Page, check_footer, read_pages
from fsbench.io.untrusted import open_regular, plain

LARGEST_FILE = 512 * 2**20
LONGEST_STRING = 400
LONGEST_LIST = 16
"""Tiles of the largest scene."""
NUMBER_BYTES, STRING_BYTES = 16, 128
"""Average bytes of a value before compression, with its levels and its dictionary index."""
SPARE_BYTES = 2**20
MOST_ROW_GROUPS = 10_000
WRITER = "parquet-cpp-arrow"
ENCODINGS = {0: "PLAIN", 2: "PLAIN_DICTIONARY", 3: "RLE", 8: "RLE_DICTIONARY"}

PARQUET_ERRORS = (OSError, ValueError, KeyError, IndexError, OverflowError, MemoryError, pa.ArrowException)
"""What pyarrow and the checks here raise for a damaged file."""


def write_table(path: Path, table: pa.Table) -> None:
    """Write ``table`` as Parquet, atomically, with a checksum per page."""
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read_table(
    path: Path,
    schemas: Sequence[pa.Schema],
    most_rows: int,
    only: Sequence[str] | None = None,
    *,
    nullable: Sequence[str] = (),
    sha256: str | None = None,
) -> pa.Table:
    """The table in ``path``, with the names and types of one of ``schemas``.

    ``only``: the columns to decode, None for all; ``nullable``: those with nulls; ``sha256``: of the file (hex).

    Raises OSError if it cannot be opened, FsbenchError if it is not a regular file, and ValueError for another digest,
    other columns or nulls, more than ``most_rows`` rows, or more bytes than these may have.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > LARGEST_FILE:
            raise ValueError(f"it is larger than {LARGEST_FILE >> 20} MiB")
        if sha256 is not None:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ValueError("it was altered after it was written")
            file.seek(0)
        options = {
            "thrift_string_size_limit": 2**24,
            "thrift_container_size_limit": 10**6,
            "pre_buffer": False,
            "page_checksum_verification": True,
        }
        with pq.ParquetFile(file, **options) as footer:
            metadata, columns, found = footer.metadata, footer.schema, footer.schema_arrow
        schema = next((s for s in schemas if (s.names, s.types) == (found.names, found.types)), None)
        if schema is None:
            expected = next((s for s in schemas if s.names == found.names), schemas[0])
            raise ValueError(f"columns are {_listed(found, expected)}, expected {_listed(expected, found)}")
        if not 0 <= metadata.num_rows <= most_rows:
            raise ValueError(f"{metadata.num_rows} rows, expected at most {most_rows}")
        if not metadata.created_by.startswith(WRITER):  # for some old writers, more is read than a column's length
            raise ValueError(f"it was written by {plain(metadata.created_by)[:40]!r}, expected {WRITER}")
        if metadata.num_row_groups > min(MOST_ROW_GROUPS, max(1, metadata.num_rows)):
            raise ValueError(f"{metadata.num_row_groups} row groups of {metadata.num_rows} rows")
        check_footer(file, size, columns)
        _check_pages(file, size, metadata, schema)
        names = list(schema.names if only is None else only)
        kept = pa.schema([schema.field(name) for name in names])
        strings = [field.name for field in kept if pa.types.is_string(field.type)]
        file.seek(0)
        with pq.ParquetFile(file, metadata=metadata, read_dictionary=strings, **options) as reader:
            filled = [n for n in range(metadata.num_row_groups) if metadata.row_group(n).num_rows]
            groups = [_group(reader, number, names, strings) for number in filled]
        table = pa.concat_tables(groups) if groups else kept.empty_table()
    if table.num_rows != metadata.num_rows or any(table[n].null_count for n in names if n not in nullable):
        raise ValueError("it has nulls, or other rows than it says")
    return table.cast(kept)


def _listed(schema: pa.Schema, other: pa.Schema) -> str:
    """The first columns, with types, in which ``schema`` differs from ``other``."""
    pairs = [f"{field.name} {field.type}" for field in schema]
    others = {f"{field.name} {field.type}" for field in other}
    return plain(", ".join([pair for pair in pairs if pair not in others][:3] or pairs[:3]))[:90]


def _check_pages(file: BinaryIO, size: int, metadata: pq.FileMetaData, schema: pa.Schema) -> None:
    """Raise ValueError if all pages together are larger than so many rows may be."""
    nested = {field.name for field in schema if pa.types.is_list(field.type)}
    most_bytes = SPARE_BYTES + metadata.num_rows * sum(_bytes(field.type) for field in schema)
    rows = held = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if not 0 <= group.num_rows <= metadata.num_rows:
            raise ValueError(f"row group {number} has {group.num_rows} rows of {metadata.num_rows}")
        rows += group.num_rows
        for place in range(group.num_columns if group.num_rows else 0):
            chunk = group.column(place)
            name = plain(chunk.path_in_schema)[:80]
            starts = [chunk.data_page_offset]
            if chunk.has_dictionary_page:
                starts.append(chunk.dictionary_page_offset)
            pages = read_pages(file, size, min(starts), chunk.total_compressed_size)
            most = group.num_rows * (LONGEST_LIST if name.partition(".")[0] in nested else 1)
            held += _check_chunk(name, pages, most)
            if held > most_bytes:
                raise ValueError(f"{name}: pages inflate to more than {most_bytes} bytes for {metadata.num_rows} rows")
    if rows != metadata.num_rows:
        raise ValueError(f"row groups have {rows} rows, expected {metadata.num_rows}")


def _bytes(kind: pa.DataType) -> int:
    if pa.types.is_list(kind):
        return NUMBER_BYTES * LONGEST_LIST
    return STRING_BYTES if pa.types.is_string(kind) else NUMBER_BYTES


def _check_chunk(name: str, pages: Sequence[Page], most_values: int) -> int:
    """The inflated bytes of the pages; raises ValueError for other encodings and too many values."""
    if sum(page.values for page in pages if not page.dictionary) > most_values:
        raise ValueError(f"{name}: more than {most_values} values")
    if sum(page.values for page in pages if page.dictionary) > max(1, most_values):
        raise ValueError(f"{name}: a dictionary of more than {most_values} values")
    other = next((page.encoding for page in pages if page.encoding not in ENCODINGS), None)
    if other is not None:
        raise ValueError(f"{name}: encoding {other}, expected one of {', '.join(ENCODINGS.values())}")
    return sum(page.size for page in pages)


def _group(reader: pq.ParquetFile, number: int, names: Sequence[str], strings: Sequence[str]) -> pa.Table:
    """One row group with its strings as dictionaries; raises ValueError for a string that is too long."""
    table = reader.read_row_group(number, columns=list(names), use_threads=False).select(list(names))
    for name in strings:
        for chunk in table[name].chunks:
            longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
            if longest > LONGEST_STRING:
                raise ValueError(f"{name}: a string of {longest} bytes, expected at most {LONGEST_STRING}")
    return table


def refused(path: Path, what: str, error: BaseException, remedy: str = "evaluate again") -> FsbenchError:
    """The error for a file that cannot be read as ``what``."""
    return FsbenchError(f"{path}: cannot be read as {what} ({plain(' '.join(str(error).split()))[:200]}): {remedy}")
