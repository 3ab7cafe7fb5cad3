"""A trained Fusioner on disk: ``RUN/fold{f}/`` with ``model.safetensors``, whose header describes it, and its card.

No weight of a frozen encoder is in it: their names and digests are, and they must match where it is used. Nothing is
unpickled, and the file is untrusted. With ``training.json``, weights and card must be the ones it names. Without it,
the card's digest still proves the weights, but nothing proves the card.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_file
from fsbench.io.typed_json import read_typed
from fsbench.io.untrusted import joined, plain
from fsbench.models.contract import ModelCard
from fsbench.training.report import CARD, CHECKPOINT, REPORT, Sha256, check_finished
from fsbench.training.tensors import read_tensors
from fusioner.fusion import FusionConfig
from fusioner.windows import Tiling

if TYPE_CHECKING:
    from torch import Tensor

    from fusioner.model import Fusioner

SCHEMA: Literal["fusioner-checkpoint/1"] = "fusioner-checkpoint/1"
KEY = "fusioner"
"""The key of ``Meta`` in the header of ``model.safetensors``."""
LARGEST = 2 * 2**30
"""Bytes of a file of weights; the paper's model has 0.2 GB."""
LARGEST_CARD = 2**20
"""Bytes of a card; ours have some 2 KB."""

Name = Annotated[str, Field(max_length=400)]
Encoder = Annotated[str, Field(max_length=400, pattern="^[^=]+$")]
"""The name of an encoder without a path: an untrusted file must not choose what is read here."""


class Meta(BaseModel):
    """What a checkpoint is: sizes, encoders, tiling, the fold's own classes and the training classes.

    ``centred_on``: the class names whose mean vector is subtracted (see ``text_centering``); empty for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal["fusioner-checkpoint/1"] = Field(default=SCHEMA, alias="schema")
    fold: Name
    fold_classes: tuple[Name, ...]
    trained_on: tuple[Name, ...]
    visual: Encoder
    visual_sha256: Sha256
    text: Encoder
    text_sha256: Sha256
    prompts: Name
    centred_on: tuple[Name, ...]
    sizes: FusionConfig
    eyes: Tiling

    def header(self) -> dict[str, str]:
        """The header of ``model.safetensors``."""
        return {KEY: self.model_dump_json(by_alias=True)}


def read_checkpoint(folder: Path) -> tuple[Meta, dict[str, Tensor], ModelCard]:
    """The description of a checkpoint, its weights on the CPU, and its card.

    Raises FsbenchError, one line, for a folder without one, a file that was altered since its card or report was
    written, and weights that do not have the sizes in the header.
    """
    weights, card_file = folder / CHECKPOINT, folder / CARD
    digest = _digest(weights)
    if os.path.lexists(folder / REPORT):
        check_finished(folder)
    remedy = "copy it from where the weights were trained"
    card = read_typed(card_file, ModelCard, "a model card", remedy, LARGEST_CARD)
    training = card.training.get("*")
    if training is None or {training.checkpoint_sha256, card.weights_sha256} != {digest}:
        raise FsbenchError(f"{weights}: was altered, or does not belong to {card_file}: train again, or copy both")
    tensors, header = read_tensors(weights, "train again, or copy it")
    meta = _read_meta(weights, header)
    if sorted(training.training_classes) != sorted(meta.trained_on):
        raise FsbenchError(f"{card_file}: names other training classes than the weights: copy both again")
    check_weights(weights, meta, tensors)
    return meta, tensors, card


def _digest(weights: Path) -> str:
    """SHA-256 (hex) of the weights' file; raises FsbenchError where it is missing, no regular file, or too large."""
    try:
        return sha256_file(weights, LARGEST)
    except FileNotFoundError as error:
        expected = "expected the folder of a fold, as fsbench train writes RUN/fold0"
        raise FsbenchError(f"{weights}: is missing: {expected}") from error
    except OSError as error:
        raise FsbenchError(f"{weights}: cannot be read ({error.strerror}): check its permissions and disk") from error


def _read_meta(path: Path, header: Mapping[str, str]) -> Meta:
    try:
        return Meta.model_validate_json(header[KEY])
    except (KeyError, TypeError) as error:
        raise FsbenchError(f"{path}: is no Fusioner: its header has no entry {KEY!r}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where, why = joined(first["loc"]) or "header", plain(first["msg"])[:200]
        raise FsbenchError(f"{path}: is no {SCHEMA}: {where}: {why}") from error
    except FsbenchError as error:
        raise FsbenchError(f"{path}: is no Fusioner: {error}") from error


def check_weights(path: Path, meta: Meta, tensors: Mapping[str, Tensor]) -> None:
    """Raise FsbenchError unless names, shapes, dtypes and values are those of a Fusioner of these sizes."""
    import torch

    from fusioner.model import Fusioner

    with torch.device("meta"):
        expected = Fusioner(meta.sizes).state_dict()
    for name in sorted({*expected, *tensors}):
        if name not in tensors:
            raise FsbenchError(f"{path}: {name} is missing: train again")
        if name not in expected:
            raise FsbenchError(f"{path}: {name[:80]!r} is not part of a Fusioner of these sizes: train again")
        want, have = expected[name], tensors[name]
        if have.shape != want.shape or have.dtype != want.dtype:
            raise FsbenchError(
                f"{path}: {name} is {have.dtype} {tuple(have.shape)}, expected {want.dtype} {tuple(want.shape)}"
            )
        if not bool(torch.isfinite(have).all()):
            raise FsbenchError(f"{path}: {name} holds numbers that are not finite: train again")


def load_weights(meta: Meta, tensors: Mapping[str, Tensor]) -> Fusioner:
    """The model, in evaluation mode, with checked weights."""
    from fusioner.model import Fusioner

    model = Fusioner(meta.sizes)
    model.load_state_dict(dict(tensors))
    return model.eval().requires_grad_(False)
