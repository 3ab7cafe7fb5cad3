"""Photographs and PNG masks as arrays; errors name the file.

Pillow decodes; colour JPEGs, which are most photographs, OpenCV does: the same pixels in two thirds of the time. Both
release the GIL; functions are thread-safe. Only regular files of a bounded size are read, once; a PNG's checksums are
checked before decoding (``png_chunks.py``). Bytes that were read before are passed as ``data``. EXIF orientation is not
applied, because masks were drawn on the stored pixels.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from fsbench.errors import FsbenchError
from fsbench.io.png_chunks import is_png, png_fault
from fsbench.io.untrusted import read_bytes

LARGEST_IMAGE = 256 * 2**20
"""Bytes of the largest image file that is read; photographs of the benchmarks have less than 1 MiB."""

# Raised by Pillow on damaged files: seen (OSError, SyntaxError, AVIF's RuntimeError) or documented.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, Image.DecompressionBombError)
_COLOUR_MODES = ("RGB", "L", "P", "CMYK", "YCbCr", "RGBA", "LA", "1")
_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_JPEG_TAIL = 64  # bytes: some cameras append padding to the end marker


def read_image(path: Path, data: bytes | None = None) -> npt.NDArray[np.uint8]:
    """A photograph as uint8 H x W x 3 RGB; raises FsbenchError if it is missing, broken or truncated."""
    data = read_file(path) if data is None else data
    with _opened(path, data) as image:
        plain = image.format == "JPEG" and image.mode == "RGB" and jpeg_is_whole(data)
    decoded = _by_opencv(data) if plain else None
    return np.array(_converted(path, data, "RGB")) if decoded is None else decoded


def _by_opencv(data: bytes) -> npt.NDArray[np.uint8] | None:
    """A colour JPEG, H x W x 3; None where OpenCV does not take it and Pillow has to say what is wrong."""
    import cv2

    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return decoded  # type: ignore[return-value]


def channels_first(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """H x W x 3 as contiguous 3 x H x W, which OpenCV does in a tenth of the time that decoding takes."""
    import cv2

    planes = np.empty((3, *pixels.shape[:2]), np.uint8)
    cv2.split(pixels, list(planes))
    return planes


def read_grey(path: Path, data: bytes | None = None) -> npt.NDArray[np.uint8]:
    """An image as uint8 H x W of luminance (Pillow's ``convert("L")``); raises FsbenchError as ``read_image``."""
    return np.asarray(_converted(path, data, "L"))


def _converted(path: Path, data: bytes | None, mode: str) -> Image.Image:
    with _opened(path, data) as image:
        if image.mode not in _COLOUR_MODES:
            raise FsbenchError(f"{path}: pixels are of mode {image.mode}, expected 8-bit colour or grey: convert it")
        return image.convert(mode)  # a decoded copy


def read_indices(path: Path, data: bytes | None = None) -> npt.NDArray[np.uint8]:
    """A mask of labels, read-only uint8 H x W: palette indices (mode P) or grey values (mode L).

    Raises FsbenchError for other modes, and as ``read_image``.
    """
    with _opened(path, data) as image:
        if image.mode not in ("P", "L"):
            raise FsbenchError(
                f"{path}: is an image of mode {image.mode}, expected a mask of mode P or L whose pixel values are "
                "label numbers: convert colour-coded masks to label numbers first"
            )
        return np.asarray(image)


def read_raw_pixels(path: Path, data: bytes | None = None) -> tuple[npt.NDArray[np.generic], tuple[str, ...]]:
    """The stored pixels, H x W x bands, and the names of the bands; raises FsbenchError as ``read_image``."""
    with _opened(path, data) as image:
        pixels = np.asarray(image)
        return pixels.reshape(image.height, image.width, -1), image.getbands()


def image_size(path: Path, data: bytes | None = None) -> tuple[int, int]:
    """(height, width), without decoding the pixels; raises FsbenchError as ``read_image``."""
    with _opened(path, data) as image:
        return image.height, image.width


def jpeg_is_whole(data: bytes) -> bool:
    """Whether a JPEG ends, up to some padding, with its end marker, which cannot occur inside the compressed pixels.

    True means that the file was not cut off; False proves nothing.

    >>> jpeg_is_whole(b"\\xff\\xd8 pixels \\xff\\xd9"), jpeg_is_whole(b"\\xff\\xd8 pix")
    (True, False)
    """
    return data.startswith(_JPEG_START) and _JPEG_END in data[-_JPEG_TAIL:]


def read_file(path: Path) -> bytes:
    """The bytes of an image file; raises FsbenchError if it is missing, not a regular file, or too large."""
    try:
        return read_bytes(path, LARGEST_IMAGE)
    except FileNotFoundError as error:
        raise FsbenchError(f"{path}: is not there: put the file back or build again") from error
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be read ({error.strerror}): mend its permissions or disk") from error


class Photograph(NamedTuple):
    """Size in pixels and SHA-256 (hex) of the file's bytes."""

    height: int
    width: int
    sha256: str


def read_photograph(path: Path) -> Photograph:
    """Size and hash of a photograph, which is decoded only if a JPEG's end marker is not found.

    Raises FsbenchError if it is missing, broken, cut off, or not 8-bit.
    """
    data = read_file(path)
    if not jpeg_is_whole(data):
        read_image(path, data)
    return Photograph(*image_size(path, data), hashlib.sha256(data).hexdigest())


@contextmanager
def _opened(path: Path, data: bytes | None) -> Iterator[Image.Image]:
    data = read_file(path) if data is None else data
    fault = png_fault(data) if is_png(data) else None
    if fault:
        raise FsbenchError(f"{path}: cannot be read ({fault}): fetch the file again")
    try:
        with Image.open(io.BytesIO(data)) as image:
            yield image
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "no image that can be read"
        raise FsbenchError(f"{path}: cannot be read ({reason}): fetch the file again") from error
