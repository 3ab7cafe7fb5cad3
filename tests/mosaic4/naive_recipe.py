"""The recipe of Mosaic-4 a second time, written from the specification alone and with no thought for speed.

The real one is fast because it keeps counts and skips; this one looks through every list from its start, as the
specification reads, so that where the two agree neither has been clever at the specification's expense.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

NAMES = {2: "mosaic4-v1", 3: "mosaic9-v1", 4: "mosaic16-v1"}


class NoRepairError(Exception):
    """A mosaic found no sample and no repair at (mosaic, position)."""


class NoRecipeError(Exception):
    """The refusals of the specification: `crowded` (a class too large) or `exhausted` (no repair, a hundred times)."""

    def __init__(self, kind: str, *named: object) -> None:
        super().__init__(kind, *named)
        self.kind, self.named = kind, named


@dataclass
class Naive:
    """mosaics: N rows of g * g sample ids; seed_string: what stood in the orders; repairs: of the attempt that won."""

    mosaics: list[list[str]]
    seed_string: str
    repairs: int


def class_of(sample_id: str) -> str:
    return sample_id.rsplit("/", 1)[0]


def naive_recipe(sample_ids: list[str], seed: int, grid: int) -> Naive:
    tiles = grid * grid
    sizes: dict[str, int] = {}
    for sample in sample_ids:
        sizes[class_of(sample)] = sizes.get(class_of(sample), 0) + 1
    for name in sorted(sizes, key=lambda name: name.encode()):
        if sizes[name] > len(sample_ids) / tiles:
            raise NoRecipeError("crowded", name)
    for restart in range(100):
        seed_string = f"{seed}+{restart}" if restart else f"{seed}"
        try:
            mosaics, repairs = attempt(sample_ids, seed_string, grid)
        except NoRepairError as stuck:
            failure = stuck
            continue
        return Naive(mosaics, seed_string, repairs)
    raise NoRecipeError("exhausted", *failure.args, len(sizes))


def attempt(sample_ids: list[str], seed_string: str, grid: int) -> tuple[list[list[str]], int]:
    name, repairs = NAMES[grid], 0
    mosaics: list[list[str]] = [[] for _ in sample_ids]
    for p in range(grid * grid):
        left = sorted(sample_ids, key=lambda s, p=p: sha256(f"{name}|{seed_string}|{p}|{s}".encode()).hexdigest())
        for i, mosaic in enumerate(mosaics):
            here = {class_of(sample) for sample in mosaic}
            for sample in left:
                if class_of(sample) not in here:
                    left.remove(sample)
                    mosaic.append(sample)
                    break
            else:
                repair(mosaics, i, p, left)
                repairs += 1
    return mosaics, repairs


def repair(mosaics: list[list[str]], i: int, p: int, left: list[str]) -> None:
    """Give mosaic i what an earlier mosaic j holds at p, and j a sample that is left; the first (j, u) that serves."""
    for j in range(i):
        for u in left:
            s = mosaics[j][p]
            new_to_i = class_of(s) not in [class_of(sample) for sample in mosaics[i]]
            new_to_j = class_of(u) not in [class_of(sample) for sample in mosaics[j][:p]]
            if new_to_i and new_to_j:
                mosaics[i].append(s)
                mosaics[j][p] = u
                left.remove(u)
                return
    raise NoRepairError(i, p)
