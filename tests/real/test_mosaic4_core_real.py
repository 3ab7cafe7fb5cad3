"""Mosaic-4 of real photographs: the stand-in's 27 classes make 270 mosaics, the same in all three forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic4.build import build, recipe_of_classes
from mosaic4.dataset import FORMS, Dataset, Form
from mosaic4.recipe import Recipe, class_of
from mosaic4.verification import verify_dataset

RECIPE = "33b65ee7772c6663389fcec35cf57b8adf24ea6bca5a0b6963ca434e1f18ac79"
DATASET = "52d5599bcfcf12f37f9dd52c5b2f4708f9d2a9b3aec6ef8deffed017af7a19aa"
MASKS = "17314ee2240bff7a26617cefc17c7deb4f4939998914069dd26bf0fc17a37981"
"""Digests of the stand-in; ``pixels`` is not pinned, since JPEG decoders differ."""


@pytest.fixture(scope="module")
def raw(shared_data: Path) -> Path:
    return shared_data / "fss_like"


@pytest.fixture(scope="module")
def recipe(raw: Path) -> Recipe:
    return recipe_of_classes(path.name for path in raw.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def built(raw: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> dict[Form, tuple[Path, Dataset]]:
    out = tmp_path_factory.mktemp("mosaic4")
    return {form: (out / form, build(raw, out / form, recipe, form=form)) for form in FORMS}


def test_digests_are_the_same_in_all_forms(built: dict[Form, tuple[Path, Dataset]], recipe: Recipe) -> None:
    assert len(recipe.mosaics) == 270
    (digests,) = {dataset.digests for _, dataset in built.values()}
    assert (digests.recipe, digests.dataset, digests.masks) == (RECIPE, DATASET, MASKS)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_verified(form: Form, built: dict[Form, tuple[Path, Dataset]], raw: Path) -> None:
    checks = verify_dataset(built[form][0], raw)
    assert [check for check in checks if not check.passed] == []
    assert not any("warning" in check.said for check in checks)


def test_written_mosaics_hold_the_photographs(
    built: dict[Form, tuple[Path, Dataset]], raw: Path, recipe: Recipe
) -> None:
    for i in range(0, 270, 30):
        samples = recipe.mosaics[i]
        assert len({class_of(sample) for sample in samples}) == 4
        with Image.open(built["png"][0] / "images" / f"{i:06d}.png") as image:
            quarters = [image.crop((x, y, x + 224, y + 224)) for y in (0, 224) for x in (0, 224)]
        with Image.open(built["png"][0] / "masks" / f"{i:06d}.png") as image:
            mask = np.asarray(image)
        for p, sample in enumerate(samples):
            with Image.open(raw / f"{sample}.jpg") as photograph:
                assert np.array_equal(np.asarray(quarters[p]), np.asarray(photograph.convert("RGB")))
            with Image.open(raw / f"{sample}.png") as tile:
                grey = np.asarray(tile.convert("L"))
            top, left = p // 2 * 224, p % 2 * 224
            assert np.array_equal(mask[top : top + 224, left : left + 224], np.where(grey >= 128, p + 1, 0))
