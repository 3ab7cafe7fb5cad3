"""Which samples make up which mosaic: a pure function of sample ids, seed and grid.

It uses only the standard library, so that this file alone, under any Python from 3.11 on, gives the recipe. The rule
is in ``docs/mosaic4-v1.md``: samples are ordered per position by SHA-256, dealt out one by one, repaired where a mosaic
would hold a class twice, and dealt again under other strings where no repair helps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

GRIDS = (2, 3, 4)
EXCLUDED_SAMPLES = ("peregine_falcon/8",)
"""Samples that no copy has: FSS-1000's only release holds a photograph in place of this one's mask."""
RESTARTS = 99
"""How often a recipe starts again from position 0 before it fails."""

_SAMPLE = re.compile(r"([^|\s]+)/(0|[1-9][0-9]*)")


class NoRecipeError(ValueError):
    """No recipe exists for these samples, or they are invalid; the message is one line and says what to do."""


@dataclass(frozen=True)
class Recipe:
    """A recipe: ``mosaics[i][p]`` is the sample id at position p (row by row from the top left) of mosaic i.

    ``classes`` in byte order; ``samples`` by class, then number. ``seed_used``: the seed in the strings that ordered
    the samples: its digits, or ``0+3`` where the recipe of seed 0 started again three times.
    """

    grid: int
    seed: int
    seed_used: str
    classes: tuple[str, ...]
    samples: tuple[str, ...]
    mosaics: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        """``mosaic4-v1``, ``mosaic9-v1`` or ``mosaic16-v1``; part of every hashed string."""
        return recipe_name(self.grid)

    @property
    def order_string(self) -> str:
        """The string whose SHA-256 ordered the samples, with the fields ``{p}`` and ``{sample_id}``."""
        return f"{self.name}|{self.seed_used}|{{p}}|{{sample_id}}"

    def text(self) -> str:
        """A line ``i s0 s1 …`` per mosaic: the text that is hashed."""
        return "".join(f"{i} {' '.join(samples)}\n" for i, samples in enumerate(self.mosaics))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of ``text()``."""
        return sha256(self.text().encode()).hexdigest()


def recipe_name(grid: int) -> str:
    """The name of the dataset with ``grid`` x ``grid`` tiles; raises NoRecipeError for an unknown grid.

    >>> recipe_name(2)
    'mosaic4-v1'
    """
    if grid not in GRIDS:
        raise NoRecipeError(f"grid {grid}: expected one of {', '.join(map(str, GRIDS))}")
    return f"mosaic{grid * grid}-v1"


def class_of(sample: str) -> str:
    """The class of a sample id.

    >>> class_of("abe's_flyingfish/10")
    "abe's_flyingfish"
    """
    return sample.rpartition("/")[0]


def in_sample_order(sample_ids: Iterable[str]) -> tuple[str, ...]:
    """The ids by class (UTF-8 bytes), then number; raises NoRecipeError for invalid or repeated ids.

    >>> in_sample_order(["cow/10", "cow/9", "cat/1"])
    ('cat/1', 'cow/9', 'cow/10')
    """
    keys: dict[str, tuple[bytes, int]] = {}
    for sample in sample_ids:
        match = _SAMPLE.fullmatch(sample)
        if match is None:
            raise NoRecipeError(f"sample id {sample!r}: expected class/n, n a number, without white space or '|'")
        if sample in keys:
            raise NoRecipeError(f"sample id {sample!r} is given twice: give every sample once")
        keys[sample] = (match[1].encode(), int(match[2]))
    if not keys:
        raise NoRecipeError("no samples are given, expected some of at least 4 classes")
    return tuple(sorted(keys, key=keys.__getitem__))


def make_recipe(sample_ids: Iterable[str], seed: int = 0, grid: int = 2) -> Recipe:
    """The recipe for the samples ``class/n``, given in any order; ``EXCLUDED_SAMPLES`` are left out.

    Raises NoRecipeError for invalid or repeated ids, for a class with more than N / grid^2 of the N samples, and where
    every restart stops.

    >>> make_recipe(["cat/1", "dog/1", "cow/1", "hen/1"]).mosaics[0]
    ('dog/1', 'hen/1', 'cow/1', 'cat/1')
    """
    name = recipe_name(grid)
    samples = in_sample_order(sample for sample in sample_ids if sample not in EXCLUDED_SAMPLES)
    _check_shares(name, samples, grid * grid)
    classes = tuple(dict.fromkeys(map(class_of, samples)))
    stopped: tuple[int, int] | None = None
    for seed_used in (str(seed), *(f"{seed}+{restart}" for restart in range(1, RESTARTS + 1))):
        mosaics = [[sample] for sample in _order(name, seed_used, 0, samples)]
        stopped = _deal(mosaics, name, seed_used, samples, grid * grid)
        if stopped is None:
            return Recipe(grid, seed, seed_used, classes, samples, tuple(map(tuple, mosaics)))
    assert stopped is not None
    raise NoRecipeError(
        f"{name}: no recipe for {len(classes)} classes with {len(samples)} samples and seed {seed}: started again "
        f"{RESTARTS} times, at last it stops at mosaic {stopped[0]}, position {stopped[1]}: more classes help"
    )


def _check_shares(name: str, samples: Sequence[str], positions: int) -> None:
    """Raise NoRecipeError, naming the largest class, where it would have to be in more mosaics than exist."""
    key, most = max(Counter(map(class_of, samples)).items(), key=lambda item: item[1])
    if most * positions > len(samples):
        raise NoRecipeError(
            f"{name}: class {key!r} has {most} of {len(samples)} samples, more than 1 in {positions}, so there is no "
            "recipe: give more classes, or fewer samples of it"
        )


def _order(name: str, seed_used: str, position: int, samples: Sequence[str]) -> list[str]:
    prefix = f"{name}|{seed_used}|{position}|"
    return sorted(samples, key=lambda sample: sha256(f"{prefix}{sample}".encode()).hexdigest())


def _deal(
    mosaics: list[list[str]], name: str, seed_used: str, samples: Sequence[str], positions: int
) -> tuple[int, int] | None:
    """Fill ``mosaics``, which hold position 0; returns (mosaic, position) where it has to stop."""
    held = [{class_of(mosaic[0])} for mosaic in mosaics]
    for p in range(1, positions):
        remaining = [(sample, class_of(sample)) for sample in _order(name, seed_used, p, samples)]
        for i, mosaic in enumerate(mosaics):
            place = next((place for place, (_, its_class) in enumerate(remaining) if its_class not in held[i]), None)
            if place is not None:
                mosaic.append(remaining.pop(place)[0])
            elif not _repair(mosaics, held, i, remaining):
                return i, p
        for mosaic, classes in zip(mosaics, held, strict=True):
            classes.add(class_of(mosaic[p]))
    return None


def _repair(mosaics: list[list[str]], held: list[set[str]], i: int, remaining: list[tuple[str, str]]) -> bool:
    """Give mosaic i the first sample that fits from an earlier mosaic j, and j a remaining sample instead.

    ``held``: the classes of each mosaic before this position.
    """
    position = len(mosaics[i])
    for j in range(i):
        sample = mosaics[j][position]
        if class_of(sample) in held[i]:
            continue
        for place, (other, its_class) in enumerate(remaining):
            if its_class not in held[j]:
                mosaics[j][position] = other
                mosaics[i].append(sample)
                del remaining[place]
                return True
    return False
