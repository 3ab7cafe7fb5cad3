"""Class names as vectors: centred, of length 1, and nobody's business but the name's."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from fusioner.encoders import PromptSet, class_embeddings
from fusioner.text_centering import Words
from tests.fusioner.small_model import TinyText

PROMPTS = PromptSet("two", ("{}", "a {}"))
TRAINED = ("cat", "dog", "sofa", "train")


def test_uncentred_words_are_the_ensembles_vector() -> None:
    encoder = TinyText()
    words = Words(encoder, PROMPTS)
    for name in TRAINED:
        assert torch.equal(words(name), class_embeddings(encoder, [name], PROMPTS)[0])


def test_the_mean_of_the_training_classes_is_taken_away() -> None:
    encoder = TinyText()
    words = Words(encoder, PROMPTS, TRAINED)
    mean = class_embeddings(encoder, TRAINED, PROMPTS).mean(0)
    for name in (*TRAINED, "novel"):
        expected = normalize(class_embeddings(encoder, [name], PROMPTS)[0] - mean, dim=0)
        torch.testing.assert_close(words(name), expected)
    centred = torch.stack([words(name) for name in TRAINED])
    plain = class_embeddings(encoder, TRAINED, PROMPTS)
    assert float(cosine_similarity(plain[:, None], plain[None], dim=-1).min()) > 0.3
    assert float(cosine_similarity(centred[:, None], centred[None], dim=-1).min()) < 0


@pytest.mark.parametrize("centred_on", [(), TRAINED])
def test_each_is_float32_of_length_one(centred_on: tuple[str, ...]) -> None:
    words = Words(TinyText(), PROMPTS, centred_on)
    for name in (*TRAINED, "novel", "pot plant"):
        assert words(name).dtype == torch.float32
        assert words(name).shape == (6,)
        assert float(words(name).norm()) == pytest.approx(1, abs=1e-6)


def test_a_word_does_not_depend_on_which_were_asked_before() -> None:
    names = (*TRAINED, "novel", "other")
    forward, backward, alone = (Words(TinyText(), PROMPTS, TRAINED) for _ in range(3))
    one = {name: forward(name) for name in names}
    other = {name: backward(name) for name in reversed(names)}
    assert all(torch.equal(one[name], other[name]) for name in names)
    assert torch.equal(alone("other"), one["other"])
    torch.testing.assert_close(Words(TinyText(), PROMPTS, TRAINED[::-1])("novel"), one["novel"])


def test_a_name_is_embedded_once() -> None:
    encoder = TinyText()
    words = Words(encoder, PROMPTS)
    for name in ("cat", "dog", "cat", "cat"):
        words(name)
    assert encoder.embedded == ["cat", "a cat", "dog", "a dog"]
