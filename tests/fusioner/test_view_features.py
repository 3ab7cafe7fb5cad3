"""Frozen features and their masks, and the score that chooses weights, where photographs show several classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from fsbench.index.benchmark import Benchmark
from fsbench.training.data import TrainingData, training_data
from fsbench.training.feature_store import FeatureStore
from fsbench.training.ranks import Ranks
from fsbench.training.task import Setup
from fusioner.fusion import FusionConfig
from fusioner.model import Fusioner
from fusioner.trainer import held_out_miou
from fusioner.view_features import ViewFeatures
from fusioner.views import Views
from tests.fsbench.training.small_folder import build_folder
from tests.fusioner.small_model import SmallVisual

VIEWS = Views(32, 2, 0.3, 20)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Fold 0 tests ``ant``; 24 photographs show ``bee``, ``cat``, both, and void."""
    shows = {f"p{n:02d}": [1] if n < 4 else [[2], [3], [2, 3], [3, 2]][n % 4] for n in range(28)}
    return build_folder(tmp_path_factory.mktemp("several"), shows, {"ant": 0, "bee": 1, "cat": 1}, (36, 40), void=6)


@pytest.fixture(scope="module")
def setup(several: Benchmark) -> Iterator[Setup]:
    data = training_data(several, "0", held_out=0.3)
    with FeatureStore(several.folder / "features") as features:
        yield Setup("0", data, features, 0, torch.device("cpu"), Ranks())


def classes_of(data: TrainingData) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for sample, class_id in (*data.train, *data.held_out):
        found.setdefault(sample, []).append(class_id)
    return found


def test_each_pair_has_its_own_truth_and_the_photographs_tokens(setup: Setup) -> None:
    encoder: Any = SmallVisual()
    kept, data = ViewFeatures(setup, encoder, VIEWS), setup.data
    assert kept.grid == (4, 4)
    assert {len(ids) for ids in classes_of(data).values()} == {1, 2}
    wanted = [(pair, number) for pair in data.train for number in (1, 2)] + [(pair, 0) for pair in data.held_out]
    for (sample, class_id), number in wanted:
        image, truth = data.image(sample), data.truth(sample, class_id)
        pixels, (expected,) = VIEWS.make(number, image, [truth], data.image_sha256(sample))
        tokens, found = kept((sample, class_id), number)
        assert torch.equal(found, expected)
        torch.testing.assert_close(tokens, encoder.encode(pixels[None])[0], atol=1e-3, rtol=0)
        assert tokens.dtype == torch.float32


def test_a_mask_that_was_corrected_is_another_feature(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder: Any = SmallVisual()
    ViewFeatures(setup, encoder, VIEWS)
    before = SmallVisual.encoded
    ViewFeatures(setup, encoder, VIEWS)
    assert SmallVisual.encoded == before
    corrected, _ = setup.data.train[0]
    truth = TrainingData.truth

    def changed(self: TrainingData, sample: str, class_id: int) -> Any:
        return truth(self, sample, class_id) ^ (sample == corrected)

    monkeypatch.setattr(TrainingData, "truth", changed)
    ViewFeatures(setup, encoder, VIEWS)
    assert SmallVisual.encoded == before + VIEWS.count
    another: Any = SmallVisual("ef" * 32)
    ViewFeatures(setup, another, VIEWS)
    photographs = classes_of(setup.data)
    held_out = {sample for sample, _ in setup.data.held_out}
    everything = VIEWS.count * len(photographs.keys() - held_out) + len(held_out)
    assert SmallVisual.encoded == before + VIEWS.count + everything, "another encoder's are others"


def test_the_score_that_chooses_weights_is_the_mean_over_classes(setup: Setup) -> None:
    """Pixels of a class added up over the held-out photographs, void left out, then the mean of the classes."""
    encoder: Any = SmallVisual()
    kept, data = ViewFeatures(setup, encoder, VIEWS), setup.data
    module = Fusioner(FusionConfig(8, 6, d_model=8, layers=1, heads=2), 5).eval()
    generator = torch.Generator().manual_seed(1)
    text_of = {c.id: torch.randn(6, generator=generator) for c in data.classes}
    assert {class_id for _, class_id in data.held_out} == set(text_of)
    pixels: dict[int, list[tuple[bool, bool]]] = {class_id: [] for class_id in text_of}
    with torch.no_grad():
        score = held_out_miou(module, setup, kept, text_of, (32, 32))
        for pair in data.held_out:
            tokens, truth = kept(pair, 0)
            found: Tensor = module(tokens[None], text_of[pair[1]][None, None], (4, 4), (32, 32))[0, 0] > 0
            assert (truth == 255).any()
            for predicted, true in zip(found.flatten().tolist(), truth.flatten().tolist(), strict=True):
                if true != 255:
                    pixels[pair[1]].append((predicted, true == 1))
    ious = [sum(p and t for p, t in of) / sum(p or t for p, t in of) for of in pixels.values()]
    assert score == pytest.approx(sum(ious) / len(ious))
    assert 0.01 < score < 0.99
