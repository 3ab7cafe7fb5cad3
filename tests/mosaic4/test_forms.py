"""The written forms as Hugging Face ``datasets`` and Croissant's own library open them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsbench.io.files import sha256_file
from mosaic4.build import build, recipe_of_classes
from mosaic4.dataset import FORMS, Dataset, Form
from mosaic4.recipe import class_of
from tests.mosaic4.drawn_folders import KEYS

RECIPE = recipe_of_classes(KEYS)


@pytest.fixture(scope="module")
def built(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Form, tuple[Path, Dataset]]:
    """Form -> folder and data set; not to be damaged."""
    out = tmp_path_factory.mktemp("forms")
    return {form: (out / form, build(folders, out / form, RECIPE, form=form)) for form in FORMS}


@pytest.fixture
def hub_offline(tmp_path: Path) -> Iterator[None]:
    """Caches of Hugging Face under ``tmp_path``, and no network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path / "hub"))
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "1")
        yield


def opened(kind: str, folder: Path, cache: Path) -> Any:
    import datasets  # here, so that it reads the environment

    return datasets.load_dataset(kind, data_dir=str(folder), cache_dir=str(cache))


@pytest.mark.usefixtures("hub_offline")
@pytest.mark.parametrize(("form", "kind", "split"), [("png", "imagefolder", "train"), ("parquet", "parquet", "test")])
def test_datasets_opens_it_with_images_masks_classes_and_samples(
    form: Form, kind: str, split: str, built: dict[Form, tuple[Path, Dataset]], folders: Path, tmp_path: Path
) -> None:
    import datasets  # here, so that it reads the environment

    folder, dataset = built[form]
    loaded = opened(kind, folder, tmp_path / "cache")
    assert list(loaded) == [split]
    rows = loaded[split]
    features = rows.features
    hashes = {"image_sha256", "mask_sha256"} if form == "png" else set()
    assert set(features) == {"mosaic", "image", "mask", "classes", "samples"} | hashes
    assert isinstance(features["image"], datasets.Image)
    assert isinstance(features["mask"], datasets.Image)
    assert features["classes"].feature.dtype == features["samples"].feature.dtype == "string"
    assert len(rows) == 50
    mosaics = dataset.mosaics(folders)
    for i in (0, 1, 31, 49):
        row = rows[i]
        image, mask = mosaics[i]
        assert row["mosaic"] == i
        assert row["samples"] == list(RECIPE.mosaics[i])
        assert row["classes"] == [class_of(sample) for sample in RECIPE.mosaics[i]]
        assert (row["image"].mode, row["mask"].mode) == ("RGB", "L")
        assert np.array_equal(np.asarray(row["image"]), image)
        assert np.array_equal(np.asarray(row["mask"]), mask)


def test_all_forms_have_the_same_digests_and_recipe(built: dict[Form, tuple[Path, Dataset]]) -> None:
    assert len({dataset.digests for _, dataset in built.values()}) == 1
    assert len({(folder / "recipe.parquet").read_bytes() for folder, _ in built.values()}) == 1


def test_what_lies_in_each_folder(built: dict[Form, tuple[Path, Dataset]]) -> None:
    both = {"mosaic4.json", "recipe.parquet", "croissant.json"}
    pngs = {f"{name}/{i:06d}.png" for name in ("images", "masks") for i in range(50)}
    expected: dict[Form, set[str]] = {
        "recipe": both,
        "png": both | {"metadata.jsonl"} | pngs,
        "parquet": both | {"data/test-00000-of-00001.parquet"},
    }
    for form, (folder, _) in built.items():
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert files == expected[form]


@pytest.mark.parametrize("form", FORMS)
def test_the_string_used_for_the_orders_stands_in_the_json(form: Form, built: dict[Form, tuple[Path, Dataset]]) -> None:
    said = json.loads((built[form][0] / "mosaic4.json").read_text(encoding="utf-8"))
    assert (said["name"], said["form"], said["seed"], said["seed_used"]) == ("mosaic4-v1", form, 0, "0")
    assert said["order"] == "mosaic4-v1|0|{p}|{sample_id}"
    assert said["digests"]["recipe"] == RECIPE.digest


@pytest.mark.parametrize("form", FORMS)
def test_croissant_describes_every_file_with_its_hash(form: Form, built: dict[Form, tuple[Path, Dataset]]) -> None:
    folder, dataset = built[form]
    said = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    assert said["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = {each["@id"]: each for each in said["distribution"] if each["@type"] == "cr:FileObject"}
    sets = [each["includes"] for each in said["distribution"] if each["@type"] == "cr:FileSet"]
    for name, each in files.items():
        assert each["sha256"] == sha256_file(folder / name)
        assert each["contentSize"] == f"{(folder / name).stat().st_size} B"
    others = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} - {Path("croissant.json")}
    assert {path for path in others if not any(path.match(pattern) for pattern in sets)} <= set(map(Path, files))
    assert all(getattr(dataset.digests, name) in said["description"] for name in ("recipe", "dataset", "masks"))


@pytest.mark.parametrize("form", FORMS)
def test_the_library_of_croissant_finds_no_fault_and_reads_the_records(
    form: Form, built: dict[Form, tuple[Path, Dataset]], caplog: pytest.LogCaptureFixture
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    described = mlcroissant.Dataset(jsonld=str(built[form][0] / "croissant.json"))
    issues = described.metadata.ctx.issues
    assert (set(issues.errors), set(issues.warnings)) == (set(), set())
    assert caplog.text == ""
    tiles = list(described.records("tiles"))
    assert [tile["tiles/sample"].decode() for tile in tiles] == [s for mosaic in RECIPE.mosaics for s in mosaic]
    if form != "recipe":
        first = next(iter(described.records("mosaics")))
        assert [sample.decode() for sample in first["mosaics/samples"]] == list(RECIPE.mosaics[0])
        assert form != "parquet" or first["mosaics/image"].size == (448, 448)
