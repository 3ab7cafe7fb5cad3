"""The examples of every step and their loss: pairs, views, crops and flips follow from seed, epoch and step."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import Pair
from fsbench.training.randomness import fraction, number, shuffled
from fsbench.training.task import Loss
from fusioner.recipes import Recipe

if TYPE_CHECKING:
    from torch import Tensor

TRIES = 4
"""The number of crops tried until one shows the class."""


class Example(NamedTuple):
    """A pair to learn from and its view; ``key`` seeds its crop and flip."""

    pair: Pair
    view: int
    key: str


class Steps:
    """The steps of a recipe over the training pairs; ``per_epoch``: their number."""

    def __init__(self, plan: Recipe, train: Sequence[Pair], seed: int) -> None:
        self._plan, self._train, self._seed = plan, train, seed
        drawn = len(train) if plan.pairs is None else plan.pairs
        self.per_epoch = drawn // plan.batch
        if not self.per_epoch:
            raise FsbenchError(
                f"{drawn} training pairs are fewer than a batch of {plan.batch}: use --batch-size {drawn}"
            )
        counts = Counter(class_id for _, class_id in train)
        self._cumulative = list(accumulate(counts[class_id] ** -plan.balance for _, class_id in train))

    def examples(self, epoch: int, step: int) -> list[Example]:
        """The examples of a step: drawn one by one if the recipe has ``pairs`` or ``balance``, else from a shuffle."""
        plan, places = self._plan, range(step * self._plan.batch, (step + 1) * self._plan.batch)
        if plan.pairs is None and not plan.balance:
            order = _order(len(self._train), self._seed, epoch)
            drawn = [order[place] for place in places]
        else:
            drawn = [self._drawn(epoch, place) for place in places]
        views = [1 + number("fusioner-view", self._seed, epoch, place) % plan.views.count for place in places]
        return [
            Example(self._train[index], view, f"{self._seed} {epoch} {place}")
            for index, view, place in zip(drawn, views, places, strict=True)
        ]

    def crop_size(self, epoch: int, step: int, grid: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of cells that the step's examples show, of the whole ``grid``."""
        often, least, most = self._plan.cut
        key = ("fusioner-part", self._seed, epoch, step)
        if fraction(*key, "cut") >= often:
            return grid
        rows, columns = (
            min(least, side) + number(*key, axis) % (min(most, side) - min(least, side) + 1)
            for axis, side in zip(("rows", "columns"), grid, strict=True)
        )
        return rows, columns

    def crop(
        self, example: Example, tokens: Tensor, truth: Tensor, grid: tuple[int, int], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """A crop of ``size`` cells of a view, perhaps flipped: tokens (n x Dv) and truth (H x W).

        The crop shows a pixel of the class, if one of ``TRIES`` does.
        """
        cell = truth.shape[0] // grid[0], truth.shape[1] // grid[1]
        if self._plan.cells is not None:
            cells = self._plan.cells
            rows, columns = (_nearest(side * cells, of, cells) for side, of in zip(grid, cell, strict=True))
            truth, cell = truth[rows][:, columns], (cells, cells)
        for attempt in range(TRIES):
            top, left = (
                number("fusioner-place", example.key, attempt, axis) % (large - small + 1)
                for axis, large, small in zip(("top", "left"), grid, size, strict=True)
            )
            seen = truth[top * cell[0] : (top + size[0]) * cell[0], left * cell[1] : (left + size[1]) * cell[1]]
            if bool((seen == 1).any()):
                break
        cropped = tokens.reshape(*grid, -1)[top : top + size[0], left : left + size[1]]
        if fraction("fusioner-mirror", example.key) < self._plan.flip:
            cropped, seen = cropped.flip(1), seen.flip(1)
        return cropped.flatten(0, 1), seen

    def _drawn(self, epoch: int, place: int) -> int:
        height = fraction("fusioner-draw", self._seed, epoch, place) * self._cumulative[-1]
        return min(bisect_right(self._cumulative, height), len(self._cumulative) - 1)


def _nearest(points: int, cell: int, cells: int) -> Tensor:
    """The pixels along a side that its ``points`` sample: nearest neighbour, ``cells`` of each ``cell`` pixels."""
    import torch

    return torch.arange(points) * cell // cells


@lru_cache(maxsize=2)
def _order(pairs: int, seed: int, epoch: int) -> list[int]:
    """The shuffled pairs of an epoch, cached for its steps."""
    return shuffled(pairs, "fusioner-order", seed, epoch)


def losses(logits: Tensor, truths: Tensor, bce: float, dice: float) -> Loss:
    """The loss of B logits H x W against truths of 0, 1 and 255 (ignored).

    Cross-entropy alone is over all pixels of the batch, as published. With a Dice term (Milletari et al., 3DV 2016)
    each photograph has the same weight.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

    counted = (truths != 255).float()
    foreground = (truths == 1).float()
    pixels = cross_entropy(logits, foreground, reduction="none") * counted
    if not dice:
        return Loss(bce * pixels.sum(), counted.sum())
    seen = logits.sigmoid() * counted
    overlap, both = (seen * foreground).sum((1, 2)), seen.sum((1, 2)) + foreground.sum((1, 2))
    each = bce * pixels.sum((1, 2)) / counted.sum((1, 2)).clamp(min=1) + dice * (1 - (2 * overlap + 1) / (both + 1))
    return Loss(each.sum(), len(logits))
