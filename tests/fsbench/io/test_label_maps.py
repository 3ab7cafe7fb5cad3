"""Areas of labels are those that numpy finds, for any size and memory layout."""

from __future__ import annotations

import numpy as np
import pytest

from fsbench.io.label_maps import label_areas


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 2), (3, 5), (37, 41)])
@pytest.mark.parametrize("layout", ["rows", "columns", "every second"])
def test_areas_are_those_of_numpy(shape: tuple[int, int], layout: str) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (shape[0], 2 * shape[1]), dtype=np.uint8)
    label_map = {"rows": drawn, "columns": np.asfortranarray(drawn), "every second": drawn[:, ::2]}[layout]
    labels, areas = np.unique(label_map, return_counts=True)
    assert label_areas(label_map) == dict(zip(labels.tolist(), areas.tolist(), strict=True))
