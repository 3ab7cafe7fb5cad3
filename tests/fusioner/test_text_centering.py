"""Class names as vectors: centred, of length 1, and independent of one another."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from fusioner.encoders import PromptSet, class_embeddings
from fusioner.text_centering import ClassVectors
from tests.fusioner.small_model import SmallText

PROMPTS = PromptSet("two", ("{}", "a {}"))
TRAINED = ("cat", "dog", "sofa", "train")


def test_the_mean_of_the_training_classes_is_subtracted() -> None:
    encoder = SmallText()
    plain, centred = ClassVectors(encoder, PROMPTS), ClassVectors(encoder, PROMPTS, TRAINED)
    mean = class_embeddings(encoder, TRAINED, PROMPTS).mean(0)
    for name in (*TRAINED, "novel"):
        (alone,) = class_embeddings(encoder, [name], PROMPTS)
        assert torch.equal(plain(name), alone)
        torch.testing.assert_close(centred(name), normalize(alone - mean, dim=0))
        for vector in (plain(name), centred(name)):
            assert (vector.dtype, tuple(vector.shape)) == (torch.float32, (6,))
            assert float(vector.norm()) == pytest.approx(1, abs=1e-6)
    least = [
        float(cosine_similarity(of[:, None], of[None], dim=-1).min())
        for of in (torch.stack([vectors(name) for name in TRAINED]) for vectors in (plain, centred))
    ]
    assert least[0] > 0.3 > 0 > least[1]


def test_a_vector_does_not_depend_on_the_names_before_it() -> None:
    names = (*TRAINED, "novel", "other")
    forward, backward = (ClassVectors(SmallText(), PROMPTS, TRAINED) for _ in range(2))
    one = {name: forward(name) for name in names}
    assert all(torch.equal(backward(name), one[name]) for name in reversed(names))
    torch.testing.assert_close(ClassVectors(SmallText(), PROMPTS, TRAINED[::-1])("novel"), one["novel"])


def test_a_name_is_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SmallText, "embedded", [])
    vectors = ClassVectors(SmallText(), PROMPTS)
    for name in ("cat", "dog", "cat", "cat"):
        vectors(name)
    assert SmallText.embedded == ["cat", "a cat", "dog", "a dog"]
