"""A contact sheet of a benchmark: some of its samples with masks and names, to see at a glance whether they fit.

Which samples: ``pick`` takes one from each of n equal stretches of the val list, the same ones at every call. How:
each is a card, its picture, its id, and its classes in the colours in which they are painted (``painted_labels``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.index.truths import VOID, check_prompt_count
from fsbench.io.files import atomic_write, check_writable
from fsbench.io.locks import one_writer
from fsbench.io.palette import INK, WHITE, Colour, colour_of
from fsbench.parallel import in_threads
from fsbench.pictures.captions import Field, fields, paragraph
from fsbench.pictures.painted_labels import Pixels, fitted, paint

MOST = 240
"""Samples on one sheet: more would be no picture that a viewer opens."""
GOLDEN = 61803, 100000
"""The golden ratio, whose multiples are evenly spread modulo 1."""
BOX = 300, 300
"""Height and width that a picture is fitted into."""
GAP, MARGIN = 26, 30
GREY: Colour = (105, 110, 118)
TITLE, NOTE, NAME, ID = 24, 14, 15, 12
LINES = 4
ACROSS = 8
ENLARGED = 4.0


@dataclass(frozen=True)
class Picked:
    """A sample of a val list and its classes there, in list order."""

    sample: str
    class_ids: tuple[int, ...]


def pick(benchmark: Benchmark, n: int, fold: str | None = None) -> tuple[list[Picked], int]:
    """One sample of each of ``n`` equal stretches of the val list of ``fold`` (None: all folds); and the list's length.

    Of the i-th stretch the sample at the fraction i * 0.618… mod 1 is taken, so that a list in a regular order, ten
    samples a class, does not give the first of ten each time. Only samples that are present and have a mask count.
    Raises FsbenchError for a list without any, and for an unknown fold.
    """
    folds = list(benchmark.lists.folds) if fold is None else [benchmark.lists.check_fold(fold)]
    scenes = benchmark.lists.scenes
    classes: dict[str, dict[int, None]] = {}
    for name in folds:
        for sample, class_id in benchmark.lists.val[name]:
            present = sample in benchmark.present and sample not in benchmark.lists.without_mask
            if present or (scenes and sample in scenes.tiles):
                classes.setdefault(sample, {})[class_id] = None
    if not classes:
        where = f"fold {fold}" if fold is not None else "any fold"
        raise FsbenchError(
            f"{benchmark.folder}: no val sample of {where} is present: build it from more of the raw data"
            + (", or show another fold" if fold is not None else "")
        )
    samples = [Picked(sample, tuple(ids)) for sample, ids in classes.items()]
    n = min(n, len(samples))
    ends = [i * len(samples) // n for i in range(n + 1)]
    within = [i * GOLDEN[0] % GOLDEN[1] for i in range(n)]
    return [samples[ends[i] + (ends[i + 1] - ends[i]) * within[i] // GOLDEN[1]] for i in range(n)], len(samples)


def contact_sheet(
    benchmark: Benchmark, path: Path, *, n: int = 12, fold: str | None = None, workers: int | None = None
) -> tuple[int, int]:
    """Write a PNG of ``n`` val samples with their masks and names; returns how many, and of how many.

    Raises FsbenchError where no sample is present, a raw file is missing or altered, or ``path`` cannot be written.
    """
    if not 1 <= n <= MOST:
        raise FsbenchError(f"{n} samples: expected 1 to {MOST}: make several sheets, fold by fold")
    if path.suffix.lower() != ".png" or path.is_dir():
        raise FsbenchError(f"{path}: expected the name of a file that ends in .png")
    samples, present = pick(benchmark, n, fold)
    check_writable(path.parent)
    with one_writer(path):
        drawn = list(in_threads(lambda one: _card(benchmark, one), samples, workers, "pictures"))
        title = benchmark.title + (f" · fold {fold}" if fold is not None else "")
        note = f"{len(samples)} of {present} val samples present, from all parts of the list"
        if any(void for _, void in drawn):
            note += "; grey: void, or several classes at once"
        sheet = _sheet([card for card, _ in drawn], title, note)
        with atomic_write(path) as temporary:
            sheet.save(temporary, format="PNG")
    return len(samples), present


def _card(benchmark: Benchmark, one: Picked) -> tuple[Image.Image, bool]:
    """A sample's card, and whether any of its pixels is void."""
    check_prompt_count(one.class_ids)
    image, labels = benchmark.image(one.sample), benchmark.labels(one.sample, one.class_ids)
    several = len(one.class_ids) > 1
    picture = paint(image, labels, fitted(image.shape[0], image.shape[1], BOX, ENLARGED), numbered=several)
    name_of = {c.id: c.name for c in benchmark.lists.classes}
    names = [_name(place, name_of[class_id], labels, several) for place, class_id in enumerate(one.class_ids)]
    captions = paragraph(one.sample, ID, GREY, BOX[1], LINES), fields(names, NAME, BOX[1], LINES)
    return _stacked([picture, *captions], BOX[1], 6), bool((labels == VOID).any())


def _name(place: int, name: str, labels: Pixels, several: bool) -> Field:
    visible = bool(np.any(labels == place + 1))
    text = (f"{place + 1} " if several else "") + name + ("" if visible else " (no pixel of its own)")
    return Field(text, colour_of(place), filled=visible)


def _stacked(pictures: Sequence[Image.Image], width: int, apart: int) -> Image.Image:
    stacked = Image.new(
        "RGB", (width, sum(picture.height for picture in pictures) + apart * (len(pictures) - 1)), WHITE
    )
    top = 0
    for picture in pictures:
        stacked.paste(picture, (0, top))
        top += picture.height + apart
    return stacked


def _sheet(cards: Sequence[Image.Image], title: str, note: str) -> Image.Image:
    """All cards in rows as high as their highest, under a title and a line."""
    across = min(len(cards), ACROSS, max(2, ceil(sqrt(len(cards) * 4 / 3))))
    width = max(2, across) * (BOX[1] + GAP) - GAP
    rows = [cards[first : first + across] for first in range(0, len(cards), across)]
    head = _stacked([paragraph(title, TITLE, INK, width, LINES), paragraph(note, NOTE, GREY, width, LINES)], width, 2)
    heights = [max(card.height for card in row) for row in rows]
    height = 2 * MARGIN + head.height + sum(heights) + GAP * len(rows)
    sheet = Image.new("RGB", (2 * MARGIN + width, height), WHITE)
    sheet.paste(head, (MARGIN, MARGIN))
    top = MARGIN + head.height + GAP
    for row, row_height in zip(rows, heights, strict=True):
        for column, card in enumerate(row):
            sheet.paste(card, (MARGIN + column * (BOX[1] + GAP), top))
        top += row_height + GAP
    return sheet
