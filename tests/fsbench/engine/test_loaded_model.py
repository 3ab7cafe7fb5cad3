"""Who is evaluated: shots by default, contamination by any spelling, and a checkpoint per fold."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fsbench.benchmarks.pascal.pascal5i import published_lists
from fsbench.engine.answers import ModelAnswers, PredictionAnswers
from fsbench.engine.loaded_model import (
    LoadedModel,
    check_contamination,
    check_shots,
    default_shots,
    joined_card,
    recorded_model,
)
from fsbench.errors import FsbenchError, ModelError
from fsbench.index.benchmark import Benchmark
from fsbench.models.contract import ModelCard, Prompts, TrainingCard
from fsbench.records.record import Record
from fsbench.records.recorded_model import config8
from tests.fsbench.engine.test_evaluate import run
from tests.fsbench.sample_models import Bright, Masked

PASCAL = published_lists()

MODELS = '''
import torch
from fsbench import ModelCard, TrainingCard


class PerFold:
    """A checkpoint of the fold that its path ends with."""

    def __init__(self, path: str, everywhere: bool) -> None:
        fold = path[-1]
        training = TrainingCard(checkpoint_sha256=fold * 64, training_classes=(f"class of {fold}",))
        own = {"*": training} if everywhere else {fold: training, "9": TrainingCard()}
        self.card = ModelCard(name="perfold", prompts="none", weights_sha256=f"w{fold}", training=own)

    def segment(self, episodes):
        return [torch.ones(1, 1, 1) for _ in episodes]


def fold0(everywhere: bool = False):
    return PerFold("fold0", everywhere)


def fold1(everywhere: bool = False):
    return PerFold("fold1", everywhere)
'''


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module ``foldmodels`` in the current folder."""
    (tmp_path / "foldmodels.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    yield
    sys.modules.pop("foldmodels", None)


@pytest.mark.parametrize(
    ("prompts", "alone", "beside_masks"), [("mask", 1, 1), ("both", 1, 1), ("text", 0, 0), ("none", 0, 1)]
)
def test_shots_by_default(prompts: Prompts, alone: int, beside_masks: int) -> None:
    card = ModelCard(name="m", prompts=prompts)
    assert default_shots(card, beside_masks=False) == alone
    assert default_shots(card, beside_masks=True) == beside_masks
    for shots in (alone, 1, 5):
        check_shots(card, shots)
    if prompts in ("mask", "both"):
        with pytest.raises(FsbenchError, match="model m needs support masks, but is asked with 0 shots: use -k 1"):
            check_shots(card, 0)


def test_the_record_of_an_evaluation_has_the_default_shots(small: Benchmark, tmp_path: Path) -> None:
    few = {"folds": "0", "limit": 1}
    assert run(Bright(), small, tmp_path, **few).shots == 0
    assert run(Masked(), small, tmp_path, **few).shots == 1
    assert run(Bright(), small, tmp_path, shots=2, **few).shots == 2


def contaminated(classes: tuple[str, ...], fold: str, accepted: bool = False, under: str = "*") -> bool:
    card = ModelCard(name="m", prompts="text", training={under: TrainingCard(training_classes=classes)})
    return check_contamination(card, PASCAL, (fold,), accepted)


@pytest.mark.parametrize(
    ("spelling", "fold"),
    [
        *((name, "0") for name in ("aeroplane", "airplane", "AIRPLANE")),
        *((name, "2") for name in ("diningtable", "dining table", "dining_table", "Dining-Table")),
        *((name, "3") for name in ("tvmonitor", "tv", "potted_plant", "pottedplant", " potted  plant ")),
    ],
)
def test_contamination_is_found_by_any_spelling(spelling: str, fold: str) -> None:
    with pytest.raises(FsbenchError, match=rf"model m was trained on classes of fold {fold} \(.*--contaminated"):
        contaminated(("tree", spelling), fold)
    assert contaminated(("tree", spelling), fold, accepted=True) is True
    for other in {*PASCAL.folds} - {fold}:
        assert contaminated(("tree", spelling), other) is False


def test_the_training_of_the_tested_fold_is_what_counts() -> None:
    assert contaminated(("bus",), "0", under="1") is False
    assert contaminated(("bus",), "1", under="0") is False
    with pytest.raises(FsbenchError, match=r"fold 1 \(bus, cat\), which it is tested on"):
        contaminated(("cat", "bus", "dog", "cart", "ca"), "1", under="1")
    own_beats_all = {"*": TrainingCard(training_classes=("bus",)), "1": TrainingCard(training_classes=("dog",))}
    card = ModelCard(name="m", prompts="text", training=own_beats_all)
    assert check_contamination(card, PASCAL, ("1",), accepted=False) is False


def test_every_tested_fold_is_checked() -> None:
    card = ModelCard(name="m", prompts="text", training={"*": TrainingCard(training_classes=("tvmonitor",))})
    assert check_contamination(card, PASCAL, ("0", "1", "2"), accepted=False) is False
    with pytest.raises(FsbenchError, match="fold 3"):
        check_contamination(card, PASCAL, ("0", "1", "2", "3"), accepted=False)
    assert check_contamination(card, PASCAL, ("0", "1", "2", "3"), accepted=True) is True
    assert check_contamination(ModelCard(name="m", prompts="text"), PASCAL, tuple(PASCAL.folds), False) is False


def test_contamination_marks_the_record(small: Benchmark, tmp_path: Path) -> None:
    model = Bright()
    training = {"*": TrainingCard(training_classes=("Thing 02",))}
    model.card = ModelCard(name="bright", prompts="none", training=training)

    def marked(fold: str, accepted: bool) -> bool:
        out = tmp_path / f"{fold}{accepted}"
        return run(model, small, out, folds=fold, limit=1, contaminated=accepted).model.contaminated

    assert marked("0", False) is False
    assert marked("0", True) is False
    with pytest.raises(FsbenchError, match=r"fold 1 \(thing_02\)"):
        marked("1", False)
    assert marked("1", True) is True


def test_a_model_made_in_python_takes_no_options() -> None:
    loaded = LoadedModel.load(Bright())
    assert isinstance(loaded.single, ModelAnswers)
    assert loaded.answers("0") is loaded.answers("1") is loaded.single
    assert loaded.spec == "Bright"
    with pytest.raises(FsbenchError, match="options go with a model's name"):
        LoadedModel.load(Bright(), {"size": "3"})
    with pytest.raises(ModelError, match="object has no segment"):
        LoadedModel.load(object())  # type: ignore[arg-type]


def test_a_template_makes_a_model_per_fold_and_joins_their_cards(models: None) -> None:
    loaded = LoadedModel.load("foldmodels:fold{fold}")
    assert loaded.single is None
    once = LoadedModel.load("foldmodels:fold0")
    assert once.answers("0") is once.answers("1") is once.single
    answers = {fold: loaded.answers(fold) for fold in ("0", "1")}
    assert [answers[fold].card.weights_sha256 for fold in answers] == ["w0", "w1"]
    card = joined_card(loaded, answers)
    assert {fold: training.training_classes for fold, training in card.training.items()} == {
        "0": ("class of 0",),
        "1": ("class of 1",),
    }
    assert [card.training[fold].checkpoint_sha256 for fold in "01"] == ["0" * 64, "1" * 64]
    assert card.weights_sha256 is None
    with pytest.raises(FsbenchError, match="model foldmodels:fold2: foldmodels has no 'fold2'"):
        loaded.answers("2")


def test_a_templates_options_go_to_every_fold(models: None) -> None:
    loaded = LoadedModel.load("foldmodels:fold{fold}", {"everywhere": "true"})
    for fold in "01":
        assert set(loaded.answers(fold).card.training) == {"*"}
    card = joined_card(loaded, {fold: loaded.answers(fold) for fold in "01"})
    assert [card.training[fold].training_classes for fold in "01"] == [("class of 0",), ("class of 1",)]
    plain = LoadedModel.load("foldmodels:fold{fold}")
    assert set(plain.answers("0").card.training) == {"0", "9"}
    assert set(joined_card(plain, {"0": plain.answers("0")}).training) == {"0"}


def test_other_weights_of_a_fold_make_another_card() -> None:
    """Else a record of the old weights would be taken for one of the new."""

    def answers(**card: str) -> ModelAnswers:
        model = Bright()
        model.card = model.card.model_copy(update=card)
        return ModelAnswers(model)

    def joined(**card: str) -> ModelCard:
        return joined_card(LoadedModel("run{fold}", {}, None), {"0": answers(), "1": answers(**card)})

    assert joined(weights_sha256="w0") == joined(weights_sha256="w0")
    assert joined(weights_sha256="w0") != joined(weights_sha256="w1")
    with pytest.raises(FsbenchError, match=r"model run\{fold\}: licence is 'unknown' for fold 0 but 'mine' for fold 1"):
        joined(licence="mine")


def test_a_template_stands_for_the_fold_in_predictions_too(tmp_path: Path) -> None:
    for fold in "01":
        (tmp_path / f"run{fold}").mkdir()
    template = LoadedModel.load(f"predictions:{tmp_path}/run{{fold}}")
    for fold in "01":
        answers = template.answers(fold)
        assert isinstance(answers, PredictionAnswers)
        assert (answers.folder, answers.fold) == (tmp_path / f"run{fold}", fold)
    plain = LoadedModel.load(f"predictions:{tmp_path}/run0").answers("1")
    assert isinstance(plain, PredictionAnswers)
    assert (plain.folder, plain.fold) == (tmp_path / "run0", "1")


def test_folds_of_a_template_may_run_one_by_one(models: None, small: Benchmark, tmp_path: Path) -> None:
    def folds(out: str, *names: str) -> Record:
        return run("foldmodels:fold{fold}", small, tmp_path / out, folds=names, limit=2)

    at_once = folds("at once", "0", "1")
    folds("apart", "0")
    apart = folds("apart", "1")
    free = {"timings", "environment"}
    assert apart.model_dump(exclude=free) == at_once.model_dump(exclude=free)


def config(options: Mapping[str, str], weights: str | None = None, spec: str = "spec", template: bool = False) -> str:
    single = None if template else ModelAnswers(Bright())
    card = ModelCard(name="m", prompts="none", weights_sha256=weights)
    return recorded_model(LoadedModel(spec, options, single), card, contaminated=False).config8


def test_config8_is_one_per_configuration() -> None:
    configurations = [
        *(config(options) for options in ({}, {"size": "3"}, {"size": "4"}, {"size": "3", "fast": "true"})),
        *(config({}, weights=weights) for weights in ("w0", "w1")),
        config({"size": "3"}, weights="w0"),
        *(config({}, spec=spec, template=True) for spec in ("runs/{fold}", "other/{fold}")),
    ]
    assert len(set(configurations)) == len(configurations)
    assert config({"b": "1", "a": "2"}) == config({"a": "2", "b": "1"})
    assert config({}, spec="one name") == config({}, spec="another")
    assert config8({}, "float32", None, {}) == "f4e705ce"
