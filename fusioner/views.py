"""Augmented views of a training photograph with the masks of its classes, the input of frozen features.

Features are worth keeping only for views that recur, so a photograph has a fixed number of views, the same for every
fold, seed and run. View 0 is the plain one; it is used to choose weights.

Source: Fusioner's released code and paper, section 4.1 (crops; then, half the time, each of five distortions half the
time). The released distortions are albumentations'; torchvision's replace them, *our reading*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from fsbench.training.randomness import torch_seeded

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]
VOID = 255
VERSION = "fusioner-views/1"


@dataclass(frozen=True)
class Views:
    """``count`` views of ``size`` x ``size`` pixels to learn from, numbered from 1; view 0 is the plain one.

    ``kind``: ``crop``: published crops and distortions; the plain view is the centre crop. ``square``: the whole
    photograph resized to a square; view 1 is plain too, others have colour jitter only. ``jitter``: of brightness,
    contrast and saturation; ``degrees``: of rotation; ``noise``: standard deviation, pixels in 0..1; ``smallest``: the
    smallest share of a photograph that a crop shows.
    """

    size: int
    count: int
    jitter: float
    degrees: float
    noise: float = 0.02
    smallest: float = 0.5
    kind: Literal["crop", "square"] = "crop"

    def describe(self, number: int) -> str:
        """A full description of a view, for the name of its features."""
        if number == 0 or (self.kind == "square" and number == 1):
            return f"{VERSION} plain {self.kind} {self.size}"
        settings = {name: value for name, value in asdict(self).items() if name != "count"}
        return f"{VERSION} {number} {settings}"

    def make(self, number: int, image: Pixels, truths: Sequence[Pixels], key: str) -> tuple[Tensor, Tensor]:
        """View ``number`` of a photograph (uint8 H x W x 3) and its K truths (uint8 H x W of 0, 1, 255).

        Returns pixels, float 3 x size x size in 0..1, and truths, uint8 K x size x size. The view follows from
        ``describe(number)`` and ``key``, which identifies the photograph. Pixels beyond the photograph are black, void.
        """
        import torch
        from torchvision import tv_tensors

        picture = tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
        masks = tv_tensors.Mask(torch.from_numpy(np.stack(truths)))
        with torch_seeded(torch.device("cpu"), self.describe(number), key):
            pixels, masks = self._transform(number)(picture, masks)
        return pixels.as_subclass(torch.Tensor).float().clamp(0, 1), masks.as_subclass(torch.Tensor)

    def _transform(self, number: int) -> Any:
        """torchvision's transform; it draws from torch's own generators."""
        import torch
        from torchvision import tv_tensors
        from torchvision.transforms import v2

        to_floats = v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)
        if self.kind == "square":
            jitter = v2.ColorJitter(self.jitter, self.jitter, self.jitter) if number > 1 else v2.Identity()
            return v2.Compose([to_floats, v2.Resize((self.size, self.size), antialias=True), jitter])
        if number == 0:
            return v2.Compose([v2.Resize(self.size, antialias=True), v2.CenterCrop(self.size), to_floats])
        beyond = {tv_tensors.Image: 0.0, tv_tensors.Mask: VOID}
        zoomed = v2.RandomResizedCrop(self.size, scale=(self.smallest, 1.0), antialias=True)
        cut = v2.Compose([v2.Resize(self.size, antialias=True), v2.RandomCrop(self.size)])
        distortions: list[Any] = [
            v2.ColorJitter(self.jitter, self.jitter, self.jitter),
            v2.GaussianNoise(sigma=self.noise),
            v2.RandomHorizontalFlip(1.0),
            v2.RandomAffine(self.degrees, translate=(0.1, 0.1), scale=(0.9, 1.1), fill=beyond),
            v2.ElasticTransform(fill=beyond),
        ]
        half = [v2.RandomApply([distortion], 0.5) for distortion in distortions]
        return v2.Compose([v2.RandomChoice([zoomed, cut]), to_floats, v2.RandomApply(half, 0.5)])
