"""The field's loop over the episodes of a fold, spelled out: what an evaluation costs without an engine.

In outline that of HSNet's ``test.py``, ``data/pascal.py`` and ``common/evaluation.py`` (Min et al., ICCV 2021), which
many forks share: a ``DataLoader`` of batch size 1 in this process, photographs opened by Pillow, resized by
torchvision, made tensors and normalised, masks resized as floats by nearest neighbour, ``torch.histc`` into float32
buffers, and a running mIoU after every episode. The model is left out: its answer is the first support's mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset
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


class Episodes(Dataset[dict[str, Tensor]]):
    """The episodes of ``questions``, each read anew."""

    def __init__(self, benchmark: Benchmark, questions: Sequence[Question], read_mask: ReadMask | None) -> None:
        self.benchmark, self.questions, self.read_mask = benchmark, questions, read_mask or self.of_label_map

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        question = self.questions[place]
        (class_id,), (supports,) = question.class_ids, question.supports
        mask, ignored = self.at_size(question.query, class_id)
        shown = [self.at_size(sample, class_id) for sample in supports]
        return {
            "query_img": self.photograph(question.query),
            "query_mask": mask,
            "query_ignore": ignored,
            "support_imgs": torch.stack([self.photograph(sample) for sample in supports]),
            "support_masks": torch.stack([mask for mask, _ in shown]),
            "support_ignores": torch.stack([ignored for _, ignored in shown]),
            "class_id": torch.tensor(class_id),
        }

    def photograph(self, sample: str) -> Tensor:
        """Float32 3 x 400 x 400, normalised."""
        image = self.benchmark.samples[sample].image
        assert image is not None
        tensor: Tensor = TRANSFORM(Image.open(self.benchmark.path(image)).convert("RGB"))
        return tensor

    def of_label_map(self, sample: str, class_id: int) -> npt.NDArray[np.uint8]:
        """A VOC label map's mask of one class."""
        mask = self.benchmark.samples[sample].mask
        assert mask is not None
        labels = np.array(Image.open(self.benchmark.path(mask)))
        void = labels == VOID
        labels = (labels == class_id + 1).astype(np.uint8)
        labels[void] = VOID
        return labels

    def at_size(self, sample: str, class_id: int) -> tuple[Tensor, Tensor]:
        """Float32 400 x 400: the class, and what is void."""
        mask = torch.tensor(self.read_mask(sample, class_id))[None, None].float()
        mask = interpolate(mask, (SIZE, SIZE), mode="nearest").squeeze()
        ignored = (mask / VOID).floor()
        mask[mask != 1] = 0
        return mask, ignored


def plain_loop(
    benchmark: Benchmark, questions: Sequence[Question], read_mask: ReadMask | None = None
) -> list[tuple[int, int]]:
    """Intersection and union of the foreground of every episode."""
    classes = len(benchmark.lists.classes)
    inter_buffer, union_buffer = torch.zeros(2, classes), torch.zeros(2, classes)
    counts = []
    for batch in DataLoader(Episodes(benchmark, questions, read_mask), batch_size=1, num_workers=0):
        predicted = batch["support_masks"][:, 0].clone()  # where the model would be asked
        truth, ignored = batch["query_mask"].clone(), batch["query_ignore"] * VOID
        truth, predicted = truth + ignored, predicted + ignored
        predicted[truth == VOID] = VOID
        inter, area_predicted, area_truth = [], [], []
        for one, true in zip(predicted, truth, strict=True):
            both = one[one == true]
            inter.append(torch.histc(both, bins=2, min=0, max=1) if both.numel() else torch.zeros(2))
            area_predicted.append(torch.histc(one, bins=2, min=0, max=1))
            area_truth.append(torch.histc(true, bins=2, min=0, max=1))
        area_inter = torch.stack(inter).t()
        area_union = torch.stack(area_predicted).t() + torch.stack(area_truth).t() - area_inter
        inter_buffer.index_add_(1, batch["class_id"], area_inter)
        union_buffer.index_add_(1, batch["class_id"], area_union)
        (inter_buffer / union_buffer.clamp(min=1))[1].mean().item()  # printed by HSNet after every episode
        counts.append((int(area_inter[1, 0]), int(area_union[1, 0])))
    return counts
