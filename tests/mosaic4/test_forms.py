"""The written forms as Hugging Face ``datasets`` and Croissant's own library open them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fsbench.io.files import sha256_file
from mosaic4.dataset import FORMS, Form, read_dataset
from mosaic4.recipe import class_of
from tests.mosaic4.drawn_folders import RECIPE, Forms


@pytest.mark.parametrize(("form", "kind", "split"), [("png", "imagefolder", "train"), ("parquet", "parquet", "test")])
def test_datasets_loads_images_masks_classes_and_samples(
    form: Form, kind: str, split: str, forms: Forms, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    import datasets  # here, so that it reads the environment

    folder, dataset = forms[form]
    loaded = datasets.load_dataset(kind, data_dir=str(folder), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == [split]
    rows = loaded[split]
    hashes = {"image_sha256", "mask_sha256"} if form == "png" else set()
    assert set(rows.features) == {"mosaic", "image", "mask", "classes", "samples"} | hashes
    assert isinstance(rows.features["image"], datasets.Image)
    assert isinstance(rows.features["mask"], datasets.Image)
    assert rows.features["classes"].feature.dtype == rows.features["samples"].feature.dtype == "string"
    assert len(rows) == 50
    mosaics = dataset.mosaics(folders)
    for i in (0, 31, 49):
        row, (image, mask) = rows[i], mosaics[i]
        assert row["mosaic"] == i
        assert row["samples"] == list(RECIPE.mosaics[i])
        assert row["classes"] == [class_of(sample) for sample in RECIPE.mosaics[i]]
        assert (row["image"].mode, row["mask"].mode) == ("RGB", "L")
        assert np.array_equal(np.asarray(row["image"]), image)
        assert np.array_equal(np.asarray(row["mask"]), mask)


def test_all_forms_have_the_same_digests_and_recipe(forms: Forms) -> None:
    assert len({dataset.digests for _, dataset in forms.values()}) == 1
    assert len({(folder / "recipe.parquet").read_bytes() for folder, _ in forms.values()}) == 1


def test_the_files_of_each_form(forms: Forms) -> None:
    both = {"mosaic4.json", "recipe.parquet", "croissant.json"}
    pngs = {f"{name}/{i:06d}.png" for name in ("images", "masks") for i in range(50)}
    expected: dict[Form, set[str]] = {
        "recipe": both,
        "png": both | {"metadata.jsonl"} | pngs,
        "parquet": both | {"data/test-00000-of-00001.parquet"},
    }
    for form, (folder, _) in forms.items():
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == expected[form]


@pytest.mark.parametrize("form", FORMS)
def test_a_built_dataset_reads_back_and_its_json_gives_the_order(form: Form, forms: Forms) -> None:
    folder, dataset = forms[form]
    assert read_dataset(folder) == dataset
    values = json.loads((folder / "mosaic4.json").read_text(encoding="utf-8"))
    assert (values["name"], values["form"], values["seed"], values["seed_used"]) == ("mosaic4-v1", form, 0, "0")
    assert values["order"] == "mosaic4-v1|0|{p}|{sample_id}"
    assert values["digests"]["recipe"] == RECIPE.digest


@pytest.mark.parametrize("form", FORMS)
def test_croissant_describes_every_file_with_its_hash(form: Form, forms: Forms) -> None:
    folder, dataset = forms[form]
    described = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = {each["@id"]: each for each in described["distribution"] if each["@type"] == "cr:FileObject"}
    sets = [each["includes"] for each in described["distribution"] if each["@type"] == "cr:FileSet"]
    for name, each in files.items():
        assert each["sha256"] == sha256_file(folder / name)
        assert each["contentSize"] == f"{(folder / name).stat().st_size} B"
    others = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} - {Path("croissant.json")}
    assert {path for path in others if not any(path.match(pattern) for pattern in sets)} <= set(map(Path, files))
    assert all(getattr(dataset.digests, name) in described["description"] for name in ("recipe", "dataset", "masks"))


@pytest.mark.parametrize("form", FORMS)
def test_mlcroissant_accepts_the_description_and_reads_the_records(
    form: Form, forms: Forms, caplog: pytest.LogCaptureFixture
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    described = mlcroissant.Dataset(jsonld=str(forms[form][0] / "croissant.json"))
    issues = described.metadata.ctx.issues
    assert (set(issues.errors), set(issues.warnings)) == (set(), set())
    assert caplog.text == ""
    tiles = list(described.records("tiles"))
    assert [tile["tiles/sample"].decode() for tile in tiles] == [s for mosaic in RECIPE.mosaics for s in mosaic]
    if form != "recipe":
        first = next(iter(described.records("mosaics")))
        assert [sample.decode() for sample in first["mosaics/samples"]] == list(RECIPE.mosaics[0])
        assert form != "parquet" or first["mosaics/image"].size == (448, 448)
