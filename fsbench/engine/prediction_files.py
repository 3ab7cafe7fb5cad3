"""Predictions as files: how any program hands in masks, and how they are kept with a record.

``DIR/fold{F}/{number:06d}.png``: non-zero is foreground; where several classes are asked together, a pixel's value is
the place of its class among them, from 1, and 0 is none. ``DIR/fold{F}/manifest.sha256``: the SHA-256 of the manifest
that the fold answers (that of all episodes, ``--limit`` or not). ``DIR/card.json`` may hold a model card. Such folders
may be untrusted: only limited numbers of bytes are read.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fsbench.errors import FsbenchError
from fsbench.io.files import atomic_write, make_folder, write_text
from fsbench.io.images import image_size, read_indices, read_raw_pixels
from fsbench.io.palette import palette_image
from fsbench.io.resize import Size
from fsbench.io.untrusted import open_regular, read_bytes
from fsbench.models.contract import ModelCard
from fsbench.records.folder import remove_predictions

MANIFEST = "manifest.sha256"
CARD = "card.json"
LARGEST_CARD = 2**20
LARGEST_PNG = 64 * 2**20
_LARGEST_DIGEST = 4096
_PNG = b"\x89PNG\r\n\x1a\n"


def fold_folder(folder: Path, fold: str) -> Path:
    """The folder of a fold's predictions."""
    return folder / f"fold{fold}"


def prediction_file(folder: Path, number: int) -> Path:
    """The PNG of an episode in a fold's folder."""
    return folder / f"{number:06d}.png"


def begin_fold(folder: Path, manifest_sha256: str, *, resume: bool) -> None:
    """Prepare a fold's folder for writing; emptied unless a run is to ``resume``."""
    if not resume:
        remove_predictions(folder)
    for cut_off in make_folder(folder).glob(".*.tmp"):
        cut_off.unlink(missing_ok=True)
    write_text(folder / MANIFEST, f"{manifest_sha256}\n")


def write_prediction(path: Path, mask: npt.NDArray[np.bool_] | npt.NDArray[np.uint8], classes: int) -> None:
    """Write what was counted, atomically: a bool mask H x W with 1 bit a pixel, or labels in a palette.

    ``mask``: bool, or uint8 of places from 1 among ``classes``, painted as ``fsbench segment --labels`` does.
    """
    if mask.dtype == np.bool_:
        picture = Image.fromarray(np.ascontiguousarray(mask))
    else:
        picture = palette_image(mask.astype(np.uint8, copy=False), classes)
    with atomic_write(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def write_card(folder: Path, card: ModelCard) -> None:
    """Write the card of the model that answered, without a record's further fields."""
    plain = ModelCard(**{name: getattr(card, name) for name in ModelCard.model_fields})
    write_text(folder / CARD, plain.model_dump_json(indent=1) + "\n")


def read_digest(folder: Path) -> str:
    """The manifest's digest in a fold's folder, empty for an empty file; raises FsbenchError for a missing file."""
    path = folder / MANIFEST
    try:
        text = read_bytes(path, _LARGEST_DIGEST)
    except OSError as error:
        raise FsbenchError(
            f"{path}: is missing: write the SHA-256 of the manifest you answered ('fsbench episodes')"
        ) from error
    return (text.decode("utf-8", errors="replace").split() or [""])[0]


def png_sha256(path: Path) -> str:
    """SHA-256 (hex) of a PNG's bytes; raises FsbenchError for a file that is none of a mask's kind or size."""
    try:
        return hashlib.sha256(read_bytes(path, LARGEST_PNG)).hexdigest()
    except OSError as error:
        raise _unread(path, error) from error


def check_mask_size(path: Path, own: Size, target: Size) -> None:
    """Raise FsbenchError unless a PNG's header says the query's ``own`` size or the protocol's (height, width)."""
    _check_png(path)
    size = image_size(path)
    if size not in (own, target):
        either = f"{own[0]} x {own[1]}" + ("" if own == target else f" or {target[0]} x {target[1]}")
        raise FsbenchError(f"{path}: is {size[0]} x {size[1]} (height x width), expected {either}")


def read_planes(path: Path, classes: int) -> npt.NDArray[np.bool_]:
    """bool K x H x W: the foreground where one class was asked, else a plane for each place that the PNG's values name.

    Foreground is what is not zero: palette images by index, colour in any band but alpha.
    Raises FsbenchError for a file that is no PNG or broken, and for a value beyond the number of classes.
    """
    _check_png(path)
    if classes == 1:
        pixels, bands = read_raw_pixels(path)
        colour = [place for place, band in enumerate(bands) if band != "A"]
        foreground: npt.NDArray[np.bool_] = (pixels[..., colour] != 0).any(axis=-1)
        return foreground[None]
    labels = read_indices(path)
    if labels.max() > classes:
        raise FsbenchError(
            f"{path}: holds the value {labels.max()}, but {classes} classes are asked: expected 0..{classes}"
        )
    planes: npt.NDArray[np.bool_] = labels == np.arange(1, classes + 1, dtype=np.uint8)[:, None, None]
    return planes


def _check_png(path: Path) -> None:
    """Raise FsbenchError for a pipe, a file of another kind, and one too large to be a mask, before it is decoded."""
    try:
        with open_regular(path) as file:
            size, start = os.fstat(file.fileno()).st_size, file.read(len(_PNG))
    except OSError as error:
        raise _unread(path, error) from error
    if start != _PNG or size > LARGEST_PNG:
        fault = "is no PNG" if start != _PNG else f"is larger than {LARGEST_PNG >> 20} MiB"
        raise FsbenchError(f"{path}: {fault}: write one PNG per episode")


def _unread(path: Path, error: OSError) -> FsbenchError:
    return FsbenchError(f"{path}: cannot be read ({error.strerror}): write one PNG per episode")
