"""From a model's answer to masks at the size where pixels are compared, or to an error that says what was expected.

Scores are resized bilinearly (align_corners off) and thresholded at 0 afterwards; bool masks and truths are resized
by nearest neighbour, so that no label is ever blended.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Size = tuple[int, int]


class BadAnswerError(ValueError):
    """The answer to one episode is no prediction; the message says what it is and what was expected."""


def as_masks(answer: object, prompts: int, own: Size, target: Size) -> npt.NDArray[np.bool_]:
    """The answer to one episode as bool K x h x w at ``target`` size.

    ``own`` is the query's size. Raises BadAnswerError for anything but a float K x H' x W' of finite numbers or a
    bool K x H x W at ``own`` or ``target`` size.
    """
    checked = _checked(answer, prompts, own, target)
    if isinstance(checked, np.ndarray):
        return checked
    foreground: npt.NDArray[np.bool_] = (_resize_scores(checked, target) > 0).numpy()
    return foreground


def as_labels(answer: object, prompts: int, own: Size, target: Size) -> npt.NDArray[np.uint8]:
    """The answer to classes asked together, at ``target`` size: uint8 h x w, place of the class + 1, 0 background.

    The label is the largest positive score, of equal ones the first; so of a bool mask the first class that is true.
    Raises BadAnswerError as ``as_masks``.
    """
    checked = _checked(answer, prompts, own, target)
    if isinstance(checked, np.ndarray):
        first = np.where(checked.any(axis=0), checked.argmax(axis=0) + 1, 0)
        return first.astype(np.uint8)
    scores = _resize_scores(checked, target).numpy()
    place = scores.argmax(axis=0)  # the first of equal ones, which torch's max does not promise
    largest = np.take_along_axis(scores, place[None], axis=0)[0]
    labels: npt.NDArray[np.uint8] = np.where(largest > 0, place + 1, 0).astype(np.uint8)
    return labels


def _checked(answer: object, prompts: int, own: Size, target: Size) -> Tensor | npt.NDArray[np.bool_]:
    """Finite float scores K x H' x W' on the CPU, or a bool mask K x h x w at ``target`` size."""
    import torch

    if not isinstance(answer, torch.Tensor):
        raise BadAnswerError(f"got {type(answer).__name__}, expected a torch.Tensor")
    if answer.is_nested or answer.layout != torch.strided or answer.is_meta:
        raise BadAnswerError("got a nested, sparse or meta tensor, expected a dense one with values")
    shape = tuple(answer.shape)
    if len(shape) != 3 or shape[0] != prompts or 0 in shape:
        raise BadAnswerError(f"got shape {shape}, expected ({prompts}, height, width)")
    if answer.dtype == torch.bool:
        if shape[1:] not in (own, target):
            sizes = f"{prompts} x {own[0]} x {own[1]}"
            sizes += "" if own == target else f" or {prompts} x {target[0]} x {target[1]}"
            raise BadAnswerError(f"got a bool mask of {' x '.join(map(str, shape))}, expected {sizes}")
        mask: npt.NDArray[np.bool_] = answer.cpu().numpy()
        # a copy: the model may fill its tensor anew while this mask waits to be counted
        return mask.copy() if shape[1:] == target else resize_nearest(mask, target)
    if not answer.is_floating_point():
        raise BadAnswerError(f"got dtype {answer.dtype}, expected float scores or a bool mask")
    scores = answer.detach().to("cpu", torch.float64 if answer.dtype == torch.float64 else torch.float32)
    if not bool(torch.isfinite(scores).all()):
        raise BadAnswerError("got NaN or infinite scores, expected finite ones")
    return scores


def _resize_scores(scores: Tensor, target: Size) -> Tensor:
    from torch.nn.functional import interpolate

    if tuple(scores.shape[1:]) == target:
        return scores
    return interpolate(scores[None], target, mode="bilinear", align_corners=False)[0]


@lru_cache(maxsize=4096)
def _nearest(size: int, target: int) -> npt.NDArray[np.intp]:
    # torch's interpolate(mode="nearest") multiplies in float32; where that rounds below floor(i * size / target),
    # the reference implementations compared another pixel, and so do we.
    scale = np.float32(size) / np.float32(target)
    rows = np.floor(np.arange(target, dtype=np.float32) * scale)
    index: npt.NDArray[np.intp] = np.minimum(rows.astype(np.intp), size - 1)
    index.setflags(write=False)
    return index


def resize_nearest(array: npt.NDArray[Any], target: Size) -> npt.NDArray[Any]:
    """The last two axes of ``array`` resized to ``target`` by nearest neighbour, exactly as torch does it."""
    rows, columns = _nearest(array.shape[-2], target[0]), _nearest(array.shape[-1], target[1])
    resized: npt.NDArray[Any] = array[..., rows[:, None], columns[None, :]]
    return resized
