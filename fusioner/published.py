"""What was published of Fusioner: its rows of Tables 1, 2 and 5, and the names that their encoders have here.

mIoU in %, folds 0 to 3 and their mean. Source: Ma et al., "Open-vocabulary Semantic Segmentation with Frozen
Vision-Language Models", BMVC 2022 (arXiv 2210.15138), the tables of the project page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fsbench.errors import FsbenchError

PASCAL, COCO, TRANSFER = "pascal-5i", "coco-20i", "coco-20i-to-pascal-voc"
TABLES = ("table1", "table2", "table5")
FOLDS = ("0", "1", "2", "3")

VISUAL = {
    "CLIP-B": "clip-vit-b-16",
    "CLIP-L": "clip-vit-l-14",
    "DINO-B": "dino-vit-b-16",
    "MoCo-B": "moco-v3-vit-b-16",
    "RN101": "clip-rn101",
    "ViT-L/14": "clip-vit-l-14",
}
TEXT = {"CLIP-B": "clip-vit-b-16", "CLIP-L": "clip-vit-l-14", "BERT-B": "bert-base", "BERT-L": "bert-large"}
"""Names in the paper -> names here. Table 2 and 5 say ``CLIP`` for the text tower of the same CLIP."""

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

    ``said``: the encoders as the paper calls them; ``benchmark``: what was tested on.
    """

    table: str
    row: int
    said: str
    visual: str
    text: str
    fusion: Literal["early", "late"]
    benchmark: str
    folds: tuple[float, ...]
    mean: float

    @property
    def trained_on(self) -> str:
        """The benchmark whose train lists it learns from."""
        return COCO if self.benchmark == TRANSFER else self.benchmark


def rows_of(table: str) -> list[Published]:
    """The rows of ``table1``, ``table2`` or ``table5``; raises FsbenchError for any other."""
    if table not in TABLES:
        raise FsbenchError(f"no grid {table!r}: choose one of {', '.join(TABLES)}")
    found: list[Published] = []
    for visual, text, fusion, benchmark, scores in {"table1": _table_1, "table2": _table_2, "table5": _table_5}[
        table
    ]():
        reading = VISUAL[visual] if text == "CLIP" else TEXT[text]
        *folds, mean = scores
        row = len(found) + 1
        said = f"{visual} + {text}"
        found.append(Published(table, row, said, VISUAL[visual], reading, fusion, benchmark, tuple(folds), mean))
    return found


_Row = tuple[str, str, Literal["early", "late"], str, Scores]


def _table_1() -> Iterator[_Row]:
    for visual, text, early, late in _TABLE_1:
        yield visual, text, "early", PASCAL, early
        yield visual, text, "late", PASCAL, late


def _table_2() -> Iterator[_Row]:
    return ((visual, "CLIP", "early", benchmark, scores) for visual, benchmark, scores in _TABLE_2)


def _table_5() -> Iterator[_Row]:
    return ((visual, "CLIP", "early", TRANSFER, scores) for visual, scores in _TABLE_5)


def reproductions() -> str:
    """The table of ``docs/reproductions.md``: a Markdown row for every published result."""
    lines = [
        "| published in | model | weights: visual | text | command | published, folds 0 to 3 | mean | ours | status |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in (row for table in TABLES for row in rows_of(table)):
        where = f"Table {row.table.removeprefix('table')}, row {row.row}: {row.benchmark}"
        cells = [
            where,
            f"{row.said}, {row.fusion} fusion",
            f"`{row.visual}`",
            f"`{row.text}`",
            f"`fsbench fusioner grid {row.table} --row {row.row} --run`",
            "  ".join(f"{score:.1f}" for score in row.folds),
            f"{row.mean:.1f}",
            "-",
            "not run",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)
