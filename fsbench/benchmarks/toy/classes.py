"""The 48 classes of the embedded benchmark ``toy`` and their folds, so that nobody needs a download to try fsbench.

A class is three words that a text model understands: pattern, colour, shape. The table is built so that no word can
be left out. Each shape comes in two patterns times two colours, and each pair of pattern and colour in two shapes;
so every class has a twin that differs in its pattern only, one in its colour only and one in its shape only. Each
fold has every shape once, every colour twice and every pattern three times: an unseen class is a new sentence made
of words that were all seen.
"""

from __future__ import annotations

PATTERNS = ("checkered", "dotted", "plain", "striped")
COLOURS = ("blue", "green", "orange", "purple", "red", "yellow")
SHAPES = (
    "arrow",
    "butterfly",
    "fish",
    "flower",
    "heart",
    "house",
    "leaf",
    "moon",
    "mushroom",
    "ring",
    "star",
    "umbrella",
)

FOLDS: dict[str, tuple[str, ...]] = {
    "0": (
        "checkered_purple_fish",
        "checkered_red_house",
        "checkered_yellow_leaf",
        "dotted_blue_umbrella",
        "dotted_orange_arrow",
        "dotted_red_mushroom",
        "plain_blue_flower",
        "plain_green_heart",
        "plain_purple_moon",
        "striped_green_butterfly",
        "striped_orange_star",
        "striped_yellow_ring",
    ),
    "1": (
        "checkered_green_leaf",
        "checkered_purple_ring",
        "checkered_red_flower",
        "dotted_blue_mushroom",
        "dotted_orange_umbrella",
        "dotted_purple_arrow",
        "plain_orange_fish",
        "plain_red_heart",
        "plain_yellow_moon",
        "striped_blue_star",
        "striped_green_house",
        "striped_yellow_butterfly",
    ),
    "2": (
        "checkered_blue_star",
        "checkered_green_house",
        "checkered_orange_fish",
        "dotted_green_heart",
        "dotted_purple_moon",
        "dotted_yellow_butterfly",
        "plain_blue_umbrella",
        "plain_red_flower",
        "plain_yellow_leaf",
        "striped_orange_arrow",
        "striped_purple_ring",
        "striped_red_mushroom",
    ),
    "3": (
        "checkered_blue_flower",
        "checkered_orange_star",
        "checkered_yellow_ring",
        "dotted_green_butterfly",
        "dotted_red_heart",
        "dotted_yellow_moon",
        "plain_green_leaf",
        "plain_orange_umbrella",
        "plain_purple_fish",
        "striped_blue_mushroom",
        "striped_purple_arrow",
        "striped_red_house",
    ),
}
"""Fold name to the folder names of its 12 classes."""

CLASS_NAMES: tuple[str, ...] = tuple(sorted(name for fold in FOLDS.values() for name in fold))
"""All folder names in byte order; a class's id is its place here."""

SAMPLES_PER_CLASS = 10
"""Samples of a class are numbered from 1 to this."""


def words(class_name: str) -> tuple[str, str, str]:
    """Pattern, colour and shape of a class folder name."""
    pattern, colour, shape = class_name.split("_")
    return pattern, colour, shape


def twins(class_name: str) -> tuple[str, ...]:
    """The classes that differ from ``class_name`` in exactly one word, in byte order."""
    own = words(class_name)
    return tuple(other for other in CLASS_NAMES if sum(a != b for a, b in zip(own, words(other), strict=True)) == 1)
