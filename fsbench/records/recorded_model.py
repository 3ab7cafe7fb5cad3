"""The model of a record: its card, its configuration, and whether two records are of one model."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fsbench.io.field_types import MOST_FOLDS, MOST_TRAINING_CLASSES, OptionName, Text
from fsbench.io.files import sha256_text
from fsbench.models.contract import ModelCard


class RecordedModel(ModelCard):
    """The model's card and its configuration. ``config8``: the hash in the record's path; ``spec``: the ``--model``,
    null for a model made in Python.
    """

    spec: Text | None = None
    options: Annotated[dict[OptionName, Text], Field(max_length=100)]
    precision: Literal["float32"]
    config8: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    contaminated: bool

    @model_validator(mode="after")
    def _is_bounded(self) -> RecordedModel:
        if len(self.training) > MOST_FOLDS + 1:
            raise ValueError(f"training has {len(self.training)} entries, expected at most {MOST_FOLDS + 1}")
        if max(self.trained_parameters or 0, self.total_parameters or 0) >= 2**63:
            raise ValueError("more than 2^63 parameters")
        for fold, training in self.training.items():
            if len(fold) > 40:
                raise ValueError(f"training names a fold of {len(fold)} characters, expected at most 40")
            number = len(training.training_classes)
            if number > MOST_TRAINING_CLASSES:
                raise ValueError(f"training names {number} classes, expected at most {MOST_TRAINING_CLASSES}")
            if len(training.checkpoint_sha256 or "") > 400:
                raise ValueError("training has a checkpoint_sha256 of more than 400 characters")
        return self


def same_model(a: RecordedModel, b: RecordedModel) -> str | None:
    """The first field in which two models differ, None if they are the same; training is compared on shared folds.

    ``spec`` is not compared: checkpoints of folds may have different paths.
    """
    shared = a.training.keys() & b.training.keys()
    for name, value in a:
        other = getattr(b, name)
        if name == "spec":
            continue
        if name == "training":
            value, other = ({fold: training[fold] for fold in shared} for training in (value, other))
        if value != other:
            return name
    return None


def joined_model(a: RecordedModel, b: RecordedModel) -> RecordedModel:
    """The model of a record whose folds were run one by one, each with its own checkpoint."""
    return a.model_copy(update={"training": dict(sorted({**a.training, **b.training}.items()))})


def config8(options: dict[str, str], precision: str, weights_sha256: str | None, extra: dict[str, Any]) -> str:
    """The first 8 hex digits of the hash of options, precision, weights and ``extra``."""
    values = {"options": options, "precision": precision, "weights": weights_sha256, **extra}
    return sha256_text(json.dumps(values, sort_keys=True))[:8]
