"""The PNG encoder against two decoders, for any shape and content."""

from __future__ import annotations

import io
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mosaic4.png import encode_png
from mosaic4.resample import Pixels


def check(pixels: Pixels) -> None:
    data = encode_png(pixels)
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "L" if pixels.ndim == 2 else "RGB")
        assert np.array_equal(np.asarray(image), pixels)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    assert np.array_equal(decoded if pixels.ndim == 2 else decoded[..., ::-1], pixels)
    assert data == encode_png(pixels.copy())


def drawn(kind: str, shape: tuple[int, ...], seed: int) -> Pixels:
    random = np.random.RandomState(seed)
    if kind == "noise":
        return random.randint(0, 256, shape).astype(np.uint8)
    if kind == "extremes":
        return (random.randint(0, 2, shape) * 255).astype(np.uint8)
    if kind == "flat":
        return np.full(shape, random.randint(0, 256), np.uint8)
    ramps = np.add.outer(np.arange(shape[0]) * random.randint(1, 9), np.arange(int(np.prod(shape[1:]))))
    noise = random.randint(0, 3, ramps.shape)
    return (ramps + noise).reshape(shape).astype(np.uint8)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["noise", "extremes", "flat", "ramps"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_two_decoders_return_the_pixels(kind: str, height: int, width: int, colour: bool, seed: int) -> None:
    check(drawn(kind, (height, width, 3) if colour else (height, width), seed))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300), (300, 1, 3), (448, 448, 3), (896, 896)])
@pytest.mark.parametrize("kind", ["noise", "extremes", "flat", "ramps"])
def test_the_smallest_sizes_and_those_of_mosaics(kind: str, shape: tuple[int, ...]) -> None:
    check(drawn(kind, shape, 1))


def test_every_case_of_the_predictor() -> None:
    """All 3 x 3 neighbourhoods of a few values: a, b and c win and tie in every way."""
    values = np.array([0, 1, 2, 127, 128, 254, 255], np.uint8)
    corners = np.stack(np.meshgrid(values, values, values, values), axis=-1).reshape(-1, 2, 2)
    check(corners.transpose(1, 0, 2).reshape(2, -1))
    check(np.repeat(corners.reshape(-1, 4)[..., None], 3, axis=2))


def test_the_filter_is_paeth() -> None:
    pixels = drawn("noise", (9, 11, 3), 5)
    data = encode_png(pixels)
    packed = data[data.index(b"IDAT") + 4 : data.index(b"IEND") - 8]
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(9, 1 + 33)
    assert set(rows[:, 0]) == {4}
    for y in range(9):
        for x in range(33):
            flat = pixels.reshape(9, 33).astype(int)
            a = flat[y, x - 3] if x >= 3 else 0
            b = flat[y - 1, x] if y else 0
            c = flat[y - 1, x - 3] if x >= 3 and y else 0
            guess = a + b - c
            predictor = min((abs(guess - a), 0, a), (abs(guess - b), 1, b), (abs(guess - c), 2, c))[2]
            assert rows[y, 1 + x] == (flat[y, x] - predictor) % 256
