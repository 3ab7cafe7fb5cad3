"""A trained Fusioner as a model of fsbench: photographs and class names in, logits out.

A photograph is encoded once for all that is asked of it, and a class name once for all photographs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbench.errors import FsbenchError
from fsbench.models.contract import Episode, ModelCard
from fsbench.training.report import CHECKPOINT
from fusioner.checkpoint import Meta, load_weights, read_checkpoint
from fusioner.encoders import load_text, load_visual, prompt_set
from fusioner.text_centering import Words
from fusioner.windows import together

if TYPE_CHECKING:
    from torch import Tensor

JOINT = "-joint"
"""Behind the name of a model that is asked for all classes of its fold in one pass."""


class Segmenter:
    """Answers with logits K x H x W of the photograph's own size; foreground where above 0."""

    def __init__(
        self, folder: Path, *, joint: bool = False, visual: str | None = None, text: str | None = None
    ) -> None:
        meta, tensors, card = read_checkpoint(folder)
        self._visual, reading = load_visual(visual or meta.visual), load_text(text or meta.text)
        _check_encoders(folder, meta, self._visual.digest, reading.digest)
        self.card: ModelCard = card.model_copy(update={"name": card.name + JOINT}) if joint else card
        self._meta, self._joint = meta, joint
        self._model: Any = load_weights(meta, tensors)
        self._words = Words(reading, prompt_set(meta.prompts), meta.centred_on)
        self._device = "cpu"

    def to(self, device: str) -> None:
        """Works on ``device`` from here on."""
        self._visual.to(device)
        self._model.to(device)
        self._device = device

    def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
        """One float32 tensor K x H x W an episode, in their order; see ``fsbench.Model``."""
        return [
            answer for _, of_image in groupby(episodes, lambda e: e.image_id) for answer in self._of(list(of_image))
        ]

    def _of(self, episodes: Sequence[Episode]) -> Iterator[Tensor]:
        """The answers to episodes of one photograph."""
        asked = list(dict.fromkeys(prompt.class_name for episode in episodes for prompt in episode.prompts))
        names = self._joint_names(asked) if self._joint else asked
        logits = self._logits(episodes[0].image, names)
        for episode in episodes:
            yield logits[[names.index(prompt.class_name) for prompt in episode.prompts]]

    def _logits(self, image: Tensor, names: Sequence[str]) -> Tensor:
        """Logits len(names) x H x W of a photograph, uint8 3 x H x W."""
        import torch

        text = torch.stack([self._words(name) for name in names])[None].to(self._device)
        forward = self._model.joint if self._joint else self._model
        parts = []
        for look in self._meta.looking.looks(image.to(self._device)):
            size = look.pixels.shape[1], look.pixels.shape[2]
            tokens = self._visual.encode(look.pixels[None])
            parts.append((look, forward(tokens, text, self._visual.spec.grid(*size), size)[0]))
        return together(parts, (image.shape[1], image.shape[2]))

    def _joint_names(self, asked: Sequence[str]) -> list[str]:
        """All classes of the fold, whatever is asked: they see one another, so always the same ones must."""
        strangers = [name for name in asked if name not in self._meta.fold_classes]
        if strangers:
            raise FsbenchError(
                f"model {self.card.name}: class {strangers[0]!r} is none of those it is asked for together "
                f"({', '.join(self._meta.fold_classes)}): leave the option joint out"
            )
        return list(self._meta.fold_classes)


def _check_encoders(folder: Path, meta: Meta, visual: str, text: str) -> None:
    for name, there, trained in ((meta.visual, visual, meta.visual_sha256), (meta.text, text, meta.text_sha256)):
        if there != trained:
            raise FsbenchError(
                f"{folder / CHECKPOINT}: other weights of {name} were trained with ({trained[:8]}…, here {there[:8]}…)"
                ": install them"
            )


def build(run: str, *, joint: bool = False, visual: str | None = None, text: str | None = None) -> Segmenter:
    """A Fusioner that ``fsbench train fusioner`` wrote; ``fusioner:RUN/fold{fold}`` takes each fold's own.

    ``visual``, ``text``: the encoders with the path of their weights (``NAME=PATH``), where they were trained with one;
    they must be the very weights that it was trained with.
    ``joint``: all classes of the fold pass together, so that they see one another; a variant with a name of its own.
    """
    return Segmenter(Path(run).expanduser(), joint=joint, visual=visual, text=text)
