"""What the specification refuses in class folders: all of it in one error, before anything is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic4.benchmark import MosaicBenchmark
from mosaic4.build import build
from tests.mosaic4.drawn_folders import RECIPE
from tests.refusals import refusal


def resized(path: Path) -> None:
    with Image.open(path) as image:
        image.resize((200, 224), Image.Resampling.NEAREST).save(path)


def sized(height: int, width: int) -> Callable[[Path], None]:
    """Photograph and mask of this size."""

    def alter(path: Path) -> None:
        for file in (path, path.with_suffix(".png")):
            with Image.open(file) as image:
                image.resize((width, height), Image.Resampling.NEAREST).save(file)

    return alter


def greys(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def alter(path: Path) -> None:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
        Image.fromarray(change(pixels).astype(np.uint8)).save(path)

    return alter


def truncated(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flipped_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(bytes(data))


def sixteen_bit(path: Path) -> None:
    Image.fromarray(np.full((224, 224), 40000, np.uint16)).save(path)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.fixture
def root(folders: Path, tmp_path: Path) -> Path:
    """Class folders to be damaged."""
    return Path(shutil.copytree(folders, tmp_path / "fss"))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "abacus/1.jpg": (Path.unlink, "missing: "),
    "abacus/2.png": (Path.unlink, "missing: "),
    "abacus/3.jpg": (sized(111, 224), "photograph of 111 x 224, expected sides of 112 to 4096: "),
    "abacus/5.jpg": (sized(224, 4097), "photograph of 224 x 4097, expected sides of 112 to 4096: "),
    "abacus/4.png": (resized, "mask of 224 x 200, its photograph is 224 x 224: "),
    "cat/1.png": (greys(lambda grey: grey * 0), "mask with no foreground (128 or more): "),
    "cat/2.png": (greys(lambda grey: grey // 2), "mask with no foreground (128 or more): "),
    "cat/3.png": (greys(lambda grey: grey > 0), "mask with values of only 0 and 1, expected 0 and 255: "),
    "dog/1.jpg": (truncated, "cannot be read ("),
    "dog/2.jpg": (lambda path: path.write_bytes(b"no photograph") and None, "cannot be read ("),
    "eel/1.png": (truncated, "cannot be read ("),
    "eel/2.png": (flipped_in_the_middle, "cannot be read ("),
    "eel/3.png": (sixteen_bit, "pixels are of mode I;16, expected 8-bit colour or grey: "),
    "eel/4.png": (lambda path: path.write_bytes(b"") and None, "cannot be read ("),
    "eel/5.jpg": (piped, "is no regular file: "),
}


def refused(root: Path) -> str:
    out = root.parent / "out"
    message = refusal(build, root, out, RECIPE, workers=2)
    assert not out.exists(), "something was written"
    return message


def test_every_unusable_file_is_named_in_one_line(root: Path) -> None:
    for file, (damage, _) in DAMAGE.items():
        damage(root / file)
    text = refused(root)
    assert text.startswith(f"{root}: {len(DAMAGE)} of 100 files cannot be used: ")
    listed = [part.partition(": ") for part in text.partition("cannot be used: ")[2].split("; ")]
    named = {file: kind for kind, _, files in listed for file in files.partition(": mend")[0].split(", ")}
    assert set(named) == set(DAMAGE)
    assert all(f"{named[file]}: ".startswith(kind) for file, (_, kind) in DAMAGE.items())


def test_files_count_once_and_are_named_for_each_fault(root: Path) -> None:
    (root / "fan/10.jpg").unlink()
    (root / "fan/10.png").unlink()
    (root / "fan/9.jpg").write_bytes(b"")
    resized(root / "fan/9.png")
    greys(lambda grey: grey > 0)(root / "fan/9.png")
    text = refused(root)
    assert "4 of 100 files" in text
    assert "missing: fan/10.jpg, fan/10.png" in text
    assert "only 0 and 1, expected 0 and 255: fan/9.png" in text


def test_a_missing_class_is_named_once(root: Path) -> None:
    shutil.rmtree(root / "cat")
    text = refused(root)
    assert "20 of 100 files cannot be used: missing: cat/*: mend the files" in text
    assert "--classes FILE" in text


def test_other_kinds_of_png_and_grey_photographs_are_read(root: Path, mosaic: MosaicBenchmark) -> None:
    """Masks in palette, colour or bilevel PNG, photographs in grey: they are read as 8-bit grey and as RGB."""
    for file, mode in (("abacus/1.png", "P"), ("abacus/2.png", "RGB"), ("abacus/3.png", "1"), ("cat/1.jpg", "L")):
        with Image.open(root / file) as image:
            image.convert(mode).save(root / file)
    plain, other = mosaic.dataset.digests, build(root, root.parent / "out", RECIPE).digests
    assert other.masks == plain.masks
    assert other.sources != plain.sources
    assert other.dataset != plain.dataset
