"""Class names as vectors: of any text encoder, by a set of sentences, centred if the recipe wants it.

Vectors of sentences about classes are close to one another (with MiniLM the mean cosine of two of PASCAL's is 0.32).
Subtracting the mean of the training classes leaves what distinguishes names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fusioner.encoders import PromptSet, TextEncoder, class_embeddings

if TYPE_CHECKING:
    from torch import Tensor


class ClassVectors:
    """``vectors(name)``: the vector of a class, float32 Dt of length 1, on the CPU; each name is embedded once.

    ``centred_on``: names whose mean is subtracted before normalising again; empty for none.
    """

    def __init__(self, encoder: TextEncoder, prompts: PromptSet, centred_on: Sequence[str] = ()) -> None:
        self._encoder, self._prompts = encoder, prompts
        self._known: dict[str, Tensor] = {}
        self._mean: Tensor | None = None
        if centred_on:
            self._mean = class_embeddings(encoder, centred_on, prompts).cpu().mean(0)

    def __call__(self, name: str) -> Tensor:
        from torch.nn.functional import normalize

        if name not in self._known:
            vector = class_embeddings(self._encoder, [name], self._prompts)[0].cpu()
            self._known[name] = vector if self._mean is None else normalize(vector - self._mean, dim=0)
        return self._known[name]
