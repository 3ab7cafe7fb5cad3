"""A model's card, ready for its page: every field, unknown where nothing is said, training side by side by fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fsbench.models.contract import TrainingCard
from fsbench.records.record import RecordedModel, same_model
from leaderboard.boards import Row
from leaderboard.tables import SEEN

PROMPTS = {
    "none": "none: it is asked without a prompt",
    "text": "the class name",
    "mask": "support photographs with masks",
    "both": "the class name, and support photographs with masks",
}

FACTS = {
    "training_data": "training data",
    **{field: f"{what} seen" for field, what in SEEN.items()},
    "novel_images_dropped": "training images with novel classes dropped",
    "checkpoint_selected_by": "checkpoint selected by",
    "threshold_selected_by": "threshold selected by",
    "checkpoint_sha256": "checkpoint SHA-256",
}
"""Field of a training card -> what the page calls it."""


@dataclass(frozen=True)
class Training:
    """What is said of the checkpoint of one fold, or of several of which the same is said.

    ``facts``: name -> text; ``classes``: the training classes.
    """

    folds: str
    facts: dict[str, str]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class CardView:
    """``fields``: name -> text; ``url``: as given, to be linked only if it may be; ``seen``:
    what -> yes, unknown or no of any checkpoint; ``remarks``: what contradicts.
    """

    fields: dict[str, str]
    url: str | None
    trainings: tuple[Training, ...]
    seen: dict[str, str]
    remarks: tuple[str, ...]


def card_view(rows: Sequence[Row]) -> CardView:
    """The card of a model from all its records: as the first has it, training of each fold from the first to tell."""
    entries = [entry for row in rows for entry in row.entries]
    model = entries[0].record.model
    training: dict[str, TrainingCard] = {}
    for entry in entries:
        for fold, said in entry.record.model.training.items():
            training.setdefault(fold, said)
        for fold in entry.record.folds:
            if "*" not in training and fold not in entry.record.model.training:
                training.setdefault(fold, TrainingCard())
    differ = {entry.place: _differs(model, entry.record.model) for entry in entries[1:]}
    remarks = [
        f"{place} says something else of {field}; shown is what {entries[0].place} says."
        for place, field in differ.items()
        if field is not None
    ]
    options = ", ".join(f"{key}={value}" for key, value in sorted(model.options.items()))
    return CardView(
        fields={
            "revision": model.revision,
            "configuration": f"{model.config8} (hash of options, precision and weights)",
            "prompts": PROMPTS[model.prompts],
            "parameters": f"{_number(model.trained_parameters)} trained, {_number(model.total_parameters)} in all",
            "licence": model.licence,
            "weights SHA-256": model.weights_sha256 or ("one checkpoint per fold" if _per_fold(model) else "unknown"),
            "options": options or "none",
            "precision": model.precision,
            "called as": model.spec or "unknown, or made in Python",
            "offline example": "yes: kept off every main ranking" if model.example else "no",
        },
        url=model.url,
        trainings=tuple(_trainings(training)),
        seen={what: _any([getattr(said, field) for said in training.values()]) for field, what in SEEN.items()},
        remarks=tuple(remarks[:20]),
    )


def _differs(a: RecordedModel, b: RecordedModel) -> str | None:
    """The field in which two cards of one model differ; whether it is contaminated is a matter of what is tested."""
    return same_model(a, b.model_copy(update={"contaminated": a.contaminated}))


def _any(told: Sequence[str]) -> str:
    """Unknown is never taken for no."""
    return "yes" if "yes" in told else "unknown" if "unknown" in told or not told else "no"


def _number(parameters: int | None) -> str:
    return "unknown" if parameters is None else f"{parameters:,}".replace(",", " ")


def _per_fold(model: RecordedModel) -> bool:
    return any(card.checkpoint_sha256 for card in model.training.values())


def _trainings(training: dict[str, TrainingCard]) -> list[Training]:
    """By fold, those of which the same is said together."""
    folds: dict[TrainingCard, list[str]] = {}
    for fold, said in sorted(training.items()):
        folds.setdefault(said, []).append(fold)
    return [Training(_named(of_card), _facts(said), said.training_classes) for said, of_card in folds.items()]


def _named(folds: Sequence[str]) -> str:
    if "*" in folds:
        return "all folds"
    return f"fold {folds[0]}" if len(folds) == 1 else f"folds {', '.join(folds)}"


def _facts(said: TrainingCard) -> dict[str, str]:
    return {name: getattr(said, field) or "unknown" for field, name in FACTS.items()}
