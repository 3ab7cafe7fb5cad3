"""The headers of a Parquet file's pages, read without inflating a page: how large each becomes and how it is encoded.

A page header is a struct in Thrift's compact protocol before each page
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, ``PageHeader``). Readers allocate
what it says, whatever the footer declares, so it is what has to be bounded.
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


class Page(NamedTuple):
    """One page: its ``size`` in bytes when inflated, how many ``values``, and their ``encoding``, a number."""

    dictionary: bool
    size: int
    values: int
    encoding: int


def read_pages(file: BinaryIO, file_size: int, start: int, length: int) -> list[Page]:
    """The pages of a column chunk of ``length`` bytes from ``start``; raises ValueError for what is no such chunk."""
    end = start + length
    if not 4 <= start <= end <= file_size:
        raise ValueError(f"a column lies at bytes {start} to {end} of {file_size}")
    pages: list[Page] = []
    while start < end:
        file.seek(start)
        fields, used = _struct(file.read(min(LONGEST_HEADER, end - start)), 0, 0)
        kind, size, packed = (_number(fields, number) for number in (1, 2, 3))
        body = fields.get(_BODY.get(kind, 0))
        if not isinstance(body, dict) or min(size, packed) < 0 or len(pages) >= MOST_PAGES:
            raise ValueError(f"a page at byte {start} is none of ours (type {kind})")
        values = _number(body, 1)
        if values < 0:
            raise ValueError(f"a page at byte {start} has {values} values")
        pages.append(Page(kind == DICTIONARY, size, values, _number(body, _ENCODING[kind])))
        start += used + packed
    if start != end:
        raise ValueError(f"a page reaches beyond its column, to byte {start} of {end}")
    return pages


Fields = dict[int, object]
"""Field number -> int, struct, list, or None for a value that is skipped."""


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int):
        raise ValueError(f"a header lacks field {number}")
    return value


def read_struct(data: bytes) -> Fields:
    """The struct of the compact protocol at the beginning of ``data``; raises ValueError where there is none."""
    return _struct(data, 0, 0)[0]


def _struct(data: bytes, place: int, depth: int) -> tuple[Fields, int]:
    """A struct of the compact protocol, and where it ends."""
    if depth > _DEEPEST:
        raise ValueError("a header is nested too deeply")
    fields: Fields = {}
    last = 0
    while True:
        head, place = _byte(data, place)
        if head == 0:
            return fields, place
        if head >> 4:
            last += head >> 4
        else:
            last, place = _zigzag(data, place)
        if last in fields:
            raise ValueError(f"a header has field {last} twice")
        fields[last], place = _value(data, place, head & 15, depth)


def _value(data: bytes, place: int, kind: int, depth: int) -> tuple[object, int]:
    if kind in (1, 2):  # true, false
        return None, place
    if kind == 3:
        return None, place + 1
    if kind in (4, 5, 6):
        return _zigzag(data, place)
    if kind == 7:
        return None, place + 8
    if kind == 8:
        length, place = _varint(data, place)
        return None, place + length
    if kind in (9, 10):  # list, set
        return _list(data, place, depth + 1)
    if kind == 12:
        return _struct(data, place, depth + 1)
    raise ValueError(f"a header has a value of type {kind}")


def _list(data: bytes, place: int, depth: int) -> tuple[list[object], int]:
    """A list, and where it ends; each of its values takes up a byte at least."""
    head, place = _byte(data, place)
    size, kind = head >> 4, head & 15
    if size == 15:
        size, place = _varint(data, place)
    if size > len(data) - place:
        raise ValueError("a header has a list that is longer than itself")
    values: list[object] = []
    for _ in range(size):
        value, place = (None, place + 1) if kind in (1, 2) else _value(data, place, kind, depth)
        values.append(value)
    return values, place


def _byte(data: bytes, place: int) -> tuple[int, int]:
    if place >= len(data):
        raise ValueError("a header is cut off, or too long")
    return data[place], place + 1


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, place = _byte(data, place)
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("a header has a number of more than 64 bits")


def _zigzag(data: bytes, place: int) -> tuple[int, int]:
    value, place = _varint(data, place)
    return (value >> 1) ^ -(value & 1), place
