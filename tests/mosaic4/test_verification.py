"""Verification finds one flipped byte wherever it is, names the file, and only warns of another JPEG decoder."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fsbench.benchmarks.verification import Check
from fsbench.errors import FsbenchError
from mosaic4 import digests, tiles
from mosaic4.build import build
from mosaic4.dataset import FORMS, Form
from mosaic4.recipe import make_recipe
from mosaic4.resample import Pixels
from mosaic4.verification import verify_dataset
from tests.mosaic4.drawn_folders import draw_folders

KEYS = ("cat", "cow", "dog", "hen")
RECIPE = make_recipe([f"{key}/{n}" for key in KEYS for n in (1, 2)])
"""Eight mosaics."""

WRITTEN: dict[Form, tuple[str, ...]] = {
    "recipe": ("recipe.parquet", "mosaic4.json", "croissant.json"),
    "png": ("images/000007.png", "masks/000003.png", "metadata.jsonl"),
    "parquet": ("data/test-00000-of-00001.parquet",),
}
"""Form -> files that it has, those of ``recipe`` once."""
FILES = [(form, name) for form, names in WRITTEN.items() for name in names]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``raw`` and a folder a form; a test that damages a file mends it (``damaged``)."""
    here = tmp_path_factory.mktemp("built")
    draw_folders(here / "raw", KEYS, 2)
    for form in FORMS:
        build(here / "raw", here / form, RECIPE, form=form)
    return here


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    shutil.copytree(built, tmp_path / "copy")
    return tmp_path / "copy"


@contextmanager
def damaged(path: Path) -> Iterator[bytes]:
    """Give the bytes of a file, and write them back in the end."""
    data = path.read_bytes()
    try:
        yield data
    finally:
        path.write_bytes(data)


def flip(path: Path, data: bytes, place: int) -> None:
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def failed(here: Path, form: Form) -> list[Check]:
    return [check for check in verify_dataset(here / form, here / "raw", 2) if not check.passed]


def faults(here: Path, form: Form) -> str:
    """Every failed check in a line, or why the folder cannot be opened; empty for a correct one."""
    try:
        return "\n".join(f"{check.name}: {check.said}" for check in failed(here, form))
    except FsbenchError as error:
        return str(error)


@pytest.mark.parametrize("form", FORMS)
def test_a_correct_dataset_passes_every_check(form: Form, built: Path) -> None:
    checks = verify_dataset(built / form, built / "raw")
    assert [check.name for check in checks] == ["recipe", "sources", "dataset", "masks", "pixels", "written files"]
    assert all(check.passed and "warning" not in check.said for check in checks)


@pytest.mark.parametrize(("form", "name"), FILES)
def test_one_flipped_byte_in_a_written_file_is_found(form: Form, name: str, built: Path) -> None:
    """The first byte, the last, and some between, drawn at random; and no file at all."""
    path = built / form / name
    with damaged(path) as data:
        draws = random.Random(path.name)
        for place in sorted({0, len(data) - 1, *(draws.randrange(len(data)) for _ in range(5))}):
            flip(path, data, place)
            assert str(path) in faults(built, form), place
        path.unlink()
        assert str(path) in faults(built, form)
    assert faults(built, form) == ""


@pytest.mark.parametrize("name", ["cow/2.jpg", "hen/1.png"])
def test_one_flipped_byte_in_a_source_is_found(name: str, built: Path) -> None:
    path = built / "raw" / name
    with damaged(path) as data:
        flip(path, data, len(data) - 9)
        for form in FORMS:
            found = {check.name: check.said for check in failed(built, form)}
            assert found["sources"] == f"{path} was altered"
            assert {"masks", "pixels"} <= set(found)
        path.unlink()
        assert f"sources: {path} cannot be read" in faults(built, "recipe")


