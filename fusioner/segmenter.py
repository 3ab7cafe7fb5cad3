"""A trained Fusioner as a model of fsbench: photographs and class names in, logits out.

A photograph is encoded once for all its episodes, and a class name once for all photographs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fsbench.errors import FsbenchError
from fsbench.models.contract import Episode, ModelCard
from fsbench.training.precision import autocast
from fsbench.training.report import CHECKPOINT
from fusioner.checkpoint import load_weights, read_checkpoint
from fusioner.encoders import load_text, load_visual, prompt_set
from fusioner.text_centering import ClassVectors
from fusioner.windows import merged

if TYPE_CHECKING:
    from torch import Tensor

JOINT = "-joint"
"""Suffix of the name of a model that segments all classes of its fold in one pass."""
Precision = Literal["float32", "bf16", "fp16"]


class Segmenter:
    """Gives logits K x H x W of the photograph's own size; foreground where above 0."""

    def __init__(
        self,
        folder: Path,
        *,
        joint: bool = False,
        visual: str | None = None,
        text: str | None = None,
        precision: Precision = "float32",
    ) -> None:
        meta, tensors, card = read_checkpoint(folder)
        self._visual, text_encoder = load_visual(visual or meta.visual), load_text(text or meta.text)
        for name, digest, trained in (
            (meta.visual, self._visual.digest, meta.visual_sha256),
            (meta.text, text_encoder.digest, meta.text_sha256),
        ):
            if digest != trained:
                raise FsbenchError(
                    f"{folder / CHECKPOINT}: was trained with other weights of {name} ({trained[:8]}…, here "
                    f"{digest[:8]}…): install them"
                )
        self.card: ModelCard = card.model_copy(update={"name": card.name + JOINT}) if joint else card
        self._meta, self._joint = meta, joint
        self._model: Any = load_weights(meta, tensors)
        self._class_vectors = ClassVectors(text_encoder, prompt_set(meta.prompts), meta.centred_on)
        self._precision, self._device = precision, "cpu"

    def to(self, device: str) -> None:
        """Move to ``device``."""
        self._visual.to(device)
        self._model.to(device)
        self._device = device

    def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
        """One float32 tensor K x H x W for each episode; see ``fsbench.Model``."""
        return [
            answer for _, of_image in groupby(episodes, lambda e: e.image_id) for answer in self._of(list(of_image))
        ]

    def _of(self, episodes: Sequence[Episode]) -> Iterator[Tensor]:
        """The logits of episodes of one photograph."""
        asked = list(dict.fromkeys(prompt.class_name for episode in episodes for prompt in episode.prompts))
        names = self._joint_names(asked) if self._joint else asked
        logits = self._logits(episodes[0].image, names)
        for episode in episodes:
            yield logits[[names.index(prompt.class_name) for prompt in episode.prompts]]

    def _logits(self, image: Tensor, names: Sequence[str]) -> Tensor:
        """Logits len(names) x H x W of a photograph, uint8 3 x H x W."""
        import torch

        text = torch.stack([self._class_vectors(name) for name in names])[None].to(self._device)
        forward = self._model.joint if self._joint else self._model
        answers = []
        with autocast(self._precision, torch.device(self._device)):
            for tile in self._meta.eyes.tiles(image.to(self._device, non_blocking=True)):
                size = tile.pixels.shape[1], tile.pixels.shape[2]
                tokens = self._visual.encode(tile.pixels[None])
                answers.append((tile, forward(tokens, text, self._visual.spec.grid(*size), size)[0]))
        return merged(answers, (image.shape[1], image.shape[2]))

    def _joint_names(self, asked: Sequence[str]) -> list[str]:
        """All classes of the fold, whatever is asked: they see one another, so they must always be the same."""
        others = [name for name in asked if name not in self._meta.fold_classes]
        if others:
            raise FsbenchError(
                f"model {self.card.name}: class {others[0]!r} is none of the fold's classes, which joint segments in "
                f"one pass ({', '.join(self._meta.fold_classes)}): leave the option joint out"
            )
        return list(self._meta.fold_classes)


def build(
    run: str,
    *,
    joint: bool = False,
    visual: str | None = None,
    text: str | None = None,
    precision: Precision = "float32",
) -> Segmenter:
    """A Fusioner from ``fsbench train fusioner``; ``fusioner:RUN/fold{fold}`` takes each fold's own.

    ``visual``, ``text``: the encoders with the path of their weights (``NAME=PATH``), which must be those of training.
    ``joint``: all classes of the fold in one pass, so that they see one another; a variant with its own name.
    ``precision``: of the encoder of images and of the fusion; logits are float32 whichever it is.
    """
    return Segmenter(Path(run).expanduser(), joint=joint, visual=visual, text=text, precision=precision)
