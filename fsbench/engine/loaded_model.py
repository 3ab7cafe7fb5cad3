"""A model that is to be evaluated: who answers for each fold, its card, and whether it may be asked at all."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fsbench.engine.answers import AnswerSource, ModelAnswers, PredictionAnswers, answers_of
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import FoldLists
from fsbench.io.files import sha256_file
from fsbench.models.contract import Model, ModelCard, TrainingCard
from fsbench.models.registry import check_model
from fsbench.records.recorded_model import RecordedModel, config8


@dataclass(frozen=True)
class LoadedModel:
    """A model to be evaluated: its spec, options, and who answers; per fold where the spec holds ``{fold}``."""

    spec: str
    options: Mapping[str, str]
    single: AnswerSource | None
    made_here: bool = False

    @classmethod
    def load(cls, model: str | Model, options: Mapping[str, str] | None = None) -> LoadedModel:
        """Load a model by its spec, or wrap an object made in Python. Raises FsbenchError as ``answers_of``."""
        options = dict(options or {})
        if not isinstance(model, str):
            if options:
                raise FsbenchError("options go with a model's name; give them to the model you made yourself")
            name = type(model).__name__
            return cls(name, options, ModelAnswers(check_model(name, model)), made_here=True)
        return cls(model, options, None if "{fold}" in model else answers_of(model, options))

    def answers(self, fold: str) -> AnswerSource:
        """The answers for ``fold``."""
        of_spec = self.spec.replace("{fold}", fold)
        found = answers_of(of_spec, self.options) if self.single is None else self.single
        return replace(found, fold=fold) if isinstance(found, PredictionAnswers) else found


SYNONYMS = {"couch": "sofa", "motorcycle": "motorbike", "television": "tv"}
"""Class names of COCO and other data sets that mean a class of PASCAL VOC, besides its key and its name here."""


def default_shots(card: ModelCard, beside_masks: bool) -> int:
    """1 for mask prompts, else 0; a model that needs no prompt gets the shots of those evaluated with it."""
    return int(card.prompts in ("mask", "both") or (card.prompts == "none" and beside_masks))


def check_shots(card: ModelCard, shots: int) -> None:
    """Raise FsbenchError where a model that needs masks is asked with none."""
    if shots == 0 and card.prompts in ("mask", "both"):
        raise FsbenchError(f"model {card.name} needs support masks, but is asked with 0 shots: use -k 1 or more")


def joined_card(loaded: LoadedModel, answers: Mapping[str, AnswerSource]) -> ModelCard:
    """The one card; where there is a checkpoint per fold, with the training of each fold under its name."""
    cards = {fold: of_fold.card for fold, of_fold in answers.items()}
    first_fold, first = next(iter(cards.items()))
    if loaded.single is not None:
        return first
    for fold, card in cards.items():
        for name, value in card:
            if name not in ("training", "weights_sha256") and value != getattr(first, name):
                raise FsbenchError(
                    f"model {loaded.spec}: {name} is {getattr(first, name)!r} for fold {first_fold} but "
                    f"{value!r} for fold {fold}: one model has one card, but for its training and weights"
                )
    training = {fold: _of_fold(card, fold) for fold, card in cards.items()}
    return first.model_copy(update={"training": training, "weights_sha256": None})


def _of_fold(card: ModelCard, fold: str) -> TrainingCard:
    """A fold's training, with the weights that made its answers."""
    training = card.training.get(fold) or card.training.get("*") or TrainingCard()
    return training.model_copy(update={"checkpoint_sha256": training.checkpoint_sha256 or card.weights_sha256})


def recorded_model(loaded: LoadedModel, card: ModelCard, contaminated: bool) -> RecordedModel:
    options = dict(sorted(loaded.options.items()))
    apart = {"template": loaded.spec} if loaded.single is None else _code(loaded.single, card)
    name = config8(options, "float32", card.weights_sha256, apart)
    spec = None if loaded.made_here else loaded.spec
    fields = {**card.model_dump(), "options": options, "precision": "float32", "config8": name, "spec": spec}
    return RecordedModel(**fields, contaminated=contaminated)


def _code(answers: AnswerSource, card: ModelCard) -> dict[str, str]:
    """What distinguishes two models of one name whose cards name no weights: the class and the file of its code."""
    if card.weights_sha256 is not None or not isinstance(answers, ModelAnswers):
        return {}
    kind = type(answers.model)
    source = getattr(sys.modules.get(kind.__module__), "__file__", None)
    known = source is not None and Path(source).is_file()
    return {"class": kind.__qualname__, "code": sha256_file(Path(source)) if known and source else "unknown"}


def check_contamination(card: ModelCard, lists: FoldLists, folds: Sequence[str], accepted: bool) -> bool:
    """Whether training classes meet a tested fold's; raises FsbenchError for that unless it was accepted."""

    def plain(name: str) -> str:
        words = " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
        return SYNONYMS.get(words, words)

    for fold in folds:
        training = card.training.get(fold) or card.training.get("*")
        trained = {plain(name) for name in training.training_classes} if training else set()
        tested = (lists.classes[class_id] for class_id in lists.folds[fold])
        met = [c.key for c in tested if plain(c.key) in trained or plain(c.name) in trained]
        if met and not accepted:
            raise FsbenchError(
                f"model {card.name} was trained on classes of fold {fold} ({', '.join(met[:5])}), which it is tested "
                "on: choose another checkpoint, or mark the record with --contaminated"
            )
        if met:
            return True
    return False
