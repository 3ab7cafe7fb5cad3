"""Photographs and PNG masks from disk, the same way for every benchmark, with errors that name the file.

A file is read once, as a whole, and only if it is a regular one of a bounded size; a PNG's checksums are compared
before it is decoded (``png_chunks.py``). Where the bytes were read already, they are passed as ``data``. EXIF
orientation is not applied: the field's code never does, and the masks were drawn on the pixels as stored (Pillow itself
turns TIFF files, and no other, as it decodes them). Everything here is safe to call from many threads; Pillow lets go
of the GIL while it decodes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from fsbench.errors import FsbenchError
from fsbench.io.png_chunks import is_png, png_fault
from fsbench.io.untrusted import read_bytes

LARGEST_IMAGE = 256 * 2**20
"""Bytes of the largest image file that is read; photographs of the benchmarks have less than 1 MiB."""

# What Pillow was seen to raise on 7000 damaged PNG and JPEG files (OSError, SyntaxError) and on 100,000 of ten formats
# (AVIF's RuntimeError), or says that it raises.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, Image.DecompressionBombError)
_COLOUR_MODES = ("RGB", "L", "P", "CMYK", "YCbCr", "RGBA", "LA", "1")
_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_JPEG_TAIL = 64  # bytes; all 1203 VOC photographs at hand end with the marker itself, some cameras append padding


def read_image(path: Path, data: bytes | None = None) -> npt.NDArray[np.uint8]:
    """A photograph as uint8 H x W x 3 RGB; raises FsbenchError if it is missing, broken or truncated."""
    with _opened(path, data) as image:
        if image.mode not in _COLOUR_MODES:
            raise FsbenchError(f"{path}: pixels are of mode {image.mode}, expected 8-bit colour or grey: convert it")
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def read_grey(path: Path, data: bytes | None = None) -> npt.NDArray[np.uint8]:
    """An image as uint8 H x W of luminance (Pillow's ``convert("L")``); raises FsbenchError as ``read_image``."""
    with _opened(path, data) as image:
        if image.mode not in _COLOUR_MODES:
            raise FsbenchError(f"{path}: pixels are of mode {image.mode}, expected 8-bit colour or grey: convert it")
        return np.asarray(image if image.mode == "L" else image.convert("L"))


def read_indices(path: Path, data: bytes | None = None) -> npt.NDArray[np.uint8]:
    """A mask whose pixel values are labels, uint8 H x W: palette indices (mode P) or grey values (mode L).

    The array is read-only. Raises FsbenchError for any other kind of image, as for a missing, broken or truncated file.
    """
    with _opened(path, data) as image:
        if image.mode not in ("P", "L"):
            raise FsbenchError(
                f"{path}: is an image of mode {image.mode}, expected a mask of mode P or L whose pixel values are "
                "label numbers: convert colour-coded masks to label numbers first"
            )
        return np.asarray(image)


def read_raw_pixels(path: Path, data: bytes | None = None) -> tuple[npt.NDArray[np.generic], tuple[str, ...]]:
    """Pixels as they are stored, H x W x bands, and the names of the bands; raises FsbenchError as ``read_image``."""
    with _opened(path, data) as image:
        pixels = np.asarray(image)
        return pixels.reshape(image.height, image.width, -1), image.getbands()


def image_size(path: Path, data: bytes | None = None) -> tuple[int, int]:
    """(height, width), without decoding the pixels; raises FsbenchError for a missing file or one that is no image."""
    with _opened(path, data) as image:
        return image.height, image.width


def jpeg_is_whole(data: bytes) -> bool:
    """Whether a JPEG file's bytes end, up to some padding, with its end marker.

    True means that the file was not cut off: the marker cannot occur inside the compressed pixels. False proves
    nothing: ``read_image`` decides.

    >>> jpeg_is_whole(b"\\xff\\xd8 pixels \\xff\\xd9"), jpeg_is_whole(b"\\xff\\xd8 pix")
    (True, False)
    """
    return data.startswith(_JPEG_START) and _JPEG_END in data[-_JPEG_TAIL:]


def read_file(path: Path) -> bytes:
    """The bytes of an image file; raises FsbenchError for one that is missing, no regular file, or too large."""
    try:
        return read_bytes(path, LARGEST_IMAGE)
    except FileNotFoundError as error:
        raise FsbenchError(f"{path}: is not there: put the file back or build again") from error
    except OSError as error:
        raise FsbenchError(f"{path}: cannot be read ({error.strerror}): mend its permissions or disk") from error


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
        said = "no image that can be read" if isinstance(error, UnidentifiedImageError) else _one_line(error)
        raise FsbenchError(f"{path}: cannot be read ({said}): fetch the file again") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
