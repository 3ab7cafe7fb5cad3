"""From a model's answer to masks at the size where pixels are compared, or to an error with what was expected.

Scores are resized bilinearly (align_corners off) and thresholded at 0 afterwards; masks and truths are resized by
nearest neighbour, so that no label is ever blended. Scores stay on the model's device until they are masks
(``score_maps.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fsbench.engine.score_maps import score_labels, score_masks
from fsbench.io.resize import Size, resize_nearest
from fsbench.records.score_stats import NO_SCORES, ScoreStats

if TYPE_CHECKING:
    from torch import Tensor

Masks = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]

MASK_DTYPES = frozenset({"torch.bool", *(f"torch.{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))})


class BadAnswerError(ValueError):
    """An invalid answer to one episode; the message gives what it is and what was expected."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A valid answer to one episode.

    ``values``: finite float scores K x H' x W', on the model's device, or a bool mask K x h x w at ``target`` size;
    ``stats``: of its scores.
    """

    values: Tensor | Masks
    target: Size
    stats: ScoreStats

    def masks(self) -> Masks:
        """bool K x h x w at ``target`` size: where a score is above 0, or the mask itself."""
        return self.values if isinstance(self.values, np.ndarray) else score_masks(self.values, self.target)

    def labels(self) -> Labels:
        """uint8 h x w at ``target`` size, for classes asked together: place of the class + 1, 0 background.

        The label is the largest positive score, of equal ones the first; so of a mask the first class that is true.
        """
        if isinstance(self.values, np.ndarray):
            first = np.where(self.values.any(axis=0), self.values.argmax(axis=0) + 1, 0)
            return first.astype(np.uint8)
        return score_labels(self.values, self.target)


def as_masks(answer: object, prompts: int, own: Size, target: Size) -> Masks:
    """The answer as bool K x h x w at ``target`` size; raises BadAnswerError as ``read_answer``."""
    return read_answer(answer, prompts, own, target).masks()


def read_answer(answer: object, prompts: int, own: Size, target: Size) -> Answer:
    """Check the answer to one episode.

    ``answer``: a torch tensor or numpy array, either float K x H' x W' of finite scores, or a mask K x H x W (bool, or
    integers 0 and 1) at ``own``, the query's size, or at ``target`` size. Raises BadAnswerError for anything else.
    """
    import torch

    if not isinstance(answer, torch.Tensor | np.ndarray) or isinstance(answer, np.ma.MaskedArray):
        raise BadAnswerError(f"got {type(answer).__name__}, expected a torch.Tensor or a numpy array")
    if isinstance(answer, torch.Tensor) and (answer.is_nested or answer.layout != torch.strided or answer.is_meta):
        raise BadAnswerError("got a nested, sparse or meta tensor, expected a dense one with values")
    shape = tuple(answer.shape)
    if len(shape) != 3 or shape[0] != prompts or 0 in shape:
        raise BadAnswerError(f"got shape {shape}, expected ({prompts}, height, width)")
    if isinstance(answer, torch.Tensor) and answer.is_floating_point():
        scores = answer.detach().to(torch.float64 if answer.dtype == torch.float64 else torch.float32)
    elif isinstance(answer, np.ndarray) and answer.dtype.kind == "f":
        scores = _tensor(answer)
    else:
        return Answer(_mask(answer, own, target), target, NO_SCORES)
    return Answer(scores, target, _stats(scores))


def _tensor(scores: npt.NDArray[Any]) -> Tensor:
    """A copy: torch takes no negative strides and no foreign byte order, and warns of arrays that are read-only."""
    import torch

    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, which is refused
        return torch.from_numpy(np.array(scores, np.float64 if scores.dtype.itemsize > 4 else np.float32, order="C"))


def _stats(scores: Tensor) -> ScoreStats:
    """The statistics of scores; raises BadAnswerError unless all are finite."""
    import torch

    low, high = torch.stack(torch.aminmax(scores)).tolist()  # both NaN where any score is
    if not (isfinite(low) and isfinite(high)):
        raise BadAnswerError("got NaN or infinite scores, expected finite ones")
    if low < 0 or high > 1:
        return ScoreStats(scores.numel(), beyond=True)
    return ScoreStats(scores.numel(), int(torch.count_nonzero((scores > 0) & (scores < 1))))


def _mask(answer: Tensor | npt.NDArray[Any], own: Size, target: Size) -> Masks:
    """A mask as bool K x h x w at ``target`` size; a copy, as the model may reuse its array before this is counted."""
    if not (answer.dtype.kind in "biu" if isinstance(answer, np.ndarray) else str(answer.dtype) in MASK_DTYPES):
        raise BadAnswerError(f"got dtype {answer.dtype}, expected float scores, or a mask of bools or of 0 and 1")
    array: npt.NDArray[Any] = answer if isinstance(answer, np.ndarray) else answer.cpu().numpy()
    kind = "a bool" if array.dtype == np.bool_ else "an integer"
    if kind != "a bool" and not 0 <= array.min() <= array.max() <= 1:
        raise BadAnswerError(
            f"got integers from {array.min()} to {array.max()}, expected a mask of 0 and 1, or float scores: answer "
            "mask > 0, or the scores as floats"
        )
    if array.shape[1:] not in (own, target):
        sizes = f"{len(array)} x {own[0]} x {own[1]}"
        sizes += "" if own == target else f" or {len(array)} x {target[0]} x {target[1]}"
        raise BadAnswerError(f"got {kind} mask of {' x '.join(map(str, array.shape))}, expected {sizes}")
    return np.array(array if array.shape[1:] == target else resize_nearest(array, target), np.bool_)
