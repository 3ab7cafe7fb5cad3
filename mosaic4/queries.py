"""What is asked of the mosaics: each for every class in it, and for one class that is not.

A query id is the mosaic's number in six digits, a class id the class's place in the byte-sorted class list.
``fsbench.episodes.draws`` makes the episodes of protocol ``mosaic4-v1`` from what stands here.
"""

from __future__ import annotations

import hashlib

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
    """Query -> the class asked that is not in it: the smallest ``sha256("{name}|{seed}|absent|{i}|{class}")``.

    A class that names nearly the same thing as one in the mosaic counts as present. A mosaic for which none is left is
    not asked.
    """
    ids = _class_ids(recipe)
    found = {}
    for mosaic, samples in enumerate(recipe.mosaics):
        taken = frozenset[str]().union(*(near(class_of(sample)) for sample in samples))
        prefix = hashlib.sha256(f"{recipe.name}|{recipe.seed}|absent|{mosaic}|".encode())
        ranked = [(_continued(prefix, key), key) for key in recipe.classes if key not in taken]
        if ranked:
            found[mosaic_id(mosaic)] = ids[min(ranked)[1]]
    return found


def support_samples(recipe: Recipe) -> dict[int, tuple[str, ...]]:
    """Class id -> its samples in sample order: those that supports are drawn from."""
    ids = _class_ids(recipe)
    of_class: dict[int, list[str]] = {class_id: [] for class_id in ids.values()}
    for sample in recipe.samples:
        of_class[ids[class_of(sample)]].append(sample)
    return {class_id: tuple(samples) for class_id, samples in of_class.items()}


def _class_ids(recipe: Recipe) -> dict[str, int]:
    return {key: class_id for class_id, key in enumerate(recipe.classes)}


def _continued(prefix: hashlib._Hash, key: str) -> bytes:
    whole = prefix.copy()
    whole.update(key.encode())
    return whole.digest()
