"""A model's card for its page: every field, unknown where empty, and the training of each fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fsbench.models.contract import TrainingCard
from fsbench.records.recorded_model import same_model
from leaderboard.boards import Row
from leaderboard.tables import SEEN, any_seen

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


def card_view(rows: Sequence[Row]) -> dict[str, Any]:
    """The card of a model from all its records: the first one's, with the training of each fold from the first to tell.

    ``fields`` and the ``facts`` of each training: name -> text; ``url``: as given, so it may only be linked through
    ``web_link``; ``seen``: what -> yes, unknown or no of any checkpoint; ``remarks``: contradictions between records.
    """
    entries = [entry for row in rows for entry in row.entries]
    model = entries[0].record.model
    training: dict[str, TrainingCard] = {}
    for entry in entries:
        for fold, card in entry.record.model.training.items():
            training.setdefault(fold, card)
        for fold in entry.record.folds:
            if "*" not in training and fold not in entry.record.model.training:
                training.setdefault(fold, TrainingCard())
    differ = {}
    for entry in entries[1:]:  # a model may be contaminated on one benchmark and not on another
        other = entry.record.model.model_copy(update={"contaminated": model.contaminated})
        differ[entry.place] = same_model(model, other)
    numbers = (model.trained_parameters, model.total_parameters)
    trained, total = ("unknown" if n is None else f"{n:,}".replace(",", " ") for n in numbers)
    per_fold = any(card.checkpoint_sha256 for card in model.training.values())
    return {
        "fields": {
            "revision": model.revision,
            "configuration": f"{model.config8} (hash of options, precision and weights)",
            "prompts": PROMPTS[model.prompts],
            "parameters": f"{trained} trained, {total} in all",
            "licence": model.licence,
            "weights SHA-256": model.weights_sha256 or ("one checkpoint per fold" if per_fold else "unknown"),
            "options": ", ".join(f"{key}={value}" for key, value in sorted(model.options.items())) or "none",
            "precision": model.precision,
            "called as": model.spec or "unknown, or made in Python",
            "offline example": "yes: kept off every main ranking" if model.example else "no",
        },
        "url": model.url,
        "trainings": _trainings(training),
        "seen": {what: any_seen(training.values(), field) for field, what in SEEN.items()},
        "remarks": [
            f"{place} says something else of {field}; shown is what {entries[0].place} says."
            for place, field in differ.items()
            if field is not None
        ][:20],
    }


def _trainings(training: dict[str, TrainingCard]) -> list[dict[str, Any]]:
    """The training of each fold; folds with equal cards share one."""
    folds: dict[TrainingCard, list[str]] = {}
    for fold, card in sorted(training.items()):
        folds.setdefault(card, []).append(fold)
    return [
        {
            "folds": "all folds" if "*" in names else f"fold{'s' * (len(names) > 1)} {', '.join(names)}",
            "facts": {name: getattr(card, field) or "unknown" for field, name in FACTS.items()},
            "classes": card.training_classes,
        }
        for card, names in folds.items()
    ]
