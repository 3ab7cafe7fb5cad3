"""The contract of a model: the episodes it gets, its answers, and its card.

There is no base class. Any object with a ``card`` and a ``segment`` method is a model::

    class Mine:
        card = ModelCard(name="mine", prompts="mask")

        def segment(self, episodes):
            return [torch.zeros(len(e.prompts), *e.image.shape[1:]) for e in episodes]

A model with a ``to(device)`` method is moved to the device of ``--device``. A model never sees the query's mask,
the benchmark's name, or a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, field_validator

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

Prompts = Literal["none", "text", "mask", "both"]
YesNo = Literal["yes", "no", "unknown"]
Line = Annotated[str, Field(max_length=400)]


@dataclass(frozen=True)
class Prompt:
    """One class: its name, and k support photographs with their masks.

    ``support_images``: uint8 3xHxW RGB each; ``support_masks``: uint8 HxW in {0, 1, 255 = void}. Both have k entries,
    none at 0 shots.
    """

    class_name: str
    support_images: tuple[Tensor, ...]
    support_masks: tuple[Tensor, ...]


@dataclass(frozen=True)
class Episode:
    """One question: a photograph and the classes asked of it, one in the binary protocols.

    ``image``: uint8 3xHxW RGB, shared with other episodes as support images are: a model must not write into it.
    ``image_id``: an opaque token, the same for the same photograph.
    """

    image: Tensor
    image_id: str
    prompts: tuple[Prompt, ...]


class TrainingCard(BaseModel):
    """The data a checkpoint has seen. ``unknown`` is printed as unknown, never as clean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint_sha256: str | None = None
    training_classes: tuple[Line, ...] = ()
    training_data: Line = "unknown"
    test_images_seen: YesNo = "unknown"
    novel_masks_seen: YesNo = "unknown"
    novel_boxes_seen: YesNo = "unknown"
    novel_image_labels_seen: YesNo = "unknown"
    novel_image_text_seen: YesNo = "unknown"
    checkpoint_selected_by: Line = "unknown"
    threshold_selected_by: Line = "unknown"
    novel_images_dropped: YesNo = "unknown"


UNTRAINED = TrainingCard(
    training_data="none",
    test_images_seen="no",
    novel_masks_seen="no",
    novel_boxes_seen="no",
    novel_image_labels_seen="no",
    novel_image_text_seen="no",
    checkpoint_selected_by="nothing to select",
    threshold_selected_by="nothing to select",
    novel_images_dropped="no",
)
"""The training card of a model that has learnt nothing."""


class ModelCard(BaseModel):
    """A model's description of itself, part of every record made with it.

    ``prompts``: the model needs ``text`` (the class name), ``mask`` (supports, so 1 shot or more), ``both``, or
    ``none``. ``training``: one entry per fold if there is a checkpoint per fold, or one under ``*``.
    ``weights_sha256`` tells weights of one name and revision apart. ``example``: shows that all works where nothing can
    be downloaded; kept off every main ranking.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    prompts: Prompts
    revision: Line = "1"
    description: Line = ""
    trained_parameters: int | None = Field(default=None, ge=0)
    total_parameters: int | None = Field(default=None, ge=0)
    weights_sha256: Line | None = None
    licence: Line = "unknown"
    url: Line | None = None
    example: bool = False
    training: Mapping[str, TrainingCard] = Field(default_factory=dict)

    @field_validator("name", "revision")
    @classmethod
    def _is_a_folder_name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9._-]{1,80}", value) or value.strip(".") == "":
            raise ValueError(f"{value!r} must be 1 to 80 of the characters a-z 0-9 . _ - (it names a folder)")
        return value


@runtime_checkable
class Model(Protocol):
    """The contract of a model.

    ``segment`` answers a batch of episodes, one tensor or numpy array per episode, in their order; one N x K x H x W
    for the whole batch will do. An answer is either a float score map K x H' x W' of any size (K prompts; foreground
    where > 0; with several prompts the label is the largest positive score), which the engine resizes bilinearly to the
    protocol's size before it thresholds, or a mask K x H x W (bool, or integers 0 and 1) of the query's own size or the
    protocol's, which is resized by nearest neighbour, never blended. Episodes of the same image arrive together.
    """

    @property
    def card(self) -> ModelCard: ...

    def segment(
        self, episodes: Sequence[Episode]
    ) -> Sequence[Tensor | npt.NDArray[Any]] | Tensor | npt.NDArray[Any]: ...
