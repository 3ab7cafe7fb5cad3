"""Mosaic-4 of real photographs: the stand-in's 27 classes make 270 mosaics, the same in all three forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic4.benchmark import MosaicBenchmark
from mosaic4.build import build, recipe_of_classes
from mosaic4.dataset import FORMS
from mosaic4.recipe import class_of
from mosaic4.verification import verify_dataset

RECIPE = "33b65ee7772c6663389fcec35cf57b8adf24ea6bca5a0b6963ca434e1f18ac79"
DATASET = "52d5599bcfcf12f37f9dd52c5b2f4708f9d2a9b3aec6ef8deffed017af7a19aa"
MASKS = "17314ee2240bff7a26617cefc17c7deb4f4939998914069dd26bf0fc17a37981"
"""Digests of the stand-in; ``pixels`` is not pinned, since JPEG decoders differ."""


def test_the_benchmark_has_the_digests(mosaic: MosaicBenchmark) -> None:
    assert mosaic.title == "Mosaic-4 layout [27 own classes]"
    assert (mosaic.dataset.recipe.digest, mosaic.digests.masks) == (RECIPE, MASKS)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_the_digests_and_verifies(form: str, fss_like: Path, tmp_path: Path) -> None:
    recipe = recipe_of_classes(path.name for path in fss_like.iterdir() if path.is_dir())
    assert len(recipe.mosaics) == 270
    digests = build(fss_like, tmp_path, recipe, form=form).digests
    assert (digests.recipe, digests.dataset, digests.masks) == (RECIPE, DATASET, MASKS)
    checks = verify_dataset(tmp_path, fss_like)
    assert [check for check in checks if not check.passed] == []
    assert not any("warning" in check.said for check in checks)
    if form != "png":
        return
    for i in range(0, 270, 30):
        samples = recipe.mosaics[i]
        assert len({class_of(sample) for sample in samples}) == 4
        pixels, mask = (np.asarray(Image.open(tmp_path / kind / f"{i:06d}.png")) for kind in ("images", "masks"))
        for p, sample in enumerate(samples):
            quarter = np.s_[p // 2 * 224 : p // 2 * 224 + 224, p % 2 * 224 : p % 2 * 224 + 224]
            assert np.array_equal(pixels[quarter], Image.open(fss_like / f"{sample}.jpg").convert("RGB"))
            grey = np.asarray(Image.open(fss_like / f"{sample}.png").convert("L"))
            assert np.array_equal(mask[quarter], np.where(grey >= 128, p + 1, 0))
