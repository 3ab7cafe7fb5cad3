"""What is learned from when, and by which loss: pairs, views, parts and mirrors follow from seed, epoch and step."""

from __future__ import annotations

from bisect import bisect_right
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
"""How often another part of a view is looked for that shows a pixel of the class."""


class Chosen(NamedTuple):
    """A pair to learn from, in which view; ``key``: what its part and mirror are drawn from."""

    pair: Pair
    view: int
    key: str


class Steps:
    """The steps of a recipe over the training pairs; ``number``: how many an epoch has."""

    def __init__(self, plan: Recipe, train: Sequence[Pair], seed: int) -> None:
        self._plan, self._train, self._seed = plan, train, seed
        drawn = len(train) if plan.pairs is None else plan.pairs
        self.number = drawn // plan.batch
        if not self.number:
            raise FsbenchError(
                f"{drawn} training pairs are fewer than a batch of {plan.batch}: use --batch-size {drawn}"
            )
        counts: dict[int, int] = {}
        for _, class_id in train:
            counts[class_id] = counts.get(class_id, 0) + 1
        self._heights = list(accumulate(counts[class_id] ** -plan.balance for _, class_id in train))

    def chosen(self, epoch: int, step: int) -> list[Chosen]:
        """The pairs of a step: drawn one by one where the recipe has ``pairs`` or ``balance``, else from a shuffle."""
        plan, places = self._plan, range(step * self._plan.batch, (step + 1) * self._plan.batch)
        if plan.pairs is None and not plan.balance:
            order = _order(len(self._train), self._seed, epoch)
            drawn = [order[place] for place in places]
        else:
            drawn = [self._drawn(epoch, place) for place in places]
        views = [1 + number("fusioner-view", self._seed, epoch, place) % plan.views.count for place in places]
        return [
            Chosen(self._train[which], view, f"{self._seed} {epoch} {place}")
            for which, view, place in zip(drawn, views, places, strict=True)
        ]

    def part(self, epoch: int, step: int, whole: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of cells that the step's examples show, of the ``whole`` grid."""
        often, least, most = self._plan.cut
        words = ("fusioner-part", self._seed, epoch, step)
        if fraction(*words, "cut") >= often:
            return whole
        most_here, least_here = [min(most, side) for side in whole], [min(least, side) for side in whole]
        rows, columns = (
            small + number(*words, axis) % (large - small + 1)
            for axis, small, large in zip(("rows", "columns"), least_here, most_here, strict=True)
        )
        return rows, columns

    def shown(
        self, one: Chosen, tokens: Tensor, truth: Tensor, whole: tuple[int, int], part: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """What is shown of a view: tokens (n x Dv) of a ``part`` of its grid, maybe mirrored, and its truth (H x W).

        The part shows a pixel of the class, if one of ``TRIES`` does.
        """
        cell = truth.shape[0] // whole[0], truth.shape[1] // whole[1]
        if self._plan.cells is not None:
            cells = self._plan.cells
            rows, columns = (_places(side * cells, of, cells) for side, of in zip(whole, cell, strict=True))
            truth, cell = truth[rows][:, columns], (cells, cells)
        for attempt in range(TRIES):
            top, left = (
                number("fusioner-place", one.key, attempt, axis) % (large - small + 1)
                for axis, large, small in zip(("top", "left"), whole, part, strict=True)
            )
            seen = truth[top * cell[0] : (top + part[0]) * cell[0], left * cell[1] : (left + part[1]) * cell[1]]
            if bool((seen == 1).any()):
                break
        grid = tokens.reshape(*whole, -1)[top : top + part[0], left : left + part[1]]
        if fraction("fusioner-mirror", one.key) < self._plan.flip:
            grid, seen = grid.flip(1), seen.flip(1)
        return grid.flatten(0, 1), seen

    def _drawn(self, epoch: int, place: int) -> int:
        height = fraction("fusioner-draw", self._seed, epoch, place) * self._heights[-1]
        return min(bisect_right(self._heights, height), len(self._heights) - 1)


def _places(points: int, cell: int, cells: int) -> Tensor:
    """Which pixels along a side stand for its ``points``: nearest neighbour, ``cells`` of each ``cell`` pixels."""
    import torch

    return torch.arange(points) * cell // cells


@lru_cache(maxsize=2)
def _order(pairs: int, seed: int, epoch: int) -> list[int]:
    """The pairs of an epoch, shuffled; kept, since each of its steps needs it."""
    return shuffled(pairs, "fusioner-order", seed, epoch)


def losses(logits: Tensor, truths: Tensor, bce: float, dice: float) -> Loss:
    """The loss of B logits H x W against truths of 0, 1 and 255 (left out).

    Cross-entropy alone is over all pixels of the batch, as published. With a Dice term (Milletari et al., 3DV 2016)
    each photograph counts alike.
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
