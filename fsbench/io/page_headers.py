"""The headers of a Parquet file's pages, read without inflating a page: how large each becomes and how it is encoded.

A page header is a struct in Thrift's compact protocol before each page
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, ``PageHeader``). Readers allocate
the size given there, whatever the footer declares, so it has to be bounded; pyarrow gives no access to it.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

DATA, INDEX, DICTIONARY, DATA_V2 = range(4)
_BODY = {DATA: 5, DICTIONARY: 7, DATA_V2: 8}
"""Page type -> the field of the header that describes it."""
_ENCODING = {DATA: 2, DICTIONARY: 2, DATA_V2: 4}

LONGEST_HEADER = 2**16
MOST_PAGES = 100_000
_DEEPEST = 8

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
        raise ValueError(f"a column lies at bytes {start} to {end} of {file_size}")
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


def read_struct(data: bytes) -> Fields:
    """The struct of the compact protocol at the beginning of ``data``; raises ValueError for an invalid one."""
    return _Reader(data).struct(0)


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
