"""Checks a PNG's chunk checksums before it is decoded.

Pillow checks no CRC of image data, so a flipped bit there can give other pixels without an error. Layout: PNG
specification (third edition), section 5.
"""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OVERHEAD = 12
"""Bytes of a chunk's length, type and CRC."""
MOST_CHUNKS = 100_000
"""Encoders write image data in chunks of 8 KiB or more."""


def is_png(data: bytes) -> bool:
    """Whether a file's bytes begin as a PNG does."""
    return data.startswith(SIGNATURE)


def png_fault(data: bytes) -> str | None:
    """The first fault of a PNG's chunks, in a few words; None if all from IHDR to IEND have the right CRC.

    Bytes behind the end are ignored, as decoders do.

    >>> png_fault(SIGNATURE + bytes(4))
    'it ends inside a chunk'
    """
    view, at, first = memoryview(data), len(SIGNATURE), True
    for _ in range(MOST_CHUNKS):
        if at + _OVERHEAD > len(data):
            return "it ends inside a chunk" if at < len(data) else "its end chunk is missing"
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + _OVERHEAD + length
        if end > len(data):
            return "it ends inside a chunk"
        if first and kind != b"IHDR":
            return "it does not begin with its header chunk"
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return f"the checksum of its {kind.decode('ascii', 'replace')} chunk is wrong"
        if kind == b"IEND":
            return None
        at, first = end, False
    return f"it has more than {MOST_CHUNKS} chunks"
