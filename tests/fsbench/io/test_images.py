"""Reading images: the pixels as Pillow decodes them, or one line that names the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fsbench.errors import FsbenchError
from fsbench.io.images import channels_first, image_size, jpeg_is_whole, read_grey, read_image, read_indices
from tests.refusals import refusal

READERS: list[Callable[[Path], Any]] = [read_image, read_grey, read_indices, image_size]


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    noise = np.random.RandomState(0).randint(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1"])
def test_read_image_is_rgb_whatever_is_stored(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    picture(mode).save(path)
    pixels = read_image(path)
    assert pixels.shape == (40, 60, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(path).convert("RGB")))
    assert pixels.flags.writeable
    assert image_size(path) == (40, 60)


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_jpeg_without_its_orientation(tmp_path: Path, mode: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees to show
    picture(mode).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (40, 60, 3)
    assert image_size(tmp_path / "a.jpg") == (40, 60)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"keep_rgb": True}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpegs_have_pillows_pixels(tmp_path: Path, mode: str, options: dict[str, Any]) -> None:
    smooth = picture(mode, (16, 16)).resize((61, 43), Image.Resampling.BICUBIC)
    plain = not options.get("keep_rgb")
    for subsampling in (0, 1, 2, "4:1:1") if plain else (0,):
        for quality in (30, 75, 95):
            data = encoded(
                smooth, "JPEG", subsampling=subsampling, quality=quality, **(options if mode == "RGB" else {})
            )
            with Image.open(io.BytesIO(data)) as image:
                expected = np.asarray(image.convert("RGB"))
            pixels = read_image(tmp_path, data)
            np.testing.assert_array_equal(pixels, expected)
            np.testing.assert_array_equal(channels_first(pixels), expected.transpose(2, 0, 1))
            assert channels_first(pixels).flags.c_contiguous


def test_a_jpeg_that_opencv_refuses_is_pillows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(picture(), "JPEG")
    expected = read_image(tmp_path, data)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    np.testing.assert_array_equal(read_image(tmp_path, data), expected)


def test_read_grey(tmp_path: Path) -> None:
    grey = np.arange(200, dtype=np.uint8).reshape(10, 20)
    Image.fromarray(grey).save(tmp_path / "l.png")
    Image.fromarray(np.stack([grey] * 3, axis=2)).save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(read_grey(tmp_path / "l.png"), grey)
    np.testing.assert_array_equal(read_grey(tmp_path / "rgb.png"), grey)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_read_indices_gives_palette_numbers(tmp_path: Path, bits: int) -> None:
    indices = (np.arange(6 * 7).reshape(6, 7) % 2**bits).astype(np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(bytes([9, 9, 9] * 256))
    image.save(tmp_path / "a.png", bits=bits)
    np.testing.assert_array_equal(read_indices(tmp_path / "a.png"), indices)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "1", "I;16"])
def test_other_modes_are_refused(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.zeros((4, 4), dtype=np.uint16)) if mode == "I;16" else picture(mode)
    image.save(tmp_path / "a.png")
    with pytest.raises(FsbenchError, match=rf"a\.png: is an image of mode {mode}, expected a mask of mode P or L"):
        read_indices(tmp_path / "a.png")
    for reader in (read_image, read_grey) if mode == "I;16" else ():
        assert "a.png: pixels are of mode I;16, expected 8-bit" in refusal(reader, tmp_path / "a.png")


@pytest.mark.parametrize("reader", READERS)
def test_files_that_are_no_images(tmp_path: Path, reader: Callable[[Path], Any]) -> None:
    assert "gone.png: is not there" in refusal(reader, tmp_path / "gone.png")
    assert "cannot be read" in refusal(reader, tmp_path)
    for content in (b"", b"<html>not found</html>", b"\x89PNG\r\n\x1a\n"):
        (tmp_path / "a.png").write_bytes(content)
        reason = "(no image that can be read|its end chunk is missing)"
        with pytest.raises(FsbenchError, match=rf"a\.png: cannot be read \({reason}\): fetch"):
            reader(tmp_path / "a.png")


def test_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "a.png: cannot be read (Image size (2400 pixels)" in refusal(read_image, tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_truncated_files_are_found(tmp_path: Path, kind: str) -> None:
    data = encoded(picture(), kind)
    for length in range(0, len(data) - 24, 149):
        (tmp_path / "a").write_bytes(data[:length])
        with pytest.raises(FsbenchError, match="cannot be read") as caught:
            read_image(tmp_path / "a")
        assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["JPEG", "PNG"]), st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
def test_damaged_files_are_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: int, garbage: bytes
) -> None:
    data = bytearray(encoded(picture(size=(30, 20)), kind))
    at %= len(data)
    data[at : at + len(garbage)] = garbage
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    path.write_bytes(data)
    for reader in READERS:
        message = f"{path}: "
        try:
            reader(path)
        except FsbenchError as error:
            message = str(error)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message


def test_jpeg_is_whole() -> None:
    data = encoded(picture(size=(30, 20)), "JPEG")
    assert jpeg_is_whole(data)
    assert jpeg_is_whole(data + b"\0" * 40)
    assert not jpeg_is_whole(data + b"\0" * 100)
    assert not jpeg_is_whole(encoded(picture(), "PNG"))
    assert not jpeg_is_whole(b"")
    assert not any(jpeg_is_whole(data[:length]) for length in range(len(data)))
