"""The four models that only guess: each is exactly the mask that it promises."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines import background, center, foreground, random_mask
from baselines.center import disc
from fsbench.engine.outputs import as_masks
from fsbench.errors import FsbenchError
from fsbench.models.contract import Episode, Model
from fsbench.models.registry import load_model
from tests import ROOT
from tests.baselines.questions import episode, photograph, prompt, scene

MODULES = ("background", "center", "foreground", "random_mask")
GOLDEN = [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0]]
SIZES = [(1, 1), (1, 7), (9, 2), (33, 50), (50, 33)]


def asked(height: int, width: int, classes: int = 1, image_id: str = "q") -> Episode:
    supports = [prompt(scene(20, 30, 2, 3, 9, seed), name=f"class {seed}") for seed in range(classes)]
    return episode(photograph(height, width), *supports, image_id=image_id)


@pytest.mark.parametrize("module", MODULES)
def test_each_keeps_the_contract(module: str) -> None:
    """At any size, for one class and three, with and without supports, and for no episode."""
    model = import_module(f"baselines.{module}").build()
    assert isinstance(model, Model)
    assert (model.card.prompts, model.card.total_parameters) == ("none", 0)
    assert model.segment([]) == []
    questions = [asked(*size, classes) for size in SIZES for classes in (1, 3)] + [episode(photograph(5, 6), prompt())]
    for question, answer in zip(questions, model.segment(questions), strict=True):
        size, classes = (question.image.shape[1], question.image.shape[2]), len(question.prompts)
        assert answer.dtype == torch.bool
        assert answer.shape == (classes, *size)
        assert (as_masks(answer, classes, size, size) == answer.numpy()).all()


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(FsbenchError, match=r"no option 'radius': it takes none$"):
        load_model("baselines.center:build", {"radius": "2"})
    with pytest.raises(FsbenchError, match=r"no option 'p': it takes seed$"):
        load_model("baselines.random_mask:build", {"p": "2"})
    question = asked(5, 6)
    (expected,), (found,) = (
        model.segment([question])
        for model in (random_mask.build(seed=7), load_model("baselines.random_mask:build", {"seed": "7"}))
    )
    assert torch.equal(found, expected)


def test_modules_import_quickly() -> None:
    names = ", ".join(f"baselines.{m}" for m in (*MODULES, "prototype", "effnet"))
    code = f"import sys, {names}; print(sorted({{'torch', 'timm', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_background_is_nothing_and_foreground_everything() -> None:
    question = asked(4, 5, 2)
    assert not background.build().segment([question])[0].any()
    assert foreground.build().segment([question])[0].all()


@given(st.integers(1, 60), st.integers(1, 60))
def test_the_disc_holds_the_pixels_whose_centres_are_inside(height: int, width: int) -> None:
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None, :] + 0.5
    distance = np.hypot(rows - height / 2, columns - width / 2)
    radius = min(height, width) / 2
    inside = disc(height, width)
    assert inside.numpy()[distance < radius - 1e-9].all()
    assert not inside.numpy()[distance > radius + 1e-9].any()
    assert torch.equal(inside, inside.flip(0))
    assert torch.equal(inside, inside.flip(1))
    assert torch.equal(inside, disc(width, height).T)
    assert inside.any(dim=1 if height <= width else 0).all()  # it touches the nearer borders


def test_center_ignores_image_and_supports() -> None:
    a, b = center.build().segment([asked(30, 40, image_id="a"), episode(photograph(30, 40, 9), prompt(), image_id="b")])
    assert torch.equal(a, b)


def test_random_follows_its_written_rule() -> None:
    mask = torch.tensor([[0, 1, 255]], dtype=torch.uint8)
    question = episode(photograph(3, 5), prompt((photograph(1, 3), mask), name="potted plant"), image_id="t0")
    text = f"random|4|t0|potted plant|{hashlib.sha256(bytes([0, 1, 255])).hexdigest()}"
    stream = int.from_bytes(hashlib.shake_256(text.encode()).digest(2), "big")
    expected = [stream >> (15 - i) & 1 for i in range(15)]
    assert random_mask.build(seed=4).segment([question])[0].flatten().int().tolist() == expected
    question = episode(photograph(4, 4), prompt(), image_id="2007_000033")
    assert random_mask.build().segment([question])[0][0].int().tolist() == GOLDEN


def test_random_is_the_same_in_any_order_and_batch() -> None:
    model = random_mask.build()
    questions = [asked(17, 23, classes, image_id=f"q{number}") for number in range(6) for classes in (1, 2)]
    alone = {id(q): model.segment([q])[0] for q in questions}
    shuffled = random.Random(1).sample(questions, len(questions))
    for question, answer in zip(shuffled, random_mask.build().segment(shuffled), strict=True):
        assert torch.equal(answer, alone[id(question)])


def test_random_depends_on_seed_image_class_and_supports() -> None:
    picture, support, other = photograph(20, 20), scene(20, 20, 2, 2, 8), scene(20, 20, 2, 2, 9)
    answers = [
        random_mask.build(seed=seed).segment([episode(picture, question, image_id=image_id)])[0]
        for seed, image_id, question in [
            (0, "a", prompt(support)),
            (1, "a", prompt(support)),
            (0, "b", prompt(support)),
            (0, "a", prompt(support, name="dog")),
            (0, "a", prompt(other)),
            (0, "a", prompt(support, support)),
            (0, "a", prompt()),
        ]
    ]
    for i, answer in enumerate(answers):
        for later in answers[i + 1 :]:
            assert 0.35 < (answer == later).float().mean().item() < 0.65


def test_random_is_fair() -> None:
    (answer,) = random_mask.build().segment([asked(500, 500, 2)])
    assert answer.float().mean().item() == pytest.approx(0.5, abs=0.005)
    assert answer[:, :, 1:][answer[:, :, :-1]].float().mean().item() == pytest.approx(0.5, abs=0.006)
    assert (answer[0] == answer[1]).float().mean().item() == pytest.approx(0.5, abs=0.005)
