"""Pictures of what was asked, what was answered and what is true, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fsbench.engine.answers import Asked
from fsbench.engine.batches import read_episodes
from fsbench.engine.outputs import as_masks
from fsbench.engine.plan import Plan
from fsbench.engine.reading import Reader
from fsbench.io.files import atomic_write
from fsbench.scoring.metrics import count

Pixels = npt.NDArray[np.uint8]
CELL = 200
CAPTION = 26
MARGIN = 10
PAPER, INK, GREY = (255, 255, 255), (30, 33, 38), (120, 126, 134)
SUPPORT, TRUTH, PREDICTION = (255, 176, 0), (0, 158, 115), (0, 90, 255)


def overlay(image: Pixels, mask: npt.NDArray[np.bool_], colour: tuple[int, int, int]) -> Pixels:
    """``image`` (H x W x 3) with ``mask`` (H x W) as it is and outlined in ``colour``; the rest is paled."""
    pale = (image.astype(np.uint16) + 255 * 3) // 4
    shown = np.where(mask[..., None], image, pale).astype(np.uint8)
    shown[_outline(mask)] = colour
    return shown


def _outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of the mask within two pixels of its edge."""
    inner = np.pad(mask, 2)
    shifts = [(dy, dx) for dy in (0, 2, 4) for dx in (0, 2, 4)]
    height, width = mask.shape
    eroded = np.logical_and.reduce([inner[dy : dy + height, dx : dx + width] for dy, dx in shifts])
    outline: npt.NDArray[np.bool_] = mask & ~eroded
    return outline


def answers_sheet(plan: Plan, fold: str, numbers: Sequence[int], path: Path) -> None:
    """Write a PNG: per episode a row with the first support, the query's truth, and the model's answer.

    ``plan`` must ask with at least one support. The model is run on these episodes alone.
    """
    questions = [plan.manifests[fold].questions[number] for number in numbers]
    episodes = read_episodes(Reader(plan.benchmark), plan.protocol, questions)
    answers = plan.answers[fold].answer([Asked(number, 1) for number in numbers], episodes)
    rows = []
    for question, episode, answer in zip(questions, episodes, answers, strict=True):
        image = plan.benchmark.image(question.query)
        truth = plan.benchmark.support_mask(question.query, question.class_ids[0])
        size = (image.shape[0], image.shape[1])
        mask = as_masks(answer, 1, size, size)[0]
        counts = count(mask, truth)
        union = counts.predicted + counts.truth - counts.intersection
        prompt = episode.prompts[0]
        support = prompt.support_images[0].permute(1, 2, 0).numpy()
        rows.append(
            (
                (overlay(support, prompt.support_masks[0].numpy() == 1, SUPPORT), f"support: {prompt.class_name}"),
                (overlay(image, truth == 1, TRUTH), "query: truth"),
                (overlay(image, mask, PREDICTION), f"prediction: IoU {counts.intersection / max(1, union):.2f}"),
            )
        )
    _sheet(rows, path)


def _sheet(rows: Sequence[Sequence[tuple[Pixels, str]]], path: Path) -> None:
    """Rows of captioned pictures, two rows side by side, as a PNG."""
    font = ImageFont.load_default(15)
    across = len(rows[0])
    block = across * (CELL + MARGIN) + 2 * MARGIN
    lines = -(-len(rows) // 2)
    sheet = Image.new("RGB", (2 * block + MARGIN, lines * (CELL + CAPTION + MARGIN) + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, row in enumerate(rows):
        top = MARGIN + (place // 2) * (CELL + CAPTION + MARGIN)
        for column, (pixels, caption) in enumerate(row):
            left = MARGIN + (place % 2) * block + column * (CELL + MARGIN)
            picture = Image.fromarray(pixels)
            picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
            sheet.paste(picture, (left + (CELL - picture.width) // 2, top))
            pen.text((left + 2, top + CELL + 3), caption, INK if column != 1 else GREY, font=font)
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
