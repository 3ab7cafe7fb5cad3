"""The queries of the mosaics: each for every class in it, and for one class that is not.

A query id is the mosaic's number in six digits, a class id the class's place in the byte-sorted class list.
``fsbench.episodes.draws`` makes the episodes of protocol ``mosaic4-v1`` from them.
"""

from __future__ import annotations

import hashlib
from itertools import groupby

from mosaic4.recipe import Recipe, class_of
from mosaic4.synonyms import near


def mosaic_id(mosaic: int) -> str:
    """The query id of a mosaic.

    >>> mosaic_id(123)
    '000123'
    """
    return f"{mosaic:06d}"


def present_pairs(recipe: Recipe) -> tuple[tuple[str, int], ...]:
    """(query, class id) mosaic by mosaic, position by position."""
    ids = _class_ids(recipe)
    return tuple(
        (mosaic_id(mosaic), ids[class_of(sample)])
        for mosaic, samples in enumerate(recipe.mosaics)
        for sample in samples
    )


def absent_classes(recipe: Recipe) -> dict[str, int]:
    """Query -> the absent class that it asks for: the smallest ``sha256("{name}|{seed}|absent|{i}|{class}")``.

    A class that names nearly the same thing as one in the mosaic is present. Without an absent class, none is asked.
    """
    ids = _class_ids(recipe)
    found = {}
    for mosaic, samples in enumerate(recipe.mosaics):
        taken = frozenset[str]().union(*(near(class_of(sample)) for sample in samples))
        prefix = hashlib.sha256(f"{recipe.name}|{recipe.seed}|absent|{mosaic}|".encode())
        ranked = []
        for key in recipe.classes:
            if key not in taken:
                digest = prefix.copy()
                digest.update(key.encode())
                ranked.append((digest.digest(), key))
        if ranked:
            found[mosaic_id(mosaic)] = ids[min(ranked)[1]]
    return found


def support_samples(recipe: Recipe) -> dict[int, tuple[str, ...]]:
    """Class id -> its samples in sample order, from which supports are drawn."""
    of_class = {key: tuple(samples) for key, samples in groupby(recipe.samples, class_of)}
    return {class_id: of_class[key] for key, class_id in _class_ids(recipe).items()}


def _class_ids(recipe: Recipe) -> dict[str, int]:
    return {key: class_id for class_id, key in enumerate(recipe.classes)}
