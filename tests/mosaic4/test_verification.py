"""Verification finds one flipped byte wherever it is, names the file, and only warns of another JPEG decoder."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
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
RECIPE = make_recipe([f"{key}/{n}" for key in KEYS for n in (1, 2, 3)])
"""Twelve mosaics."""

WRITTEN = {
    "recipe": ("recipe.parquet", "mosaic4.json", "croissant.json"),
    "png": ("images/000007.png", "masks/000011.png", "metadata.jsonl", "recipe.parquet", "croissant.json"),
    "parquet": ("data/test-00000-of-00001.parquet", "recipe.parquet", "mosaic4.json", "croissant.json"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``raw`` and a folder a form; whoever damages a file mends it (``flipped``)."""
    here = tmp_path_factory.mktemp("whole")
    draw_folders(here / "raw", KEYS, 3)
    for form in FORMS:
        build(here / "raw", here / form, RECIPE, form=form)
    return here


def failed(whole: Path, form: Form) -> list[Check]:
    return [check for check in verify_dataset(whole / form, whole / "raw", 2) if not check.passed]


def said(whole: Path, form: Form) -> str:
    """What is found wrong, be it a failed check or that the folder cannot be opened; nothing where all is well."""
    try:
        return "\n".join(f"{check.name}: {check.said}" for check in failed(whole, form))
    except FsbenchError as error:
        return str(error)


def places(path: Path) -> Iterator[int]:
    """Bytes to flip: the first, the last, and some between, drawn at random."""
    size = path.stat().st_size
    draws = random.Random(path.name)
    return iter(sorted({0, size - 1, *(draws.randrange(size) for _ in range(8))}))


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_data_set_passes_every_check(form: Form, whole: Path) -> None:
    checks = verify_dataset(whole / form, whole / "raw")
    assert [check.name for check in checks] == ["recipe", "sources", "dataset", "masks", "pixels", "written files"]
    assert [check for check in checks if not check.passed] == []
    assert not any("warning" in check.said for check in checks)


@pytest.mark.parametrize(("form", "name"), [(form, name) for form, names in WRITTEN.items() for name in names])
def test_one_flipped_byte_in_a_written_file_is_found_and_the_file_named(form: Form, name: str, whole: Path) -> None:
    path = whole / form / name
    data = path.read_bytes()
    try:
        for place in places(path):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            assert str(path) in said(whole, form), place
        path.unlink()
        assert str(path) in said(whole, form)
    finally:
        path.write_bytes(data)
    assert said(whole, form) == ""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["cow/3.jpg", "hen/1.png"])
def test_one_flipped_byte_in_a_source_is_found_and_the_file_named(name: str, form: Form, whole: Path) -> None:
    path = whole / "raw" / name
    data = path.read_bytes()
    try:
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
        found = {check.name: check.said for check in failed(whole, form)}
        assert found["sources"] == f"{path} was altered"
        assert {"masks", "pixels"} <= set(found)
        path.unlink()
        assert f"sources: {path} cannot be read" in said(whole, form)
    finally:
        path.write_bytes(data)
    assert said(whole, form) == ""


