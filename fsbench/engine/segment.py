"""One photograph, some class names, one model: where is what? For trying a text-prompted model out.

No benchmark, no protocol and no score: what comes out is what the model would have answered had it been asked.
Unlike the photographs of benchmarks, this one is turned upright where its EXIF orientation says so.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fsbench.engine.answers import Asked, ModelAnswers
from fsbench.engine.loaded_model import LoadedModel
from fsbench.engine.outputs import BadAnswerError, read_answer
from fsbench.errors import FsbenchError, ModelError
from fsbench.index.truths import MOST_PROMPTS
from fsbench.io.images import read_file, read_image
from fsbench.models.contract import Episode, Model, Prompt
from fsbench.records.environment import resolve_device
from fsbench.records.remarks import ScoreWatch

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

ORIENTATION = 0x0112
"""The EXIF tag of how the camera was held."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a model sees in a photograph.

    ``image``: uint8 H x W x 3 RGB, upright; ``names``: the classes asked; ``labels``: uint8 H x W, place of the class +
    1, of several positive ones that with the largest score, 0 where none is; ``model``: the name on the model's card.
    """

    image: Pixels
    names: tuple[str, ...]
    labels: Pixels
    model: str

    def mask(self, name: str) -> npt.NDArray[np.bool_]:
        """bool H x W: where the pixels of a class are; raises KeyError for one that was not asked."""
        if name not in self.names:
            raise KeyError(name)
        mask: npt.NDArray[np.bool_] = self.labels == self.names.index(name) + 1
        return mask

    def shares(self) -> dict[str, float]:
        """Class name -> its share of the photograph, 0 to 1."""
        pixels = np.bincount(self.labels.ravel(), minlength=len(self.names) + 1)[1:]
        return {name: float(n) / self.labels.size for name, n in zip(self.names, pixels, strict=True)}

    def overlay(self) -> Image.Image:
        """The photograph with the classes in colours, and a legend; see ``fsbench.pictures.overlay``."""
        from fsbench.pictures.overlay import overlay

        return overlay(self.image, self.labels, self.shares())


def segment(
    model: str | Model,
    image: str | Path | Pixels,
    names: Sequence[str],
    *,
    device: str = "auto",
    options: Mapping[str, str] | None = None,
) -> Segmentation:
    """Ask ``model`` for all ``names`` at once in one photograph; the same as ``fsbench segment``.

    ``model``: as for ``evaluate``; it must answer to text alone. ``image``: a file, or uint8 H x W x 3 RGB. Raises
    FsbenchError for a photograph that cannot be read, no or repeated names, and a model that needs masks; ModelError
    where the model is at fault.
    """
    import torch

    asked = _asked(names)
    pixels = _pixels(image)
    device = resolve_device(device)
    texts = {key: str(value) for key, value in (options or {}).items()}
    answers = LoadedModel.load(model, texts).single
    if not isinstance(answers, ModelAnswers):
        fault = "holds {fold}: name the checkpoint of one fold" if answers is None else "is not run: name a model"
        raise FsbenchError(f"model {model}: {fault}")
    if answers.card.prompts not in ("text", "none"):
        raise FsbenchError(f"model {answers.card.name} needs support masks, but segment asks by text alone")
    answers.prepare(device)
    size = pixels.shape[0], pixels.shape[1]
    tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    token = sha256(pixels.tobytes()).hexdigest()[:16]
    episode = Episode(tensor, token, tuple(Prompt(name, (), ()) for name in asked))
    (answer,) = answers.answer([Asked(0, len(asked))], [episode])
    try:
        read = read_answer(answer, len(asked), size, size)
    except BadAnswerError as error:
        raise ModelError(f"model {answers.card.name}: {error}") from error
    ScoreWatch(answers.card.name)(read.stats)
    return Segmentation(pixels, asked, read.labels(), answers.card.name)


def _asked(names: Sequence[str]) -> tuple[str, ...]:
    """The names with single spaces; raises FsbenchError for none, an empty one, too many, or one that comes twice."""
    if isinstance(names, str):
        raise FsbenchError(f"class names {names!r}: expected a list of names, [{names!r}]")
    asked = tuple(" ".join(name.split()) for name in names)
    if not asked or not all(asked):
        raise FsbenchError(f"class names: got {', '.join(map(repr, asked)) or 'none'}, expected one or more words each")
    twice = [name for place, name in enumerate(asked) if name in asked[:place]]
    if twice:
        raise FsbenchError(f"class {twice[0]!r} is asked twice: give each class once")
    if len(asked) > MOST_PROMPTS:
        raise FsbenchError(f"{len(asked)} classes: at most {MOST_PROMPTS} can be asked at once")
    return asked


def _pixels(image: str | Path | Pixels) -> Pixels:
    if isinstance(image, str | Path):
        path = Path(image).expanduser()
        data = read_file(path)
        return _upright(data, read_image(path, data))
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        raise FsbenchError("image: expected a file, or a uint8 array H x W x 3 of RGB")
    if 0 in image.shape:
        raise FsbenchError(f"image: has shape {image.shape}, expected at least one pixel")
    return image


def _upright(data: bytes, pixels: Pixels) -> Pixels:
    """``pixels`` of the file ``data``, turned as its EXIF orientation says (Exif 2.32, tag 0x0112)."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            turned = image.format == "TIFF"  # Pillow turns these when it decodes them
            orientation = 1 if turned else image.getexif().get(ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, struct.error):  # damaged EXIF is ignored
        return pixels
    if orientation not in range(2, 9):
        return pixels
    lying = Image.fromarray(pixels)
    lying.getexif()[ORIENTATION] = orientation
    return np.array(ImageOps.exif_transpose(lying))
