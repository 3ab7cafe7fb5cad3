"""The label map in an official SBD file (``cls/NAME.mat``: a struct ``GTcls`` with a field ``Segmentation``).

A MAT 5 file is a list of tagged elements, and this reads just the one wanted. ``scipy.io.loadmat`` reads such files
too, but crashes the process on some damaged ones (scipy 1.17.1: 16 of 1500 uncompressed files with a few bytes altered
or cut off; https://github.com/scipy/scipy/pull/25349) where a build must name the file and stop; and it builds the 20
sparse boundary matrices that nobody asked for. Format: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fsbench.errors import FsbenchError

_HEADER_BYTES = 128
_LARGEST = 1 << 28  # bytes of a decompressed variable; those of SBD have less than 1 << 21
_INT8, _UINT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 2, 5, 6, 14, 15  # element types
_STRUCT = 2  # array class

Element = tuple[int, memoryview]
"""Type and content of one element."""


class _DamagedError(Exception):
    """What is wrong with a MAT file, in a few words."""


def read_sbd(path: Path) -> npt.NDArray[np.uint8]:
    """``GTcls.Segmentation`` of an SBD file as uint8 H x W; raises FsbenchError if it is none or broken."""
    try:
        return _segmentation(path.read_bytes())
    except FileNotFoundError as error:
        raise FsbenchError(f"{path}: is not there: put the file back or build again") from error
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be read ({error.strerror}): mend its permissions or disk") from error
    except _DamagedError as error:
        raise FsbenchError(
            f"{path}: is no whole MAT file of SBD ({error}): take dataset/cls of the official benchmark.tgz again"
        ) from error


def _segmentation(data: bytes) -> npt.NDArray[np.uint8]:
    if data[124:_HEADER_BYTES] != b"\x00\x01IM":
        raise _DamagedError("its header is not that of a little-endian MAT 5 file")
    for kind, content in _elements(memoryview(data)[_HEADER_BYTES:]):
        if kind == _COMPRESSED:
            kind, content = _first(_elements(memoryview(_inflated(content))))
        parts = _elements(content)
        array_class, _, name = _array_head(parts)
        if kind == _MATRIX and array_class == _STRUCT and name == b"GTcls":
            return _label_map(_field(parts, b"Segmentation"))
    raise _DamagedError("it holds no struct GTcls")


def _elements(data: memoryview) -> Iterator[Element]:
    """The elements in ``data``, one after the other; small ones carry up to 4 bytes in their tag."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise _DamagedError("it ends inside a tag")
        kind, size = struct.unpack_from("<II", data, at)
        start, after = at + 8, at + 8 + size
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            start, after = at + 4, at + 8
            if size > 4:
                raise _DamagedError(f"a small element of {size} bytes")
        if start + size > len(data):
            raise _DamagedError("it ends inside an element")
        yield kind, data[start : start + size]
        at = after if kind == _COMPRESSED else after + -after % 8


def _first(parts: Iterator[Element], *kinds: int) -> Element:
    for kind, content in parts:
        if kinds and kind not in kinds:
            raise _DamagedError(f"an element of type {kind}, expected {' or '.join(map(str, kinds))}")
        return kind, content
    raise _DamagedError("an element is missing")


def _inflated(content: memoryview) -> bytes:
    """The content of a compressed element, its checksum proved."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(content, _LARGEST)
    except zlib.error as error:
        raise _DamagedError(str(error)) from error
    if not stream.eof:
        raise _DamagedError("a compressed element is cut off or too large")
    return data


def _array_head(parts: Iterator[Element]) -> tuple[int, tuple[int, ...], bytes]:
    """Class, dimensions and name, which every array begins with."""
    flags = _first(parts, _UINT32)[1]
    dimensions = _integers(_first(parts, _INT32)[1])
    name = bytes(_first(parts, _INT8)[1])
    if len(flags) != 8 or len(dimensions) < 2 or min(dimensions) < 0:
        raise _DamagedError("an array with a broken head")
    return flags[0], dimensions, name


def _field(parts: Iterator[Element], wanted: bytes) -> memoryview:
    """The array in field ``wanted`` of a struct whose head has been read."""
    width = _integers(_first(parts, _INT32)[1])
    names = bytes(_first(parts, _INT8)[1])
    if len(width) != 1 or width[0] < 1:
        raise _DamagedError("a struct with broken field names")
    for at in range(0, len(names), width[0]):
        content = _first(parts, _MATRIX)[1]
        if names[at : at + width[0]].partition(b"\0")[0] == wanted:
            return content
    raise _DamagedError(f"its struct GTcls has no field {wanted.decode()}")


def _label_map(content: memoryview) -> npt.NDArray[np.uint8]:
    """A two-dimensional array of bytes, stored by columns, as uint8 H x W stored by rows."""
    parts = _elements(content)
    _, dimensions, _ = _array_head(parts)
    kind, pixels = _first(parts)
    if kind != _UINT8 or len(dimensions) != 2 or min(dimensions) < 1:
        raise _DamagedError("Segmentation is not two-dimensional uint8")
    height, width = dimensions
    if len(pixels) != height * width:
        raise _DamagedError(f"Segmentation has {len(pixels)} bytes for {height} x {width} pixels")
    return np.ascontiguousarray(np.frombuffer(pixels, dtype=np.uint8).reshape(width, height).T)


def _integers(content: memoryview) -> tuple[int, ...]:
    if len(content) % 4:
        raise _DamagedError("integers of broken length")
    return struct.unpack(f"<{len(content) // 4}i", content)