def test_every_value_in_the_json_counts(whole: Path) -> None:
    """Whatever is said otherwise, digits and words of other versions included, is found."""
    path = whole / "recipe" / "mosaic4.json"
    text = path.read_text(encoding="utf-8")
    values = json.loads(text)

    def others(value: object) -> Iterator[object]:
        if isinstance(value, dict):
            yield from ({**value, key: other} for key, each in value.items() for other in others(each))
        elif isinstance(value, list):
            yield value[:-1]
        else:
            yield value + 1 if isinstance(value, int) else f"{value}x"

    try:
        count = 0
        for other in others(values):
            path.write_text(json.dumps(other, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            assert str(path) in said(whole, "recipe"), other
            count += 1
        assert count > 20
    finally:
        path.write_text(text, encoding="utf-8")


def test_all_altered_files_are_named_at_once(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    files = [
        tmp_path / "copy" / "raw" / f"{key}/{n}.{suffix}" for key in KEYS for n in (1, 3) for suffix in ("jpg", "png")
    ]
    written = [tmp_path / "copy" / "png" / name for name in ("metadata.jsonl", "mosaic4.json", "recipe.parquet")]
    for path in files:
        path.write_bytes(path.read_bytes() + b"\0")
    for path in written[:2]:
        path.write_bytes(path.read_bytes() + b"\n")
    found = said(tmp_path / "copy", "png")
    assert all(str(path) in found for path in (*files, *written[:2]))
    assert str(written[2]) not in found


def test_files_that_belong_nowhere_are_named(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    for name in ("benchmark.json", "README.md", "images/.hidden"):
        (tmp_path / "copy" / "png" / name).write_bytes(b"of others")
    assert said(tmp_path / "copy", "png") == ""
    stranger = tmp_path / "copy" / "png" / "images" / "000012.png"
    stranger.write_bytes(b"")
    assert f"{stranger} is no part of it" in said(tmp_path / "copy", "png")


@pytest.mark.parametrize("form", FORMS)
def test_another_decoder_of_photographs_is_a_warning(form: Form, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that is off by one in one place of each photograph; masks are read as they were."""
    another_decoder(monkeypatch)
    checks = {check.name: check for check in verify_dataset(whole / form, whole / "raw")}
    assert all(check.passed for check in checks.values())
    assert checks["pixels"].said.startswith("warning: ")
    assert "decoded by another decoder, built with Pillow" in checks["pixels"].said


def test_pixels_that_differ_with_the_masks_are_no_warning(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "recipe", tmp_path / "copy")
    path = tmp_path / "copy" / "mosaic4.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    said["digests"] |= {"masks": "0" * 64, "pixels": "1" * 64}
    path.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    found = {check.name: check for check in verify_dataset(tmp_path / "copy", whole / "raw")}
    assert not found["masks"].passed
    assert not found["pixels"].passed
    assert "warning" not in found["pixels"].said


@pytest.mark.parametrize("name", ["images/000003.png", "masks/000004.png", "data/test-00000-of-00001.parquet"])
def test_altered_files_are_found_under_another_decoder_too(
    name: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form: Form = "parquet" if name.startswith("data") else "png"
    shutil.copytree(whole, tmp_path / "copy")
    path = tmp_path / "copy" / form / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
    another_decoder(monkeypatch)
    found = failed(tmp_path / "copy", form)
    assert [check.name for check in found] == ["written files"]
    assert str(path if name.startswith(("masks", "data")) else path.parent.parent) in found[0].said


def another_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tiles.TileReader.image

    def image(reader: tiles.TileReader, sample: str) -> Pixels:
        pixels = np.array(plain(reader, sample))
        pixels[100, 100, 0] ^= 1
        return pixels

    monkeypatch.setattr(tiles.TileReader, "image", image)
    monkeypatch.setattr(digests, "decoder", lambda: "another decoder")
    monkeypatch.setattr("mosaic4.verification.decoder", lambda: "another decoder")


@pytest.mark.parametrize("form", FORMS)
def test_other_library_versions_are_no_fault(form: Form, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then bytes cannot be told beforehand; pixels and hashes still are compared."""
    for module in ("mosaic4.verification", "mosaic4.metadata_check"):
        monkeypatch.setattr(f"{module}.libraries", lambda: {"fsbench": "9.9"})
    assert said(whole, form) == ""
    assert "other library versions" in verify_dataset(whole / form, whole / "raw")[-1].said
    for name in WRITTEN[form]:
        path = whole / form / name
        data = path.read_bytes()
        path.write_bytes(data[:60] + bytes([data[60] ^ 1]) + data[61:])
        found = said(whole, form)
        path.write_bytes(data)
        assert str(path) in found
