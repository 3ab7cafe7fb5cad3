"""``predictions:DIR``: answers made by any program count as a model's do, and wrong folders are refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fsbench
from fsbench.engine.loaded_model import LoadedModel
from fsbench.engine.plan import Questions, make_plan
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.models.contract import ModelCard
from tests.fsbench.sample_models import Bright


@pytest.fixture(scope="module")
def written(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``Bright`` would answer to every episode of fsbench-v1, as PNGs; not to be changed."""
    out = tmp_path_factory.mktemp("predictions") / "My Masks"
    plan = make_plan(LoadedModel.load(Bright()), small, Questions(), out.parent)
    for fold, manifest in plan.manifests.items():
        (out / f"fold{fold}").mkdir(parents=True)
        (out / f"fold{fold}" / "manifest.sha256").write_text(manifest.sha256 + "\n")
        for number, question in enumerate(manifest.questions):
            grey = small.image(question.query).astype(np.float32).mean(axis=2)
            mask = (grey > grey.mean()).astype(np.uint8) * (1 + number % 255)
            Image.fromarray(mask).save(out / f"fold{fold}" / f"{number:06d}.png")
    return out


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may alter."""
    return Path(shutil.copytree(written, tmp_path / written.name))


def run(folder: Path, small: Benchmark, out: Path, **options: object) -> fsbench.Record:
    return fsbench.evaluate(f"predictions:{folder}", small, out=out, threads=1, **options)  # type: ignore[arg-type]


def refusal(folder: Path, small: Benchmark, out: Path, **options: object) -> str:
    with pytest.raises(FsbenchError) as caught:
        run(folder, small, out, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_they_count_as_the_models_own_answers(written: Path, small: Benchmark, tmp_path: Path) -> None:
    record = run(written, small, tmp_path / "results")
    assert record.folds == fsbench.evaluate(Bright(), small, out=tmp_path / "results", threads=1).folds
    assert (record.evidence, record.model.name) == ("predictions", "my-masks")
    assert record.model.weights_sha256 is not None


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "I;16"])
def test_foreground_is_what_is_not_zero_in_any_mode(folder: Path, small: Benchmark, tmp_path: Path, mode: str) -> None:
    expected = run(folder, small, tmp_path / "a", folds=0).folds
    for path in (folder / "fold0").glob("*.png"):
        mask = np.asarray(Image.open(path)) > 0
        if mode == "P":
            picture = Image.fromarray(mask.astype(np.uint8) * 7)
            picture.putpalette([0, 0, 0] * 256)
        elif mode == "I;16":
            picture = Image.fromarray(mask.astype(np.uint16) * 256)
        elif mode == "RGBA":
            picture = Image.fromarray(np.dstack([mask * 3, mask * 0, mask * 0, mask * 0 + 255]).astype(np.uint8))
        else:
            picture = Image.fromarray(mask.astype(np.uint8) * 255).convert(mode)
        picture.save(path)
    assert run(folder, small, tmp_path / "b", folds=0).folds == expected


def test_a_folder_may_hold_a_card(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    (folder / "card.json").write_text(ModelCard(name="named", prompts="text", revision="r2").model_dump_json())
    record = run(folder, small, tmp_path)
    assert (record.model.name, record.model.revision, record.model.prompts) == ("named", "r2", "text")
    (folder / "card.json").write_text("{}")
    assert "card.json: is not a model card" in refusal(folder, small, tmp_path)


def test_other_predictions_have_another_config(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    first = run(folder, small, tmp_path).model.config8
    path = folder / "fold3" / "000000.png"
    Image.fromarray(1 - (np.asarray(Image.open(path)) > 0).astype(np.uint8)).save(path)
    assert run(folder, small, tmp_path).model.config8 != first


def missing(fold: Path) -> None:
    (fold / "000004.png").unlink()


def pipe(fold: Path) -> None:
    (fold / "000003.png").unlink()
    os.mkfifo(fold / "000003.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing, "1 of 20 predictions are missing, first 000004.png"),
        (lambda fold: (fold / "000020.png").touch(), "1 files answer no episode, first 000020.png"),
        (
            lambda fold: Image.new("L", (32, 23)).save(fold / "000003.png"),
            "000003.png: is 23 x 32 (height x width), expected 24 x 32",
        ),
        (lambda fold: (fold / "000003.png").write_text("not a picture"), "000003.png: is no PNG"),
        (lambda fold: Image.new("L", (32, 24)).save(fold / "000003.png", "GIF"), "000003.png: is no PNG"),
        (pipe, "000003.png: is no regular file"),
    ],
)
def test_files_that_are_no_predictions(
    folder: Path, small: Benchmark, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder / "fold2")
    assert f"fold2{'/' if message.startswith('0') else ': '}{message}" in refusal(folder, small, tmp_path)


def test_a_limit_needs_no_later_files(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    missing(folder / "fold2")
    run(folder, small, tmp_path, limit=4)


def test_predictions_of_another_manifest(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    said = refusal(folder, small, tmp_path, seed=1, shots=1)
    assert "manifest.sha256" in said
    assert "--shots 1 --seed 1" in said
    (folder / "fold0" / "manifest.sha256").unlink()
    assert "manifest.sha256: is missing" in refusal(folder, small, tmp_path)


def test_no_such_folder(small: Benchmark, tmp_path: Path) -> None:
    assert "is no folder of predictions" in refusal(tmp_path / "none", small, tmp_path)