def test_every_value_in_the_json_counts(built: Path) -> None:
    """Whatever is replaced is found, digits and words of other versions included."""
    path = built / "recipe" / "mosaic4.json"

    def others(value: object) -> Iterator[object]:
        if isinstance(value, dict):
            yield from ({**value, key: other} for key, each in value.items() for other in others(each))
        elif isinstance(value, list):
            yield value[:-1]
        else:
            yield value + 1 if isinstance(value, int) else f"{value}x"

    with damaged(path) as data:
        variants = list(others(json.loads(data)))
        assert len(variants) > 20
        for other in variants:
            path.write_text(json.dumps(other, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            assert str(path) in faults(built, "recipe"), other


def test_all_altered_files_are_named_at_once(copy: Path) -> None:
    altered = [copy / "raw" / f"{key}/1.{suffix}" for key in KEYS for suffix in ("jpg", "png")]
    altered += [copy / "png" / name for name in ("metadata.jsonl", "mosaic4.json")]
    for path in altered:
        path.write_bytes(path.read_bytes() + b"\n")
    found = faults(copy, "png")
    assert all(str(path) in found for path in altered)
    assert str(copy / "png" / "recipe.parquet") not in found


def test_extra_files_are_named(copy: Path) -> None:
    for name in ("benchmark.json", "README.md", "images/.hidden"):
        (copy / "png" / name).write_bytes(b"of others")
    assert faults(copy, "png") == ""
    extra = copy / "png" / "images" / "000008.png"
    extra.write_bytes(b"")
    assert f"{extra} does not belong to it" in faults(copy, "png")


def another_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that is off by one in one place of each photograph; masks are read as they were."""
    original = tiles.TileReader.image

    def image(reader: tiles.TileReader, sample: str) -> Pixels:
        pixels = np.array(original(reader, sample))
        pixels[100, 100, 0] ^= 1
        return pixels

    monkeypatch.setattr(tiles.TileReader, "image", image)
    monkeypatch.setattr(digests, "decoder", lambda: "another decoder")
    monkeypatch.setattr("mosaic4.verification.decoder", lambda: "another decoder")


@pytest.mark.parametrize("form", FORMS)
def test_another_decoder_of_photographs_is_a_warning(form: Form, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another_decoder(monkeypatch)
    checks = {check.name: check for check in verify_dataset(built / form, built / "raw")}
    assert all(check.passed for check in checks.values())
    assert checks["pixels"].said.startswith("warning: ")
    assert "decoded by another decoder, built with Pillow" in checks["pixels"].said


def test_pixels_that_differ_with_the_masks_are_no_warning(built: Path) -> None:
    path = built / "recipe" / "mosaic4.json"
    with damaged(path) as data:
        values = json.loads(data)
        values["digests"] |= {"masks": "0" * 64, "pixels": "1" * 64}
        path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        found = {check.name: check for check in failed(built, "recipe")}
    assert "masks" in found
    assert "warning" not in found["pixels"].said


@pytest.mark.parametrize(("form", "name"), [*FILES[3:5], FILES[-1]])
def test_another_decoder_hides_no_altered_file(
    form: Form, name: str, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = built / form / name
    another_decoder(monkeypatch)
    with damaged(path) as data:
        flip(path, data, len(data) // 2)
        (found,) = failed(built, form)
    assert found.name == "written files"
    assert str(built / form if name.startswith("images") else path) in found.said


@pytest.mark.parametrize("form", FORMS)
def test_other_library_versions_are_no_fault(form: Form, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their bytes are not known, so pixels and hashes alone are compared."""
    for module in ("mosaic4.verification", "mosaic4.metadata_check"):
        monkeypatch.setattr(f"{module}.libraries", lambda: {"fsbench": "9.9"})
    checks = verify_dataset(built / form, built / "raw")
    assert all(check.passed for check in checks)
    assert "other library versions" in checks[-1].said
    for name in WRITTEN[form]:
        with damaged(built / form / name) as data:
            flip(built / form / name, data, 60)
            assert str(built / form / name) in faults(built, form)
