"""Mosaic-4 of a tree like FSS-1000's release: the classes with odd samples in the suite, all 240 as a long test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import load_dataset
from PIL import Image

import fsbench
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import open_benchmark
from mosaic4.benchmark import MosaicBenchmark, build
from mosaic4.dataset import FORMS
from mosaic4.resample import tile_of
from tests.fss_as_released import BROKEN, SIZES, write_release
from tests.mosaic4.test_official_recipe import DIGESTS

ODD = {sample: size for sample, size in SIZES.items() if sample.startswith(("crt", "rock", "rub", "rul"))}
KEYS = tuple(sorted({sample.partition("/")[0] for sample in (*ODD, BROKEN)}))


def test_samples_of_odd_sizes_are_resized_and_the_broken_one_is_left_out(tmp_path: Path) -> None:
    raw = write_release(tmp_path / "raw", KEYS)
    (tmp_path / "classes.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    benchmark = build(raw, tmp_path / "png", classes=tmp_path / "classes.txt", form="png")
    assert isinstance(benchmark, MosaicBenchmark)
    recipe = benchmark.dataset.recipe
    assert len(recipe.mosaics) == 49
    assert BROKEN not in recipe.samples
    assert dict(benchmark.dataset.sizes) == ODD
    assert all(check.passed for check in verify_benchmark(benchmark, 2))
    mosaic = next(i for i, samples in enumerate(recipe.mosaics) if samples[0] == "ruler/10")
    image, mask = benchmark.mosaics[mosaic]
    with Image.open(raw / "ruler/10.jpg") as photograph, Image.open(raw / "ruler/10.png") as grey:
        assert np.array_equal(image[:224, :224], tile_of(np.asarray(photograph)))
        centres = [[int((2 * r + 1) * side / 448) for r in range(224)] for side in (700, 1024)]
        assert np.array_equal(mask[:224, :224] == 1, np.asarray(grey)[np.ix_(*centres)] >= 128)
    assert benchmark.image("ruler/10").shape == (700, 1024, 3)  # as a support is shown
    assert benchmark.support_mask("ruler/10", KEYS.index("ruler")).shape == (700, 1024)


@pytest.mark.long
def test_all_240_classes(tmp_path: Path) -> None:
    raw = write_release(tmp_path / "fewshot_data")
    for form in FORMS:
        benchmark = build(raw, tmp_path / form, form=form)
        assert isinstance(benchmark, MosaicBenchmark)
        assert (benchmark.title, benchmark.dataset.digests.recipe) == ("Mosaic-4", DIGESTS[2])
        assert dict(benchmark.dataset.sizes) == SIZES
        assert all(check.passed for check in verify_benchmark(open_benchmark(tmp_path / form), 2))
    cache = str(tmp_path / "cache")
    folder = load_dataset("imagefolder", data_dir=str(tmp_path / "png"), split="train", cache_dir=cache)
    shards = load_dataset("parquet", data_dir=str(tmp_path / "parquet" / "data"), split="test", cache_dir=cache)
    assert folder.num_rows == shards.num_rows == 2399
    record = fsbench.evaluate("center", tmp_path / "recipe", shots=0, out=tmp_path / "results")
    assert (record.protocol, record.folds["test"].asked, record.modified) == ("mosaic4-v1", 11995, ())
