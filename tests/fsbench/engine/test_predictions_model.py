"""``predictions:DIR``: answers made by any program count as a model's do, and wrong folders are refused."""

from __future__ import annotations

import os
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


@pytest.fixture
def folder(small: Benchmark, tmp_path: Path) -> Path:
    """What ``Bright`` would say to every episode of fsbench-v1, as PNGs."""
    out = tmp_path / "My Masks"
    plan = make_plan(LoadedModel.load(Bright()), small, Questions(), tmp_path)
    for fold, manifest in plan.manifests.items():
        (out / f"fold{fold}").mkdir(parents=True)
        (out / f"fold{fold}" / "manifest.sha256").write_text(manifest.sha256 + "\n")
        for number, question in enumerate(manifest.questions):
            image = small.image(question.query).astype(np.float32)
            grey = image.mean(axis=2)
            mask = (grey > grey.mean()).astype(np.uint8) * (1 + number % 255)
            Image.fromarray(mask).save(out / f"fold{fold}" / f"{number:06d}.png")
    return out


def run(folder: Path, small: Benchmark, out: Path, **options: object) -> fsbench.Record:
    return fsbench.evaluate(f"predictions:{folder}", small, out=out, threads=1, **options)  # type: ignore[arg-type]


def refusal(folder: Path, small: Benchmark, out: Path, **options: object) -> str:
    with pytest.raises(FsbenchError) as caught:
        run(folder, small, out, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_they_count_as_the_models_own_answers(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    record = run(folder, small, tmp_path / "results")
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


def test_a_card_may_lie_beside_them(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    (folder / "card.json").write_text(ModelCard(name="named", prompts="text", revision="r2").model_dump_json())
    record = run(folder, small, tmp_path)
    assert (record.model.name, record.model.revision, record.model.prompts) == ("named", "r2", "text")
    (folder / "card.json").write_text("{}")
    assert "card.json: is not a model card" in refusal(folder, small, tmp_path)


def test_other_predictions_of_one_name_have_another_place(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    first = run(folder, small, tmp_path).model.config8
    path = folder / "fold3" / "000000.png"
    Image.fromarray(1 - (np.asarray(Image.open(path)) > 0).astype(np.uint8)).save(path)
    assert run(folder, small, tmp_path).model.config8 != first


def test_a_missing_file(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    (folder / "fold2" / "000004.png").unlink()
    said = refusal(folder, small, tmp_path)
    assert "fold2" in said
    assert "1 of 20 predictions are missing, first 000004.png" in said
    run(folder, small, tmp_path, limit=4)


def test_an_extra_file(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    (folder / "fold2" / "000020.png").write_bytes(b"")
    assert "1 files answer no episode, first 000020.png" in refusal(folder, small, tmp_path)


def test_a_file_of_another_size(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    Image.new("L", (32, 23)).save(folder / "fold1" / "000003.png")
    assert "000003.png: is 23 x 32 (height x width), expected 24 x 32" in refusal(folder, small, tmp_path)


def test_a_file_that_is_no_png(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    (folder / "fold1" / "000003.png").write_text("not a picture")
    assert "000003.png" in refusal(folder, small, tmp_path)


def test_a_pipe_is_not_waited_for(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    path = folder / "fold1" / "000003.png"
    path.unlink()
    os.mkfifo(path)
    assert "000003.png: is no regular file" in refusal(folder, small, tmp_path)


def test_another_kind_of_picture(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    Image.new("L", (32, 24)).save(folder / "fold1" / "000003.png", format="GIF")
    assert "000003.png: is no PNG" in refusal(folder, small, tmp_path)


def test_predictions_of_another_manifest(folder: Path, small: Benchmark, tmp_path: Path) -> None:
    said = refusal(folder, small, tmp_path, seed=1, shots=1)
    assert "manifest.sha256" in said
    assert "--shots 1 --seed 1" in said
    (folder / "fold0" / "manifest.sha256").unlink()
    assert "manifest.sha256: is missing" in refusal(folder, small, tmp_path)


def test_no_such_folder(small: Benchmark, tmp_path: Path) -> None:
    assert "is no folder of predictions" in refusal(tmp_path / "none", small, tmp_path)
