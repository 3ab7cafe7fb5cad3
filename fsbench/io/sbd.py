"""The label map in an official SBD file (``cls/NAME.mat``: a struct ``GTcls`` with a field ``Segmentation``).

scipy reads the file, but a damaged one can crash the process in it (https://github.com/scipy/scipy/pull/25349). So it
is checked first: its elements end where they say, and compressed ones (as MATLAB writes) have the right checksum. A
changed byte in an uncompressed file is not found.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fsbench.errors import FsbenchError
from fsbench.io.images import read_file

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15  # element types: MathWorks, "MAT-File Level 5 File Format"
_ARRAY_FLAGS = struct.pack("<II", 6, 8)  # the tag with which every array begins
_LARGEST = 1 << 28  # bytes of a decompressed element; those of SBD have less than 1 << 21


class _DamagedError(Exception):
    """The fault of a MAT file, in a few words."""


def read_sbd(path: Path, data: bytes | None = None) -> npt.NDArray[np.uint8]:
    """``GTcls.Segmentation`` of an SBD file as uint8 H x W; raises FsbenchError if the file is not whole."""
    data = read_file(path) if data is None else data
    try:
        _check_whole(data)
        return _segmentation(data)
    except _DamagedError as error:
        raise FsbenchError(
            f"{path}: is no whole MAT file of SBD ({error}): take dataset/cls of the official benchmark.tgz again"
        ) from error


def _check_whole(data: bytes) -> None:
    """Raise _DamagedError unless the file is a header and whole elements, compressed ones with a right checksum."""
    if data[124:_HEADER_BYTES] != b"\x00\x01IM":
        raise _DamagedError("its header is not that of a little-endian MAT 5 file")
    at = _HEADER_BYTES
    while at < len(data):
        if at + 8 > len(data):
            raise _DamagedError("it ends inside a tag")
        kind, size = struct.unpack_from("<II", data, at)
        content = data[at + 8 : at + 8 + size]
        if len(content) != size:
            raise _DamagedError("it ends inside an element")
        if kind == _COMPRESSED:
            _check_checksum(content)
        elif kind != _MATRIX or content[: len(_ARRAY_FLAGS)] != _ARRAY_FLAGS:
            raise _DamagedError(f"an element of type {kind} that is no array")
        at += 8 + size


def _check_checksum(content: bytes) -> None:
    stream = zlib.decompressobj()
    try:
        stream.decompress(content, _LARGEST)
    except zlib.error as error:
        raise _DamagedError(str(error)) from error
    if not stream.eof:
        raise _DamagedError("a compressed element is cut off or too large")


def _segmentation(data: bytes) -> npt.NDArray[np.uint8]:
    from scipy.io import loadmat

    file: Any = io.BytesIO(data)  # which loadmat takes, though its stubs know paths alone
    try:
        variables: dict[str, Any] = loadmat(file, variable_names=["GTcls"])
        segmentation = variables["GTcls"]["Segmentation"][0, 0]
    except (KeyError, IndexError, ValueError, TypeError, NotImplementedError, OverflowError, MemoryError) as error:
        raise _DamagedError("it holds no struct GTcls with a field Segmentation") from error
    if not isinstance(segmentation, np.ndarray) or segmentation.dtype != np.uint8 or segmentation.ndim != 2:
        raise _DamagedError("Segmentation is not two-dimensional uint8")
    if not segmentation.size:
        raise _DamagedError("Segmentation is empty")
    return np.ascontiguousarray(segmentation)
