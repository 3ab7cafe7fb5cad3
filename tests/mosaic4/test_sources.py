"""Everything that the specification refuses in class folders: all of it in one error, before anything is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsbench.errors import FsbenchError
from mosaic4.build import build, recipe_of_classes
from mosaic4.dataset import FORMS, Form
from mosaic4.sources import read_sources
from tests.mosaic4.drawn_folders import KEYS, draw_folders

RECIPE = recipe_of_classes(KEYS)


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
}


def damaged(root: Path, files: tuple[str, ...]) -> Path:
    draw_folders(root)
    for file in files:
        DAMAGE[file][0](root / file)
    return root


def refusal(root: Path, out: Path, form: Form = "recipe") -> str:
    with pytest.raises(FsbenchError) as error:
        build(root, out, RECIPE, form=form, workers=2)
    assert not out.exists(), "something was written"
    assert error.value.exit_code == 2
    return str(error.value)


@pytest.mark.parametrize("file", DAMAGE)
def test_each_is_refused_and_named(file: str, tmp_path: Path) -> None:
    said = refusal(damaged(tmp_path / "fss", (file,)), tmp_path / "out")
    assert said.startswith(f"{tmp_path / 'fss'}: 1 of 100 files cannot be used: {DAMAGE[file][1]}")
    assert f": {file}: mend the files" in said


@pytest.mark.parametrize("form", FORMS)
def test_all_of_them_stand_in_one_line(form: Form, tmp_path: Path) -> None:
    said = refusal(damaged(tmp_path / "fss", tuple(DAMAGE)), tmp_path / "out", form)
    assert "\n" not in said
    assert f"{len(DAMAGE)} of 100 files" in said
    listed = [part.partition(": ") for part in said.partition("cannot be used: ")[2].split("; ")]
    named = {file: kind for kind, _, files in listed for file in files.partition(": mend")[0].split(", ")}
    assert set(named) == set(DAMAGE)
    assert all(f"{named[file]}: ".startswith(kind) for file, (_, kind) in DAMAGE.items())


def test_a_sample_of_which_both_files_are_wrong_is_named_twice_and_a_file_once_for_each_fault(tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "fss")
    (root / "fan/10.jpg").unlink()
    (root / "fan/10.png").unlink()
    (root / "fan/9.jpg").write_bytes(b"")
    resized(root / "fan/9.png")
    greys(lambda grey: grey > 0)(root / "fan/9.png")
    said = refusal(root, tmp_path / "out")
    assert "4 of 100 files" in said
    assert "missing: fan/10.jpg, fan/10.png" in said
    assert "only 0 and 1, expected 0 and 255: fan/9.png" in said


def test_a_copy_of_fss_whose_masks_are_all_0_and_1_is_refused_with_every_file(tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "fss")
    for key in KEYS:
        for n in range(1, 11):
            greys(lambda grey: grey > 0)(root / key / f"{n}.png")
    said = refusal(root, tmp_path / "out")
    assert "50 of 100 files cannot be used: mask with values of only 0 and 1, expected 0 and 255: abacus/1.png" in said
    assert all(f"{sample}.png" in said for sample in RECIPE.samples)


def test_what_is_no_fault(tmp_path: Path) -> None:
    """Masks in palette, colour or bilevel PNG, photographs in grey: they are read as 8-bit grey and as RGB."""
    root = draw_folders(tmp_path / "fss")
    for file, mode in (("abacus/1.png", "P"), ("abacus/2.png", "RGB"), ("abacus/3.png", "1"), ("cat/1.jpg", "L")):
        with Image.open(root / file) as image:
            image.convert(mode).save(root / file)
    plain = build(draw_folders(tmp_path / "plain"), tmp_path / "a", RECIPE)
    other = build(root, tmp_path / "b", RECIPE)
    assert other.digests.masks == plain.digests.masks
    assert other.digests.sources != plain.digests.sources
    assert other.digests.dataset != plain.digests.dataset


def test_a_class_that_is_missing_as_a_whole_is_named_once_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    root = draw_folders(tmp_path / "raw", ("ant", "bee", "cow", "doe"))
    shutil.rmtree(root / "bee")
    (root / "cow" / "1.jpg").unlink()
    os.mkfifo(root / "cow" / "1.jpg")
    with pytest.raises(FsbenchError, match="21 of 80 files") as error:
        read_sources(root, recipe_of_classes(("ant", "bee", "cow", "doe")))
    assert "missing: bee/*" in str(error.value)
    assert "is no regular file: cow/1.jpg" in str(error.value)
    assert "--classes FILE" in str(error.value)
