"""A trained Fusioner in ``segment``: order, sharing of features, several classes, windows, ``joint``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.models.contract import Episode, Prompt
from fusioner.segmenter import Segmenter, build
from fusioner.views import Views
from fusioner.windows import Tiling
from tests.fusioner.small_model import SmallVisual, small_encoders, small_recipe, train

NAMES = ("thing 02", "thing 03")


@pytest.fixture(scope="module")
def windowed(small: Benchmark, features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with windows of 16 pixels."""
    plan = small_recipe(looking=Tiling("windows", 16, 11), views=Views(16, 1, 0.3, 0, kind="square"), cut=(0.0, 0, 0))
    return train(small, tmp_path_factory.mktemp("windowed"), replace(plan, epochs=1), features=features)


@pytest.fixture(params=["square", "windows"])
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue("trained" if request.param == "square" else "windowed"))


@pytest.fixture
def model(folder: Path) -> Iterator[Segmenter]:
    with small_encoders():
        yield Segmenter(folder)


def episode(image: int, *names: str, size: tuple[int, int] = (24, 32)) -> Episode:
    pixels = torch.randint(256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(image))
    return Episode(pixels, f"image {image}", tuple(Prompt(name, (), ()) for name in names))


def answers(model: Segmenter, *episodes: Episode) -> list[Tensor]:
    with torch.inference_mode():
        return [answer.clone() for answer in model.segment(episodes)]


def test_answers_come_in_order_and_each_photograph_is_encoded_once(model: Segmenter) -> None:
    episodes = [
        episode(1, "thing 02"),
        episode(1, "thing 03"),
        episode(1, "thing 02", "other"),
        episode(2, "thing 03", size=(40, 20)),
        episode(1, "other", "thing 03"),
    ]
    SmallVisual.encoded = 0
    batched = answers(model, *episodes)
    shared = SmallVisual.encoded
    alone = [answers(model, one)[0] for one in episodes]
    assert SmallVisual.encoded - shared > shared
    for one, a, b in zip(episodes, batched, alone, strict=True):
        assert a.dtype == torch.float32
        assert a.shape == (len(one.prompts), *one.image.shape[1:])
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(batched[0], batched[1]), "classes differ"
    assert not torch.allclose(batched[0][0], answers(model, episode(3, "thing 02"))[0][0]), "photographs differ"


def test_several_classes_are_the_same_classes_one_by_one(model: Segmenter) -> None:
    names = ("thing 03", "other", "thing 02", "a fourth")
    (several,) = answers(model, episode(4, *names, size=(37, 45)))
    for place, name in enumerate(names):
        (one,) = answers(model, episode(4, name, size=(37, 45)))
        torch.testing.assert_close(several[place], one[0], atol=1e-5, rtol=1e-5)
    (turned,) = answers(model, episode(4, *names[::-1], size=(37, 45)))
    torch.testing.assert_close(several.flip(0), turned, atol=1e-5, rtol=1e-5)
    (twice,) = answers(model, episode(4, "other", "other", size=(37, 45)))
    assert torch.equal(twice[0], twice[1])


@pytest.mark.parametrize("size", [(1, 1), (17, 40), (90, 7)])
def test_photographs_of_any_size_are_answered_at_their_own(model: Segmenter, size: tuple[int, int]) -> None:
    (answer,) = answers(model, episode(5, *NAMES, size=size))
    assert answer.shape == (2, *size)
    assert torch.isfinite(answer).all()
    assert float(answer.abs().max()) <= 1 / 0.07 + 1e-4, "a cosine over the temperature"


def test_joint_asks_all_classes_of_the_fold_whatever_is_asked(folder: Path) -> None:
    with small_encoders():
        joint, plain = build(str(folder), joint=True), build(str(folder))
        assert joint.card.name == plain.card.name + "-joint"
        assert joint.card.weights_sha256 == plain.card.weights_sha256
        (both,) = answers(joint, episode(7, *NAMES))
        (turned,) = answers(joint, episode(7, *NAMES[::-1]))
        assert torch.equal(both.flip(0), turned)
        for place, name in enumerate(NAMES):
            assert torch.equal(answers(joint, episode(7, name))[0][0], both[place])
        assert not torch.allclose(answers(plain, episode(7, *NAMES))[0], both), "classes see one another"
        with pytest.raises(FsbenchError, match=r"'thing 00' is none of the fold's classes.*leave the option joint"):
            answers(joint, episode(8, "thing 02", "thing 00"))


def test_bf16_is_used_where_it_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By encoder and fusion; logits are float32, and the masks mostly those of float32, which is the default."""
    with small_encoders():
        plain, mixed = build(str(folder)), build(str(folder), precision="bf16")
    fused: list[torch.dtype] = []
    encoded: list[bool] = []
    encode = SmallVisual.encode
    monkeypatch.setattr(
        SmallVisual, "encode", lambda self, x: (encoded.append(torch.is_autocast_enabled("cpu")), encode(self, x))[1]
    )
    for model in (plain, mixed):
        model._model.fusion.visual_proj[1].register_forward_hook(lambda *given: fused.append(given[2].dtype))
    asked = [episode(number, *NAMES) for number in range(6)]
    expected, found = answers(plain, *asked), answers(mixed, *asked)
    half = len(fused) // 2
    assert fused == [torch.float32] * half + [torch.bfloat16] * half
    assert encoded == [False] * half + [True] * half
    assert {answer.dtype for answer in found} == {torch.float32}
    assert not torch.equal(found[0], expected[0])
    agree = [((a > 0) == (b > 0)).float().mean() for a, b in zip(expected, found, strict=True)]
    assert float(torch.stack(agree).mean()) > 0.9


def test_a_run_in_a_home_folder_is_found(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(trained, tmp_path / "run" / "fold1")
    with small_encoders():
        assert build("~/run/fold1").card.name.startswith("fusioner-")
        with pytest.raises(FsbenchError, match="is missing: expected the folder of a fold"):
            build("~/run")
