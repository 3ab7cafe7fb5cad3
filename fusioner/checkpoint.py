"""A trained Fusioner on disk: ``RUN/fold{f}/`` with ``model.safetensors``, whose header says what it is, and its card.

No weight of a frozen encoder is in it: their names and digests are, and they must be the same where it is used.
Nothing is unpickled, and nothing is taken for granted: the file may come from a stranger. Where ``training.json`` is
beside them, weights and card must be the ones it names. Without it the card's digest still proves the weights, but
nothing proves the card.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_file
from fsbench.io.typed_json import read_typed
from fsbench.io.untrusted import joined, plain
from fsbench.models.contract import ModelCard
from fsbench.training.report import CARD, CHECKPOINT, REPORT, check_finished
from fsbench.training.tensors import read_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from fusioner.fusion import FusionConfig
    from fusioner.model import Fusioner
    from fusioner.windows import Looking

SCHEMA: Literal["fusioner-checkpoint/1"] = "fusioner-checkpoint/1"
KEY = "fusioner"
"""Under which the header of ``model.safetensors`` holds the text of ``Meta``."""
LARGEST = 2 * 2**30
"""Bytes of a file of weights; the paper's model has 0.2 GB."""
LARGEST_CARD = 2**20
"""Bytes of a card; those we write have some 2 KB."""

Name = Annotated[str, Field(max_length=400)]
Encoder = Annotated[str, Field(max_length=400, pattern="^[^=]+$")]
"""The name of an encoder; a path behind it would be a stranger's word on what is read here."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(gt=0, le=16384)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sizes(_Strict):
    """As ``FusionConfig``."""

    visual_dim: Size
    text_dim: Size
    d_model: Size
    layers: Annotated[int, Field(gt=0, le=64)]
    heads: Annotated[int, Field(gt=0, le=256)]
    fusion: Literal["early", "late"]
    dropout: float
    drop_path: float
    temperature: float
    scales: tuple[Size, Size, Size]


class Eyes(_Strict):
    """As ``Looking``; windows leave no gaps."""

    kind: Literal["windows", "square"]
    size: Annotated[int, Field(gt=0, le=4096)]
    step: Annotated[int, Field(gt=0, le=4096)]

    @model_validator(mode="after")
    def _without_gaps(self) -> Self:
        if self.step > self.size:
            raise ValueError(f"step {self.step} leaves gaps between windows of {self.size}")
        return self


class Meta(_Strict):
    """What a checkpoint is: sizes, encoders, how it looks at photographs, the fold's own classes and the training ones.

    ``centred_on``: the class names whose mean vector is taken from that of every name (see ``words``); none: as it is.
    """

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
    sizes: Sizes
    eyes: Eyes

    @property
    def config(self) -> FusionConfig:
        """The model's sizes; raises FsbenchError where they make none."""
        from fusioner.fusion import FusionConfig

        return FusionConfig(**self.sizes.model_dump())

    @property
    def looking(self) -> Looking:
        """How it looks at photographs."""
        from fusioner.windows import Looking

        return Looking(**self.eyes.model_dump())

    def header(self) -> dict[str, str]:
        """What goes into the header of ``model.safetensors``."""
        return {KEY: self.model_dump_json(by_alias=True)}


def sizes_of(config: FusionConfig) -> Sizes:
    """The sizes of a model, for ``Meta``."""
    return Sizes(**asdict(config))


def read_checkpoint(folder: Path) -> tuple[Meta, dict[str, Tensor], ModelCard]:
    """What a checkpoint is, its weights on the CPU, and its card.

    Raises FsbenchError, one line, for a folder that holds none, a file that was altered since its card or report was
    written, and weights that are not those of the sizes it names.
    """
    weights, beside = folder / CHECKPOINT, folder / CARD
    digest = _digest(weights)
    if os.path.lexists(folder / REPORT):
        check_finished(folder)
    card = read_typed(beside, ModelCard, "a model card", "copy it from where the weights were trained", LARGEST_CARD)
    said = card.training.get("*")
    if said is None or {said.checkpoint_sha256, card.weights_sha256} != {digest}:
        raise FsbenchError(f"{weights}: was altered, or is not of {beside}: train again, or copy both")
    tensors, header = read_tensors(weights, "train again, or copy it")
    meta = _read_meta(weights, header)
    if sorted(said.training_classes) != sorted(meta.trained_on):
        raise FsbenchError(f"{beside}: names other training classes than the weights: copy both again")
    check_weights(weights, meta, tensors)
    return meta, tensors, card


def _digest(weights: Path) -> str:
    """SHA-256 (hex) of the weights' file; raises FsbenchError where it is missing, no regular file, or too large."""
    try:
        return sha256_file(weights, LARGEST)
    except FileNotFoundError as error:
        said = "expected the folder of a fold, as fsbench train writes RUN/fold0"
        raise FsbenchError(f"{weights}: is missing: {said}") from error
    except OSError as error:
        raise FsbenchError(f"{weights}: cannot be read ({error.strerror}): mend its permissions or disk") from error


def _read_meta(path: Path, header: Mapping[str, str]) -> Meta:
    try:
        meta = Meta.model_validate_json(header[KEY])
        _ = meta.config
    except (KeyError, TypeError) as error:
        raise FsbenchError(f"{path}: is no Fusioner: its header says nothing of one") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where, said = joined(first["loc"]) or "header", plain(first["msg"])[:200]
        raise FsbenchError(f"{path}: is no {SCHEMA}: {where}: {said}") from error
    except FsbenchError as error:
        raise FsbenchError(f"{path}: is no Fusioner: {error}") from error
    return meta


def check_weights(path: Path, meta: Meta, tensors: Mapping[str, Tensor]) -> None:
    """Raise FsbenchError unless names, shapes, types and values are those of a Fusioner of these sizes."""
    import torch

    from fusioner.model import Fusioner

    with torch.device("meta"):
        expected = Fusioner(meta.config).state_dict()
    for name in sorted({*expected, *tensors}):
        if name not in tensors:
            raise FsbenchError(f"{path}: {name} is missing: train again")
        if name not in expected:
            raise FsbenchError(f"{path}: {name[:80]!r} is not part of a Fusioner of these sizes: train again")
        wanted, there = expected[name], tensors[name]
        if there.shape != wanted.shape or there.dtype != wanted.dtype:
            raise FsbenchError(
                f"{path}: {name} is {there.dtype} {tuple(there.shape)}, expected {wanted.dtype} {tuple(wanted.shape)}"
            )
        if not bool(torch.isfinite(there).all()):
            raise FsbenchError(f"{path}: {name} holds numbers that are not finite: train again")


def load_weights(meta: Meta, tensors: Mapping[str, Tensor]) -> Fusioner:
    """The model, in evaluation mode, with checked weights."""
    from fusioner.model import Fusioner

    model = Fusioner(meta.config)
    model.load_state_dict(dict(tensors))
    return model.eval().requires_grad_(False)
