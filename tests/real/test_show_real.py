"""Contact sheets of real photographs: PASCAL-5i, COCO-20i, and mosaics of the stand-in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsbench.index.benchmark import Benchmark
from fsbench.io.palette import colour_of
from fsbench.pictures.contact_sheet import contact_sheet, pick


@pytest.mark.parametrize("name", ["pascal", "coco", "mosaic"])
def test_every_class_of_a_sheet_is_true_and_painted(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The classes beside a picture are those of its truths, one by one, and each colour is on the sheet."""
    built: Benchmark = request.getfixturevalue(name)
    assert contact_sheet(built, tmp_path / "sheet.png", n=24)[0] == 24
    most = 0
    for one in pick(built, 24)[0]:
        for class_id in one.class_ids:
            assert (built.truth(one.sample, class_id) == 1).any()
        most = max(most, len(one.class_ids))
    assert most > 1
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert all((sheet == np.array(colour_of(place), np.uint8)).all(axis=-1).sum() > 300 for place in range(most))
