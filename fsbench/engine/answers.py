"""The answers to the questions: of a model that is run, or of a folder of predictions made by any program.

The engine sees one interface: a card, whether photographs are needed, and ``answer`` for a batch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

from fsbench.engine.prediction_files import (
    CARD,
    LARGEST_CARD,
    MANIFEST,
    check_mask_size,
    fold_folder,
    png_sha256,
    prediction_file,
    read_digest,
    read_planes,
)
from fsbench.episodes.manifest import Manifest
from fsbench.errors import FsbenchError, ModelError
from fsbench.io.files import sha256_text
from fsbench.io.resize import Size
from fsbench.io.typed_json import read_typed
from fsbench.models.contract import Episode, Model, ModelCard
from fsbench.models.registry import foreign, load_model

if TYPE_CHECKING:
    from torch import Tensor

Evidence = Literal["counts", "predictions", "rerun"]

ONE_EACH = "one tensor or numpy array per episode"


class Asked(NamedTuple):
    """An episode: its ``number`` in the manifest and how many ``classes`` it asks."""

    number: int
    classes: int


class AnswerSource(Protocol):
    """Whoever answers the questions of one fold."""

    @property
    def evidence(self) -> Evidence: ...

    @property
    def needs_photographs(self) -> bool: ...

    @property
    def card(self) -> ModelCard: ...

    def prepare(self, device: str) -> None:
        """Called once before the first batch."""

    def answer(self, asked: Sequence[Asked], episodes: Sequence[Episode]) -> Sequence[object]:
        """One answer per episode; ``episodes`` is empty where no photographs are needed."""


@dataclass(frozen=True)
class ModelAnswers:
    """The answers of a model that is run."""

    model: Model
    evidence: Evidence = "counts"
    needs_photographs: bool = True

    @property
    def card(self) -> ModelCard:
        return self.model.card

    def prepare(self, device: str) -> None:
        with foreign(f"model {self.card.name}: moving it to {device} raised"):
            move = getattr(self.model, "to", None)
            if callable(move):
                move(device)

    def answer(self, asked: Sequence[Asked], episodes: Sequence[Episode]) -> Sequence[object]:
        import torch

        numbers = [episode.number for episode in asked]
        which = f"episode {numbers[0]}" if len(numbers) == 1 else f"episodes {numbers[0]} to {numbers[-1]}"
        with (
            torch.inference_mode(),
            foreign(f"model {self.card.name}, {which}: expected {ONE_EACH}, but segment raised"),
        ):
            answers = self.model.segment(episodes)
            given = list(answers) if isinstance(answers, Sequence | torch.Tensor | np.ndarray) else None
        if given is None or len(given) != len(episodes):
            many = "" if given is None else f"{len(given)} answers to {len(episodes)} episodes, expected"
            fault = many or f"{type(answers).__name__}, expected a sequence of"
            raise ModelError(f"model {self.card.name}, {which}: segment returned {fault} {ONE_EACH}")
        return given


@dataclass(frozen=True)
class PredictionAnswers:
    """Masks in a folder, in the form that ``prediction_files`` describes."""

    folder: Path
    evidence: Evidence = "predictions"
    needs_photographs: bool = False
    fold: str = ""

    @cached_property
    def card(self) -> ModelCard:
        """The card in ``card.json`` or one made from the folder's name, with the predictions' own digest."""
        files = sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob("fold*/*.png"))
        digest = sha256_text("".join(f"{file} {png_sha256(self.folder / file)}\n" for file in files))
        given = self.folder / CARD
        if not os.path.lexists(given):
            name = re.sub(r"[^a-z0-9._-]", "-", self.folder.resolve().name.lower())[:80]
            return ModelCard(name=name, prompts="none", weights_sha256=digest, description="predictions from files")
        card = read_typed(given, ModelCard, "a model card", "correct it, or remove it", LARGEST_CARD)
        return card.model_copy(update={"weights_sha256": digest})

    def prepare(self, device: str) -> None:
        """Does nothing: files are read one by one."""

    def check(self, manifest: Manifest, full: Manifest, sizes: Mapping[str, Size], square: Size | None) -> None:
        """Raise FsbenchError for predictions of another manifest, and for missing, extra or wrong-sized files.

        ``full`` is the manifest that the folder answers, ``manifest`` the part of it that is asked.
        """
        folder = fold_folder(self.folder, self.fold)
        digest = read_digest(folder)
        if digest != full.sha256:
            names = f"names {digest[:12] or 'nothing'}…, but the manifest asked is {full.sha256[:12]}…"
            asked = f"--fold {full.fold} --protocol {full.protocol} --shots {full.shots} --seed {full.seed}"
            raise FsbenchError(f"{folder / MANIFEST}: {names}: predict for 'fsbench episodes … {asked}'")
        present = {name for name in os.listdir(folder) if name != MANIFEST}  # noqa: PTH208 - names alone
        expected = [self._file(number).name for number in range(len(full.questions))]
        missing = [name for name in expected[: len(manifest.questions)] if name not in present]
        if missing:
            raise FsbenchError(
                f"{folder}: {len(missing)} of {len(manifest.questions)} predictions are missing, first {missing[0]}: "
                "write one PNG per episode"
            )
        extra = sorted(present - set(expected))
        if extra:
            raise FsbenchError(f"{folder}: {len(extra)} files answer no episode, first {extra[0]}: remove them")
        for number, question in enumerate(manifest.questions):
            own = sizes[question.query]
            check_mask_size(self._file(number), own, own if square is None else square)

    def answer(self, asked: Sequence[Asked], episodes: Sequence[Episode]) -> Sequence[Tensor]:
        import torch

        return [torch.from_numpy(read_planes(self._file(number), classes)) for number, classes in asked]

    def _file(self, number: int) -> Path:
        return prediction_file(fold_folder(self.folder, self.fold), number)


def answers_of(spec: str, options: Mapping[str, str]) -> AnswerSource:
    """The answers that ``spec`` names: ``predictions:DIR``, or a model as ``load_model`` finds it."""
    prefix, colon, rest = spec.partition(":")
    if prefix == "predictions" and colon:
        if options:
            raise FsbenchError(f"{spec}: predictions take no options, got {', '.join(options)}")
        folder = Path(rest).expanduser()
        if not folder.is_dir():
            raise FsbenchError(f"{folder}: is no folder of predictions: expected {folder}/fold0/000000.png and so on")
        return PredictionAnswers(folder)
    return ModelAnswers(load_model(spec, options))
