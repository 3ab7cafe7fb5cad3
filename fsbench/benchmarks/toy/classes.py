"""The 48 classes of the embedded benchmark ``toy`` and their folds, so that nobody needs a download to try fsbench.

A class is three words that a text model understands: pattern, colour, shape. The table is built so that no word can
be left out. Each shape comes in two patterns times two colours, and each pair of pattern and colour in two shapes;
so every class has a twin that differs in its pattern only, one in its colour only and one in its shape only. Each
fold has every shape once, every colour twice and every pattern three times: an unseen class is a new sentence made
of words that were all seen.
"""

from __future__ import annotations

_TABLE = {
    "0": {
        "checkered": "purple_fish red_house yellow_leaf",
        "dotted": "blue_umbrella orange_arrow red_mushroom",
        "plain": "blue_flower green_heart purple_moon",
        "striped": "green_butterfly orange_star yellow_ring",
    },
    "1": {
        "checkered": "green_leaf purple_ring red_flower",
        "dotted": "blue_mushroom orange_umbrella purple_arrow",
        "plain": "orange_fish red_heart yellow_moon",
        "striped": "blue_star green_house yellow_butterfly",
    },
    "2": {
        "checkered": "blue_star green_house orange_fish",
        "dotted": "green_heart purple_moon yellow_butterfly",
        "plain": "blue_umbrella red_flower yellow_leaf",
        "striped": "orange_arrow purple_ring red_mushroom",
    },
    "3": {
        "checkered": "blue_flower orange_star yellow_ring",
        "dotted": "green_butterfly red_heart yellow_moon",
        "plain": "green_leaf orange_umbrella purple_fish",
        "striped": "blue_mushroom purple_arrow red_house",
    },
}
FOLDS: dict[str, tuple[str, ...]] = {
    fold: tuple(f"{pattern}_{rest}" for pattern, classes in by_pattern.items() for rest in classes.split())
    for fold, by_pattern in _TABLE.items()
}
"""Fold name to the folder names of its 12 classes."""

CLASS_NAMES: tuple[str, ...] = tuple(sorted(name for fold in FOLDS.values() for name in fold))
"""All folder names in byte order; a class's id is its place here."""

SAMPLES_PER_CLASS = 10
"""Samples of a class are numbered from 1 to this."""


def split_name(class_name: str) -> tuple[str, str, str]:
    """Pattern, colour and shape of a class folder name."""
    pattern, colour, shape = class_name.split("_")
    return pattern, colour, shape


def twins(class_name: str) -> tuple[str, ...]:
    """The classes that differ from ``class_name`` in exactly one word, in byte order."""
    own = split_name(class_name)
    return tuple(
        other for other in CLASS_NAMES if sum(a != b for a, b in zip(own, split_name(other), strict=True)) == 1
    )
