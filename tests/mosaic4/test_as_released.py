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
from mosaic4.dataset import FORMS, Form
from mosaic4.resample import tile_of
from tests.fss_as_released import BROKEN, SIZES, write_release

KEYS = tuple(sorted({sample.partition("/")[0] for sample in (*SIZES, BROKEN)}))
OFFICIAL = "f6985e6135bafb0af3a88a3f3fe1ae6f35de9fdac63971f985411741bb2cd82b"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``raw`` with the seven classes, and ``classes.txt``."""
    here = tmp_path_factory.mktemp("odd")
    write_release(here / "raw", KEYS)
    (here / "classes.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    return here


def of_form(here: Path, form: Form) -> MosaicBenchmark:
    benchmark = build(here / "raw", here / form, classes=here / "classes.txt", form=form)
    assert isinstance(benchmark, MosaicBenchmark)
    return benchmark


@pytest.mark.parametrize("form", FORMS)
def test_the_odd_samples_in_three_forms(odd: Path, form: Form) -> None:
    benchmark = of_form(odd, form)
    recipe = benchmark.dataset.recipe
    assert len(recipe.mosaics) == 69
    assert BROKEN not in recipe.samples
    assert dict(benchmark.dataset.sizes) == SIZES
    assert all(check.passed for check in verify_benchmark(benchmark, 2))
    mosaic = next(i for i, samples in enumerate(recipe.mosaics) if samples[0] == "ruler/10")
    image, mask = benchmark.mosaics[mosaic]
    with Image.open(odd / "raw" / "ruler/10.jpg") as photograph, Image.open(odd / "raw" / "ruler/10.png") as grey:
        assert np.array_equal(image[:224, :224], tile_of(np.asarray(photograph)))
        centres = [[int((2 * r + 1) * side / 448) for r in range(224)] for side in (700, 1024)]
        assert np.array_equal(mask[:224, :224] == 1, np.asarray(grey)[np.ix_(*centres)] >= 128)
    assert benchmark.image("ruler/10").shape == (700, 1024, 3)  # as a support is shown
    assert benchmark.support_mask("ruler/10", KEYS.index("ruler")).shape == (700, 1024)
    if form == "png":
        rows = load_dataset("imagefolder", data_dir=str(odd / form), split="train", cache_dir=str(odd / "cache"))
    elif form == "parquet":
        rows = load_dataset("parquet", data_dir=str(odd / form / "data"), split="test", cache_dir=str(odd / "cache"))
    else:
        return
    assert rows.num_rows == 69
    row = next(row for row in rows if row["mosaic"] == mosaic)
    assert np.array_equal(np.asarray(row["image"]), image)
    assert np.array_equal(np.asarray(row["mask"]), mask)


def test_the_three_forms_are_one_dataset(odd: Path) -> None:
    digests = {vars(of_form(odd, form).digests)["masks"] for form in FORMS}
    assert len(digests) == 1


@pytest.mark.long
def test_all_240_classes(tmp_path: Path) -> None:
    raw = write_release(tmp_path / "fewshot_data")
    built = {form: build(raw, tmp_path / form, form=form) for form in FORMS}
    for form, benchmark in built.items():
        assert isinstance(benchmark, MosaicBenchmark)
        assert (benchmark.title, benchmark.dataset.digests.recipe) == ("Mosaic-4", OFFICIAL)
        assert dict(benchmark.dataset.sizes) == SIZES
        assert all(check.passed for check in verify_benchmark(open_benchmark(tmp_path / form), 2))
    folder = load_dataset("imagefolder", data_dir=str(tmp_path / "png"), split="train", cache_dir=str(tmp_path / "c"))
    shards = load_dataset(
        "parquet", data_dir=str(tmp_path / "parquet" / "data"), split="test", cache_dir=str(tmp_path / "c")
    )
    assert folder.num_rows == shards.num_rows == 2399
    record = fsbench.evaluate("center", tmp_path / "recipe", shots=0, out=tmp_path / "results")
    assert (record.protocol, record.folds["test"].asked, record.modified) == ("mosaic4-v1", 11995, ())
