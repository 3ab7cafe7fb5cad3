"""Frozen features of every view of the training photographs and their masks, kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from fsbench.index.fold_lists import Pair
from fsbench.training.feature_store import Feature
from fusioner.views import Views

if TYPE_CHECKING:
    from torch import Tensor

    from fsbench.training.task import Setup
    from fusioner.encoders import VisualEncoder

ON_CUDA = 16
"""Views encoded at once on a GPU; on a CPU one by one, so that a feature does not depend on its batch."""


class ViewFeatures:
    """View 0 of every held-out photograph, and views 1 to ``views.count`` of every training photograph.

    ``grid``: rows and columns of tokens.
    """

    def __init__(self, setup: Setup, encoder: VisualEncoder, views: Views) -> None:
        self._data, self._encoder, self._views = setup.data, encoder, views
        self.grid = encoder.spec.grid(views.size, views.size)
        self._classes: dict[str, tuple[int, ...]] = {}
        for sample, class_id in (*setup.data.train, *setup.data.held_out):
            self._classes[sample] = (*self._classes.get(sample, ()), class_id)
        train, held_out = (dict.fromkeys(s for s, _ in pairs) for pairs in (setup.data.train, setup.data.held_out))
        self._wanted = [(sample, number) for sample in train for number in range(1, views.count + 1)]
        self._wanted += [(sample, 0) for sample in held_out]
        self._place = {wanted: place for place, wanted in enumerate(self._wanted)}
        truths = {sample: self._truths_digest(sample) for sample in self._classes}
        features = [
            Feature(
                f"{encoder.spec.name} {encoder.digest}",
                f"{views.describe(number)} truths {truths[sample]}",
                setup.data.image_sha256(sample),
            )
            for sample, number in self._wanted
        ]
        at_once = ON_CUDA if setup.device.type == "cuda" else 1
        title = f"{encoder.spec.name} · {views.count} views"
        self._kept = setup.features.fill(features, self._compute, batch_size=at_once, title=title)

    def __call__(self, pair: Pair, number: int) -> tuple[Tensor, Tensor]:
        """Tokens (float32 N x Dv) and truth (uint8 S x S) of a pair in one view."""
        sample, class_id = pair
        kept = self._kept[self._place[sample, number]]
        return kept["tokens"].float(), kept["truths"][self._classes[sample].index(class_id)]

    def _truths_digest(self, sample: str) -> str:
        digest = sha256()
        for class_id in self._classes[sample]:
            digest.update(self._data.truth(sample, class_id).tobytes())
        return digest.hexdigest()

    def _compute(self, places: Sequence[int]) -> list[dict[str, Tensor]]:
        import torch

        views = []
        for place in places:
            sample, number = self._wanted[place]
            truths = [self._data.truth(sample, class_id) for class_id in self._classes[sample]]
            key = self._data.image_sha256(sample)
            views.append(self._views.make(number, self._data.image(sample), truths, key))
        tokens = self._encoder.encode(torch.stack([pixels for pixels, _ in views]))
        return [{"tokens": t, "truths": truths} for t, (_, truths) in zip(tokens, views, strict=True)]
