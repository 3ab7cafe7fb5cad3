"""Checks a Parquet file's footer and page headers before pyarrow reads it.

Column metadata of a damaged footer can end the process inside pyarrow (seen with 26.0.1), so they are compared with the
column types first. Readers allocate the size in a page's header, whatever the footer declares, so it has to be bounded;
pyarrow gives no access to it. Both are structs in Thrift's compact protocol
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, ``FileMetaData``, ``PageHeader``).
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

import pyarrow.parquet as pq

DATA, INDEX, DICTIONARY, DATA_V2 = range(4)
_BODY = {DATA: 5, DICTIONARY: 7, DATA_V2: 8}
"""Page type -> the field of the header that describes it."""
_ENCODING = {DATA: 2, DICTIONARY: 2, DATA_V2: 4}

LONGEST_HEADER = 2**16
MOST_PAGES = 100_000
_DEEPEST = 8
LARGEST_FOOTER = 16 * 2**20
_MAGIC = b"PAR1"
_ROW_GROUPS, _COLUMNS, _CRYPTO, _METADATA, _SIZES = 4, 1, 8, 3, 16  # numbers of fields, from the outermost inwards
_UNENCODED, _REPETITION, _DEFINITION = 1, 2, 3

Fields = dict[int, object]
"""Field number -> int, struct, list, or None for a value that is skipped."""


class Page(NamedTuple):
    """One page: its ``size`` in bytes when inflated, how many ``values``, and their ``encoding``, a number."""

    dictionary: bool
    size: int
    values: int
    encoding: int


def read_pages(file: BinaryIO, file_size: int, start: int, length: int) -> list[Page]:
    """The pages of a column chunk of ``length`` bytes from ``start``; raises ValueError for an invalid chunk."""
    end = start + length
    if not 4 <= start <= end <= file_size:
        raise ValueError(f"a column is at bytes {start} to {end} of {file_size}")
    pages: list[Page] = []
    while start < end:
        file.seek(start)
        reader = _Reader(file.read(min(LONGEST_HEADER, end - start)))
        fields = reader.struct(0)
        kind, size, packed = (_number(fields, number) for number in (1, 2, 3))
        body = fields.get(_BODY.get(kind, 0))
        if not isinstance(body, dict) or min(size, packed) < 0 or len(pages) >= MOST_PAGES:
            raise ValueError(f"a page at byte {start} is none of ours (type {kind})")
        values = _number(body, 1)
        if values < 0:
            raise ValueError(f"a page at byte {start} has {values} values")
        pages.append(Page(kind == DICTIONARY, size, values, _number(body, _ENCODING[kind])))
        start += reader.at + packed
    if start != end:
        raise ValueError(f"a page reaches beyond its column, to byte {start} of {end}")
    return pages


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int):
        raise ValueError(f"a header lacks field {number}")
    return value


class _Reader:
    """Values of the compact protocol in ``data``, from byte ``at`` on."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self, depth: int) -> Fields:
        if depth > _DEEPEST:
            raise ValueError("a header is nested too deeply")
        fields: Fields = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            if number in fields:
                raise ValueError(f"a header has field {number} twice")
            fields[number] = None if head & 15 in (1, 2) else self._value(head & 15, depth)  # true and false: no byte
        return fields

    def _value(self, kind: int, depth: int) -> object:
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind in (9, 10):  # list, set
            return self._list(depth + 1)
        if kind == 12:
            return self.struct(depth + 1)
        if kind == 8:
            length = self._varint()
            self.at += length
        elif kind in (3, 7):
            self.at += 1 if kind == 3 else 8
        else:
            raise ValueError(f"a header has a value of type {kind}")
        return None

    def _list(self, depth: int) -> list[object]:
        """A list; each of its values takes up a byte at least."""
        head = self._byte()
        size, kind = head >> 4, head & 15
        if size == 15:
            size = self._varint()
        if size > len(self._data) - self.at:
            raise ValueError("a header has a list that is longer than itself")
        return [self._value(3 if kind in (1, 2) else kind, depth) for _ in range(size)]

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise ValueError("a header is cut off, or too long")
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a header has a number of more than 64 bits")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def check_footer(file: BinaryIO, file_size: int, schema: pq.ParquetSchema) -> None:
    """Raise ValueError for a footer that does not fit ``schema``, which is the one that pyarrow reads from it."""
    file.seek(max(0, file_size - 8))
    end = file.read(8)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != _MAGIC or not 0 < length <= min(LARGEST_FOOTER, file_size - 8):
        raise ValueError("its footer is cut off, encrypted or too long")
    file.seek(file_size - 8 - length)
    for group in _structs(_Reader(file.read(length)).struct(0), _ROW_GROUPS):
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
