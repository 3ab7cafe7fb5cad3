"""A submitted record with all that is known about it: lists, manifests, counts, the benchmark itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fsbench.engine.answers import Evidence
from fsbench.episodes.manifest import Manifest
from fsbench.episodes.protocols import COCO_MASK_RULES, PROTOCOLS, Protocol
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.index.fold_lists import FoldLists
from fsbench.index.published import published_lists
from fsbench.records.counts import MOST_ROWS, Row, read_counts
from fsbench.records.record import PRESENT, Record
from fsbench.results.read_back import CheckedRecord, most_rows, scorable
from fsbench.scoring.intervals import REPLICATES
from fsbench.scoring.scores import IMAGEWISE, Scores, compute_scores, confused_of
from leaderboard.support_sizes import redraw

MOST_UNKNOWN_ROWS = 1_000_000
"""Rows of counts that are read where it is not known how many there should be."""
MOST_TOTALS = 2**30 // (8 * REPLICATES)
"""Sums that are drawn anew: 1 GiB of them."""


class NotCheckableError(Exception):
    """Why something could not be checked, in a few words."""


@dataclass
class Desk:
    """What the maintainer has: ``find`` gives the local benchmark of a record, or None.

    ``evidence``: the most that a record may claim; ``predictions``: its submitted predictions. ``seen``:
    digest of counts -> the record that had them first, and its model. Manifests are kept, as many records answer the
    same questions.
    """

    find: Callable[[Record], Benchmark | None] = lambda record: None
    evidence: Evidence = "counts"
    predictions: Path | None = None
    seen: dict[str, tuple[Path, str]] = field(default_factory=dict)
    _drawn: dict[tuple[Any, ...], dict[str, Manifest]] = field(default_factory=dict)

    def draw(self, lists: FoldLists, record: Record, benchmark: Benchmark | None) -> dict[str, Manifest]:
        """All manifests of a record, before any ``limit``; raises FsbenchError where its protocol cannot ask so."""
        masks = benchmark.digests.masks if benchmark is not None and benchmark.partial else None
        asked = (record.protocol, record.shots, record.seed, record.run, PRESENT in record.modified)
        key = (lists.digest(), masks, *asked)
        if key not in self._drawn:
            self._drawn[key] = {fold: redraw(record, lists, fold, benchmark) for fold in lists.folds}
        return self._drawn[key]


@dataclass
class Submission:
    """One record. ``path``: its ``record.json``; what cannot be known raises ``NotCheckableError`` with the reason.

    ``failed``: names of the checks that found a fault so far.
    """

    path: Path
    record: Record
    desk: Desk
    failed: set[str] = field(default_factory=set)

    @property
    def protocol(self) -> Protocol:
        """The protocol that asked; it is known, or nothing but that is checked."""
        return PROTOCOLS[self.record.protocol]

    @property
    def one_class(self) -> bool:
        """Whether an episode asks one class."""
        return self.protocol.asks == "class"

    def need(self, *checks: str) -> None:
        """Raise NotCheckableError where one of these checks found a fault."""
        for name in checks:
            if name in self.failed:
                raise NotCheckableError(f"{name} is at fault")

    @cached_property
    def published(self) -> FoldLists | None:
        """The published lists of the record's benchmark, under its mask rule; None where none are known.

        Another seed of Mosaic-4's recipe has lists of its own, which are not published.
        """
        said = self.record.benchmark
        lists = published_lists(said.name)
        if lists is None or lists.name != said.name or (lists.scenes is not None and lists.partition != said.partition):
            return None
        if lists.mask_rule in COCO_MASK_RULES and said.mask_rule in COCO_MASK_RULES:
            lists = replace(lists, mask_rule=said.mask_rule)
        return lists

    @cached_property
    def local(self) -> Benchmark | None:
        """The benchmark that was given or is built here, whose lists are the record's."""
        return self.desk.find(self.record)

    @property
    def benchmark(self) -> Benchmark:
        """The local benchmark, with the record's masks; raises NotCheckableError without one."""
        found, said = self.local, self.record.benchmark
        if found is None:
            raise NotCheckableError(f"benchmark {said.name} is not available locally: build it, or give it with -b")
        if found.digests.masks != said.masks_sha256:
            raise NotCheckableError(f"{found.folder} has other masks ({found.title})")
        return found

    @cached_property
    def lists(self) -> FoldLists:
        """Classes, folds and pairs; raises NotCheckableError unless they have the record's digest."""
        known = self.published or (self.local.lists if self.local else None)
        if known is None:
            raise NotCheckableError(
                f"lists of {self.record.benchmark.name} are not published: build it, or give it with -b"
            )
        if known.digest() != self.record.benchmark.lists_sha256:
            raise NotCheckableError("its lists are not known")
        return known

    def drawn(self) -> dict[str, Manifest]:
        """All manifests drawn anew, before any ``limit``; raises FsbenchError where no such can be drawn."""
        return self.desk.draw(self.lists, self.record, self.benchmark if self.record.benchmark.partial else None)

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """All manifests drawn anew; raises NotCheckableError where they cannot be, or are others than the record's."""
        self.need("questions")
        try:
            return {fold: manifest.limited(self.record.limit) for fold, manifest in self.drawn().items()}
        except FsbenchError as error:
            raise NotCheckableError("its questions cannot be drawn") from error

    @property
    def manifests_or_none(self) -> dict[str, Manifest] | None:
        """The manifests, None where they are not known."""
        try:
            return self.manifests
        except NotCheckableError:
            return None

    @cached_property
    def all_rows(self) -> list[Row]:
        """The record's rows; raises FsbenchError where they cannot be read or are more than it may have."""
        most = most_rows(self.record)
        if self.manifests_or_none is None:
            most = min(most, MOST_UNKNOWN_ROWS)
        return read_counts(self.path.parent / "counts.parquet", min(most, MOST_ROWS))

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """Fold -> rows, folds in the benchmark's order; raises NotCheckableError where the counts could not be read."""
        self.need("counts")
        of_fold: dict[str, list[Row]] = {f: [] for f in self.record.benchmark.folds if f in self.record.folds}
        for row in self.all_rows:
            of_fold[row.fold].append(row)
        return of_fold

    @cached_property
    def classes(self) -> dict[str, dict[int, str]]:
        """Fold -> class id -> key of its own classes, as the lists have them, else as the record says."""
        try:
            lists = self.lists
        except NotCheckableError:
            lists = CheckedRecord.of(self.path, self.record, self.rows).lists
        keys = {c.id: c.key for c in lists.classes}
        return {fold: {c: keys[c] for c in lists.folds[fold]} for fold in self.record.folds}

    @cached_property
    def scores(self) -> Scores:
        """All scores anew, intervals and replicates drawn again where the questions of all folds are known.

        Raises NotCheckableError where counts or episodes are at fault, FsbenchError where no score can be made of them.
        """
        self.need("record", "counts", "pixels", "episodes", "confusion")
        said = self.record
        sums = sum(2 * (len(f.classes) + len(f.others)) + 4 for f in said.folds.values())
        if sums > MOST_TOTALS:
            raise FsbenchError(f"{sums} sums to be drawn for its classes, expected at most {MOST_TOTALS}")
        manifests = self.manifests_or_none
        if manifests is None:
            return CheckedRecord.of(self.path, said, self.rows).scores(self.protocol, imagewise=self.imagewise)
        confused = {fold: confused_of(of_fold) for fold, of_fold in said.folds.items()}
        with scorable(self.path):
            return compute_scores(self.lists, manifests, self.rows, self.protocol, confused, imagewise=self.imagewise)

    @property
    def imagewise(self) -> bool:
        """Whether the mean of per-episode IoU is in the record, as on FSS-1000."""
        return any(IMAGEWISE in fold.other for fold in self.record.folds.values())

    @property
    def intervals_known(self) -> bool:
        """Whether the questions of all folds are known, on which intervals depend."""
        return self.manifests_or_none is not None or set(self.record.folds) == set(self.record.benchmark.folds)
