"""The field's loop over the episodes of a fold, spelled out: what an evaluation costs without an engine.

HSNet's ``data/pascal.py``, ``data/coco.py`` and ``common/evaluation.py``, in outline, the model left out: its answer is
the first support's mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn.functional import interpolate
from torchvision import transforms

from fsbench.episodes.manifest import Question
from fsbench.index.benchmark import Benchmark

SIZE = 400
VOID = 255

ReadMask = Callable[[str, int], npt.NDArray[np.uint8]]
"""(sample, class id) -> uint8 H x W in {0, 1, 255 = void}."""

TRANSFORM = transforms.Compose(
    [
        transforms.Resize((SIZE, SIZE)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


def plain_loop(
    benchmark: Benchmark, questions: Sequence[Question], read_mask: ReadMask | None = None
) -> list[tuple[int, int]]:
    """Intersection and union of the foreground of every episode, each read anew."""

    def photograph(sample: str) -> torch.Tensor:
        image = benchmark.samples[sample].image
        assert image is not None
        tensor: torch.Tensor = TRANSFORM(Image.open(benchmark.path(image)).convert("RGB"))
        return tensor

    def of_label_map(sample: str, class_id: int) -> npt.NDArray[np.uint8]:
        mask = benchmark.samples[sample].mask
        assert mask is not None
        labels = np.array(Image.open(benchmark.path(mask)))
        void = labels == VOID
        labels = (labels == class_id + 1).astype(np.uint8)
        labels[void] = VOID
        return labels

    read = read_mask or of_label_map

    def at_size(sample: str, class_id: int) -> torch.Tensor:
        mask = torch.from_numpy(read(sample, class_id)).float()
        return interpolate(mask[None, None], (SIZE, SIZE), mode="nearest")[0, 0]

    counts = []
    for question in questions:
        (class_id,), (supports,) = question.class_ids, question.supports
        photograph(question.query)
        truth = at_size(question.query, class_id)
        torch.stack([photograph(sample) for sample in supports])
        shown = torch.stack([at_size(sample, class_id) for sample in supports])
        predicted = (shown[0] == 1).float()  # where the model would be asked
        predicted[truth == VOID] = VOID
        both = predicted[predicted == truth]
        inside = torch.histc(both, bins=2, min=0, max=1) if both.numel() else torch.zeros(2)
        areas = torch.histc(predicted, bins=2, min=0, max=1) + torch.histc(truth, bins=2, min=0, max=1)
        counts.append((int(inside[1]), int((areas - inside)[1])))
    return counts
