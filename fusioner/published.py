"""Published results of Fusioner: its rows of Tables 1, 2 and 5, with our names of the encoders.

mIoU in %, folds 0 to 3 and their mean. Source: Ma et al., "Open-vocabulary Semantic Segmentation with Frozen
Vision-Language Models", BMVC 2022 (arXiv 2210.15138), the tables of the project page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PASCAL, COCO, TRANSFER = "pascal-5i", "coco-20i", "coco-20i-to-pascal-voc"
TABLES = ("table1", "table2", "table5")
FOLDS = ("0", "1", "2", "3")
Fusion = Literal["early", "late"]
FUSIONS: tuple[Fusion, Fusion] = ("early", "late")

VISUAL = {
    "CLIP-B": "clip-vit-b-16",
    "CLIP-L": "clip-vit-l-14",
    "DINO-B": "dino-vit-b-16",
    "MoCo-B": "moco-v3-vit-b-16",
    "RN101": "clip-rn101",
    "ViT-L/14": "clip-vit-l-14",
}
TEXT = {"CLIP-B": "clip-vit-b-16", "CLIP-L": "clip-vit-l-14", "BERT-B": "bert-base", "BERT-L": "bert-large"}
"""The paper's names -> ours. In Tables 2 and 5, ``CLIP`` is the text tower of the same CLIP."""

Scores = tuple[float, float, float, float, float]

_TABLE_1: tuple[tuple[str, str, Scores, Scores], ...] = (
    ("CLIP-B", "CLIP-B", (50.2, 62.4, 51.5, 44.4, 52.1), (46.3, 55.2, 36.4, 36.7, 43.6)),
    ("CLIP-B", "BERT-B", (46.6, 61.3, 44.6, 43.7, 49.1), (47.5, 58.5, 38.5, 39.1, 45.9)),
    ("CLIP-B", "BERT-L", (48.5, 59.3, 47.5, 43.8, 49.7), (47.0, 56.6, 41.4, 38.8, 46.0)),
    ("CLIP-L", "CLIP-L", (61.9, 70.0, 51.2, 52.7, 59.0), (52.6, 58.4, 45.9, 43.7, 50.1)),
    ("CLIP-L", "BERT-B", (56.9, 66.0, 45.9, 49.6, 54.6), (56.5, 60.2, 44.6, 47.0, 52.1)),
    ("CLIP-L", "BERT-L", (56.0, 64.4, 43.7, 52.0, 54.0), (55.3, 60.5, 46.3, 46.3, 52.1)),
    ("DINO-B", "CLIP-B", (56.4, 67.1, 49.8, 47.5, 55.2), (57.1, 64.6, 48.5, 46.2, 54.1)),
    ("DINO-B", "BERT-B", (56.7, 65.1, 48.5, 45.2, 53.9), (54.2, 61.4, 48.7, 48.8, 53.3)),
    ("DINO-B", "BERT-L", (56.1, 65.8, 48.7, 44.2, 53.7), (57.4, 65.1, 48.5, 46.3, 54.3)),
    ("MoCo-B", "CLIP-B", (58.9, 67.0, 47.7, 51.7, 56.3), (56.4, 64.9, 47.1, 49.5, 54.5)),
    ("MoCo-B", "BERT-B", (59.7, 65.3, 47.3, 53.4, 56.4), (57.4, 66.1, 46.6, 51.2, 55.3)),
    ("MoCo-B", "BERT-L", (59.1, 65.7, 49.5, 53.1, 56.8), (54.9, 65.0, 49.8, 50.6, 55.0)),
)
"""PASCAL-5i: visual, text, early fusion, late fusion."""
_TABLE_2: tuple[tuple[str, str, Scores], ...] = (
    ("RN101", PASCAL, (46.8, 56.0, 42.2, 40.7, 46.4)),
    ("RN101", COCO, (26.7, 34.1, 26.3, 23.4, 27.6)),
    ("ViT-L/14", PASCAL, (61.9, 70.0, 51.2, 52.7, 59.0)),
    ("ViT-L/14", COCO, (31.7, 35.7, 34.9, 31.8, 33.5)),
)
_TABLE_5: tuple[tuple[str, Scores], ...] = (
    ("RN101", (31.0, 53.7, 41.7, 51.3, 44.4)),
    ("ViT-L/14", (39.9, 70.7, 47.8, 67.6, 56.5)),
)
"""Trained on COCO-20i, tested on PASCAL VOC."""


@dataclass(frozen=True)
class Published:
    """A published result: row ``row`` (from 1) of ``table``, encoders by their names here, ``folds`` and ``mean`` in %.

    ``encoders``: their names in the paper; ``benchmark``: the tested one.
    """

    table: str
    row: int
    encoders: str
    visual: str
    text: str
    fusion: Fusion
    benchmark: str
    folds: tuple[float, ...]
    mean: float

    @property
    def trained_on(self) -> str:
        """The benchmark whose train lists are used."""
        return COCO if self.benchmark == TRANSFER else self.benchmark


def rows_of(table: str) -> list[Published]:
    """The rows of ``table1``, ``table2`` or ``table5``."""
    rows: list[tuple[str, str, Fusion, str, Scores]]
    if table == "table1":
        rows = [(v, t, f, PASCAL, s) for v, t, *scores in _TABLE_1 for f, s in zip(FUSIONS, scores, strict=True)]
    elif table == "table2":
        rows = [(visual, "CLIP", "early", benchmark, scores) for visual, benchmark, scores in _TABLE_2]
    else:
        rows = [(visual, "CLIP", "early", TRANSFER, scores) for visual, scores in _TABLE_5]
    found = []
    for row, (visual, text, fusion, benchmark, (*folds, mean)) in enumerate(rows, 1):
        ours = VISUAL[visual], VISUAL[visual] if text == "CLIP" else TEXT[text]
        found.append(Published(table, row, f"{visual} + {text}", *ours, fusion, benchmark, tuple(folds), mean))
    return found
