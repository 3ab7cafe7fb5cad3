"""Classes, folds and lists of (sample, class) pairs of a benchmark, known without its data.

Protocols draw from lists in their published order. The ``lists`` digest is over this alone, so it is the same for all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_text

Pair = tuple[str, int]
"""A sample id and a 0-based class id."""


@dataclass(frozen=True)
class ClassName:
    """A class: 0-based ``id``, ``key`` (the benchmark's own name for it), ``name`` (plain English, ``names-v1``)."""

    id: int
    key: str
    name: str


@dataclass(frozen=True)
class Scenes:
    """Queries composed of several samples (Mosaic-4).

    ``protocol``: the default one. ``tiles``: query -> its source samples in a square grid, row by row from the top
    left. ``absent``: query -> a class that is not in it, if any. ``supports``: class id -> the samples supports are
    drawn from.
    """

    protocol: str
    tiles: Mapping[str, tuple[str, ...]]
    absent: Mapping[str, int]
    supports: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True)
class FoldLists:
    """Classes, folds and lists of one benchmark.

    ``folds``: fold -> class ids. ``val``: fold -> pairs in list order. ``train``: variant -> fold -> pairs of the
    fold's own classes, so training on a fold reads the lists of the others. ``scenes``: for composed queries, whose
    pairs are in ``val`` by position. ``without_mask``: samples with another file in place of a mask; our protocols
    leave them out, published ones read that file as their code did.
    """

    name: str
    title: str
    partition: str
    mask_rule: str
    classes: tuple[ClassName, ...]
    folds: Mapping[str, tuple[int, ...]]
    val: Mapping[str, tuple[Pair, ...]]
    train: Mapping[str, Mapping[str, tuple[Pair, ...]]]
    scenes: Scenes | None = None
    without_mask: tuple[str, ...] = ()

    def check_fold(self, fold: str) -> str:
        """``fold`` itself; raises FsbenchError for a fold that the benchmark does not have."""
        if fold not in self.folds:
            raise FsbenchError(f"{self.name} has no fold {fold!r}: choose one of {', '.join(self.folds)}, or all")
        return fold

    def lists(self) -> dict[str, tuple[Pair, ...]]:
        """All lists under their names: ``val-fold0``, ``train-fold0-hsnet``, …; val first, then train by variant."""
        named = {f"val-fold{fold}": pairs for fold, pairs in self.val.items()}
        for variant, folds in self.train.items():
            named |= {f"train-fold{fold}-{variant}": pairs for fold, pairs in folds.items()}
        return named

    def training(self, fold: str, variant: str) -> tuple[Pair, ...]:
        """The training pairs where ``fold`` is tested: the lists of all other folds, concatenated.

        A single fold's own list has the classes outside it. Raises FsbenchError for an unknown fold or variant.
        """
        self.check_fold(fold)
        if variant not in self.train:
            known = ", ".join(self.train) or "none"
            raise FsbenchError(f"{self.name} has no train lists {variant!r}: choose one of {known}")
        lists = self.train[variant]
        others = [fold] if len(self.folds) == 1 else [other for other in self.folds if other != fold]
        return tuple(pair for other in others for pair in lists[other])

    def digest(self) -> str:
        """SHA-256 (hex) over name, partition, mask rule, class names, lists, scenes, and samples without a mask."""
        lines = [self.name, self.partition, self.mask_rule]
        lines += [f"class {c.id} {c.key} | {c.name}" for c in self.classes]
        lines += [f"fold {fold} {','.join(map(str, ids))}" for fold, ids in self.folds.items()]
        for name, pairs in self.lists().items():
            lines.append(f"list {name}")
            lines += [f"{sample} {class_id}" for sample, class_id in pairs]
        if self.scenes is not None:
            lines += [f"scene {query} {' '.join(tiles)}" for query, tiles in self.scenes.tiles.items()]
            lines += [f"absent {query} {class_id}" for query, class_id in self.scenes.absent.items()]
            lines += [f"supports {class_id} {' '.join(of)}" for class_id, of in self.scenes.supports.items()]
        lines += [f"without mask {sample}" for sample in self.without_mask]
        return sha256_text("".join(f"{line}\n" for line in lines))

    def names_digest(self) -> str:
        """SHA-256 (hex) of the plain English class names (``names-v1``), one ``key<TAB>name`` line each."""
        return sha256_text("".join(f"{c.key}\t{c.name}\n" for c in self.classes))


_FORBIDDEN = re.compile(r"[|,\s]|\.\.")
LONGEST_ID = 200
"""Bytes of a sample id in UTF-8."""


def check_sample_id(sample: str) -> str:
    """``sample`` itself; raises FsbenchError for ``|``, ``,``, white space, ``..``, or more than 200 bytes."""
    if len(sample) > LONGEST_ID // 4 and len(sample.encode("utf-8", "replace")) > LONGEST_ID:
        raise FsbenchError(f"sample id {sample[:40]!r}…: has more than {LONGEST_ID} bytes: shorten the file's path")
    if not sample or _FORBIDDEN.search(sample):
        raise FsbenchError(
            f"sample id {sample!r}: must not be empty or hold '|', ',', white space or '..': rename the file"
        )
    return sample
