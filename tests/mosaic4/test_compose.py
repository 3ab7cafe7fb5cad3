"""Composition of mosaics, and reading of tiles."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic4.compose import Mosaics, join_images, join_masks
from mosaic4.resample import SIDE, Pixels
from mosaic4.sources import read_sources
from mosaic4.tiles import KeptTiles, TileReader, as_tile
from tests.mosaic4.drawn_folders import RECIPE
from tests.refusals import refusal


def random_tiles(seed: int, tiles: int) -> tuple[list[Pixels], list[Pixels]]:
    random = np.random.RandomState(seed)
    images = [random.randint(0, 256, (SIDE, SIDE, 3)).astype(np.uint8) for _ in range(tiles)]
    return images, [random.randint(0, 2, (SIDE, SIDE)).astype(np.uint8) for _ in range(tiles)]


def tile_at(pixels: Pixels, position: int, grid: int) -> Pixels:
    top, left = position // grid * SIDE, position % grid * SIDE
    return pixels[top : top + SIDE, left : left + SIDE]


@pytest.mark.parametrize("grid", [2, 3, 4])
def test_tiles_are_copied_to_their_places(grid: int) -> None:
    images, masks = random_tiles(grid, grid**2)
    image, mask = join_images(images), join_masks(masks)
    assert image.flags.writeable
    assert mask.flags.writeable
    assert (image.dtype, image.shape) == (np.uint8, (grid * SIDE, grid * SIDE, 3))
    assert (mask.dtype, mask.shape) == (np.uint8, (grid * SIDE, grid * SIDE))
    for p in range(grid**2):
        assert np.array_equal(tile_at(image, p, grid), images[p])
        assert np.array_equal(tile_at(mask, p, grid), np.where(masks[p], p + 1, 0))


def test_grey_of_128_is_the_object_and_127_is_not() -> None:
    greys = np.arange(256, dtype=np.uint8).repeat(SIDE * SIDE // 256)
    mask = np.resize(greys, (SIDE, SIDE))
    joined = join_masks([as_tile(np.zeros((SIDE, SIDE, 3), np.uint8), mask)[1]] * 4)
    assert np.array_equal(joined[SIDE:, SIDE:], np.where(mask.astype(int) > 127, 4, 0))
    assert set(np.unique(joined)) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("tiles", [0, 3, 5])
def test_the_number_of_tiles_must_be_square(tiles: int) -> None:
    images, masks = random_tiles(0, tiles)
    assert f"{tiles} tiles" in refusal(join_images, images)
    assert f"{tiles} tiles" in refusal(join_masks, masks)


def test_a_tile_of_another_shape_is_refused() -> None:
    images, masks = random_tiles(0, 4)
    images[2], masks[3] = images[2][:-1], masks[3][:, :-1]
    assert "tile 2: has the shape (223, 224, 3)" in refusal(join_images, images)
    assert "tile 3: has the shape (224, 223)" in refusal(join_masks, masks)


def test_mosaics_hold_what_the_files_hold(folders: Path) -> None:
    mosaics = Mosaics(RECIPE, TileReader(folders))
    assert len(mosaics) == 50
    for i in (0, 17, 49):
        image, mask = mosaics[i]
        for p, sample in enumerate(RECIPE.mosaics[i]):
            with Image.open(folders / f"{sample}.jpg") as photograph, Image.open(folders / f"{sample}.png") as grey:
                assert np.array_equal(tile_at(image, p, 2), np.asarray(photograph))
                assert np.array_equal(tile_at(mask, p, 2), (np.asarray(grey.convert("L")) >= 128) * (p + 1))
        assert np.array_equal(mosaics.image(i), image)
        assert np.array_equal(mosaics.mask(i), mask)


def test_kept_tiles_are_the_same_and_read_once(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Mosaics(RECIPE, TileReader(folders))
    sources = read_sources(folders, RECIPE)
    kept, filled = Mosaics(RECIPE, KeptTiles(folders, sources.hashes)), Mosaics(RECIPE, sources.tiles)
    expected = [plain[i] for i in range(len(plain))]
    for i in range(len(plain)):
        kept[i]  # reads each tile
    monkeypatch.setattr(TileReader, "_read", lambda *_: pytest.fail("read again"))
    for i, both in enumerate(expected):
        assert all(np.array_equal(a, b) for a, b in zip(kept[i], both, strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(filled[i], both, strict=True))


def test_kept_tiles_are_limited(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic4.tiles.KEPT", 7)
    tiles = read_sources(folders, RECIPE).tiles
    read: list[str] = []
    plain = TileReader.image
    monkeypatch.setattr(TileReader, "image", lambda reader, sample: read.append(sample) or plain(reader, sample))
    for sample in RECIPE.samples:
        assert np.array_equal(tiles(sample)[0], plain(tiles, sample))
    assert read == list(RECIPE.samples[7:])


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_altered_missing_or_broken_tile_is_refused_and_named(suffix: str, folders: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(folders, tmp_path / "fss"))
    hashes = read_sources(root, RECIPE, 1).hashes
    path = root / f"{RECIPE.mosaics[7][2]}.{suffix}"
    data = path.read_bytes()

    path.write_bytes(data + b"\0")
    assert refusal(Mosaics(RECIPE, TileReader(root, hashes)).__getitem__, 7).startswith(f"{path}: was altered")
    path.write_bytes(data[: len(data) // 2])
    assert refusal(Mosaics(RECIPE, TileReader(root)).__getitem__, 7).startswith(f"{path}: cannot be read")
    path.unlink()
    assert "No such file" in refusal(Mosaics(RECIPE, TileReader(root, hashes)).__getitem__, 7)
