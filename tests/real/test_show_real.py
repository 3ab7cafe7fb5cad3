"""Contact sheets of real photographs: those at hand of PASCAL-5i and COCO-20i, and mosaics of the stand-in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsbench.benchmarks.coco import coco20i
from fsbench.benchmarks.pascal import pascal5i
from fsbench.index.benchmark import Benchmark
from fsbench.io.palette import colour_of
from fsbench.pictures.contact_sheet import chosen, contact_sheet
from mosaic4.benchmark import build as build_mosaics


@pytest.fixture(scope="module", params=["pascal-5i", "coco-20i", "mosaic4"])
def built(request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    here = tmp_path_factory.mktemp("show")
    if request.param == "pascal-5i":
        return pascal5i.build(shared_data / "VOCdevkit", here / "out", partial=True)
    if request.param == "coco-20i":
        return coco20i.build(shared_data / "coco", here / "out", partial=True)
    raw = shared_data / "fss_like"
    (here / "classes.txt").write_text("\n".join(path.name for path in raw.iterdir() if path.is_dir()))
    mosaics = build_mosaics(raw, here / "out", classes=here / "classes.txt")
    assert mosaics is not None
    return mosaics


def test_every_class_shown_is_true_and_painted(built: Benchmark, tmp_path: Path) -> None:
    """The classes beside a picture are those of its truths, one by one, and each colour is on the sheet."""
    assert contact_sheet(built, tmp_path / "sheet.png", n=24)[0] == 24
    most = 0
    for one in chosen(built, 24)[0]:
        for class_id in one.class_ids:
            assert (built.truth(one.sample, class_id) == 1).any()
        most = max(most, len(one.class_ids))
    assert most > 1
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image)
    assert all((sheet == np.array(colour_of(place), np.uint8)).all(axis=-1).sum() > 300 for place in range(most))
