"""Checks a Parquet footer before pyarrow is asked about its columns.

Column metadata of a damaged footer can end the process inside pyarrow (seen with 26.0.1), so they are compared with the
column types first. Layout: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift,
``FileMetaData``.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow.parquet as pq

from fsbench.io.page_headers import Fields, read_struct

LARGEST_FOOTER = 16 * 2**20
_MAGIC = b"PAR1"
_ROW_GROUPS, _COLUMNS, _CRYPTO, _METADATA, _SIZES = 4, 1, 8, 3, 16  # numbers of fields, from the outermost inwards
_UNENCODED, _REPETITION, _DEFINITION = 1, 2, 3


def check_footer(file: BinaryIO, file_size: int, schema: pq.ParquetSchema) -> None:
    """Raise ValueError for a footer that does not fit ``schema``, which is the one that pyarrow reads from it."""
    file.seek(max(0, file_size - 8))
    end = file.read(8)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != _MAGIC or not 0 < length <= min(LARGEST_FOOTER, file_size - 8):
        raise ValueError("its footer is cut off, encrypted or too long")
    file.seek(file_size - 8 - length)
    for group in _structs(read_struct(file.read(length)), _ROW_GROUPS):
        columns = _structs(group, _COLUMNS)
        if len(columns) != len(schema):
            raise ValueError(f"a row group has {len(columns)} columns, expected {len(schema)}")
        for place, column in enumerate(columns):
            metadata = column.get(_METADATA)
            if _CRYPTO in column or not isinstance(metadata, dict):
                raise ValueError(f"column {place} is encrypted, or has no metadata")
            _check_sizes(metadata.get(_SIZES, {}), schema.column(place))


def _check_sizes(sizes: object, column: pq.ColumnSchema) -> None:
    """Raise ValueError unless the size statistics of a column are those of its type."""
    if not isinstance(sizes, dict):
        raise ValueError(f"size statistics of {column.path} are none")
    for field, most in ((_REPETITION, column.max_repetition_level), (_DEFINITION, column.max_definition_level)):
        levels = sizes.get(field, [])
        if not isinstance(levels, list) or len(levels) not in (0, most + 1):
            raise ValueError(f"size statistics of {column.path} do not fit its type")
    if _UNENCODED in sizes and column.physical_type != "BYTE_ARRAY":
        raise ValueError(f"size statistics of {column.path} do not fit its type")


def _structs(fields: Fields, number: int) -> list[Fields]:
    values = fields.get(number)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError(f"its footer lacks field {number}")
    return values
