"""From the questions of a manifest to the batches that a model gets.

A manifest is cut at image boundaries into fixed batches, so that a model sees the same batches however many workers
there are and wherever a killed run resumes; the episodes of one image are in one batch. What is built here is all
a model gets: photographs, opaque image tokens, class names, supports. The query's mask is not read here at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from fsbench.engine.reading import Reader
from fsbench.episodes.manifest import Manifest, Question
from fsbench.episodes.protocols import Protocol
from fsbench.models.contract import Episode, Prompt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Episodes of one call of the model: their numbers in the manifest, grouped by query image."""

    index: int
    numbers: tuple[int, ...]


def cut(manifest: Manifest, batch_size: int) -> list[Batch]:
    """Batches of about ``batch_size`` episodes that never split an image.

    Images are in the order of their first episode. A batch is closed when the next image would make it larger than
    ``batch_size``; an image with more episodes than that has a batch of its own.
    """
    of_image: dict[str, list[int]] = {}
    for number, question in enumerate(manifest.questions):
        of_image.setdefault(question.query, []).append(number)
    batches: list[list[int]] = []
    for numbers in of_image.values():
        if not batches or len(batches[-1]) + len(numbers) > batch_size:
            batches.append([])
        batches[-1] += numbers
    return [Batch(index, tuple(numbers)) for index, numbers in enumerate(batches)]


def image_token(sample: str) -> str:
    """The opaque id under which a model sees a photograph."""
    return sha256(f"fsbench-image|{sample}".encode()).hexdigest()[:16]


def read_episodes(
    reader: Reader, protocol: Protocol, questions: list[Question], *, pinned: bool = False
) -> list[Episode]:
    """Read a batch: the episodes that the model gets. Raises FsbenchError naming a file that cannot be read.

    ``pinned``: photographs are copied to memory from which CUDA takes them while the card works.
    """

    images: dict[str, Tensor] = {}

    def image(sample: str) -> Tensor:
        if sample not in images:
            images[sample] = reader.image(sample).pin_memory() if pinned else reader.image(sample)
        return images[sample]

    def prompt(class_id: int, supports: tuple[str, ...]) -> Prompt:
        name = reader.benchmark.lists.classes[class_id]
        return Prompt(
            class_name=name.name if protocol.names == "names-v1" else name.key,
            support_images=tuple(image(sample) for sample in supports),
            support_masks=tuple(reader.support_mask(sample, class_id) for sample in supports),
        )

    return [
        Episode(
            image=image(question.query),
            image_id=image_token(question.query),
            prompts=tuple(prompt(c, s) for c, s in zip(question.class_ids, question.supports, strict=True)),
        )
        for question in questions
    ]
