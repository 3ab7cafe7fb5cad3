"""Sizes of query objects against those of their supports, from the index of a local benchmark.

A record does not hold its supports, but its questions can be drawn again, and the digests of its manifests prove that
they are the same. The size of an object is its share of all pixels of its photograph, void ones included. It depends on
the questions alone, so it is computed once for all records of a board.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum

import numpy as np

from fsbench.episodes.draws import draw
from fsbench.episodes.manifest import Manifest, Question
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.index.fold_lists import FoldLists, Pair
from fsbench.records.record import PRESENT, Record
from fsbench.scoring.metrics import IntArray

AGAINST_SUPPORT = ("smaller than half", "about equal", "more than twice")
MOST_SHOTS = 1000
"""As many as ``fsbench evaluate`` takes."""


@dataclass(frozen=True, eq=False)
class SupportSizes:
    """``bins``: fold -> the bin of each episode of its manifest, a place in ``AGAINST_SUPPORT``, int64 (Q,);
    ``manifests``: fold -> the digest of that manifest.
    """

    bins: Mapping[str, IntArray]
    manifests: Mapping[str, str]


def support_sizes(record: Record, benchmark: Benchmark) -> SupportSizes | None:
    """The size of each query against the mean of its supports: smaller than half, about equal, more than twice.

    None where there are no supports, where the record is of other masks or of other questions than ``benchmark``
    asks, where classes are asked together, and where the index has no area of a sample (Mosaic-4's has none).
    """
    protocol = PROTOCOLS[record.protocol]
    if (
        protocol.asks != "class"
        or not 0 < record.shots <= MOST_SHOTS
        or benchmark.digests.masks != record.benchmark.masks_sha256
        or set(benchmark.lists.folds) != set(record.manifests_sha256)
    ):
        return None
    shares = _shares(benchmark)
    bins = {}
    for fold, digest in record.manifests_sha256.items():
        try:
            manifest = redraw(record, benchmark.lists, fold, benchmark).limited(record.limit)
        except FsbenchError:  # the benchmark cannot answer the record's questions
            return None
        found = [_bin(question, shares) for question in manifest.questions]
        if manifest.sha256 != digest or None in found:
            return None
        bins[fold] = np.array(found, np.int64)
    return SupportSizes(bins, record.manifests_sha256)


def redraw(record: Record, lists: FoldLists, fold: str, benchmark: Benchmark | None) -> Manifest:
    """The record's questions of a fold, without its limit; ``benchmark``: of those present, where it is a part.

    Raises FsbenchError where they cannot be drawn from ``lists``.
    """
    return draw(
        lists,
        fold,
        PROTOCOLS[record.protocol],
        record.shots,
        record.seed,
        run=record.run,
        present=benchmark.present if benchmark is not None and benchmark.partial else None,
        draw_from_present=PRESENT in record.modified,
    )


def _shares(benchmark: Benchmark) -> dict[Pair, float]:
    """(Sample, class) -> the share of its photograph, of all pairs whose area the index has."""
    shares = {}
    for name, pairs in benchmark.lists.lists().items():
        for pair, area in zip(pairs, benchmark.areas.get(name, ()), strict=False):
            sample = benchmark.samples.get(pair[0])
            if area >= 0 and sample is not None and sample.height * sample.width > 0:
                shares[pair] = area / (sample.height * sample.width)
    return shares


def _bin(question: Question, shares: Mapping[Pair, float]) -> int | None:
    """The place in ``AGAINST_SUPPORT``, None where an area is not known."""
    class_id = question.class_ids[0]
    try:
        query, *supports = (shares[sample, class_id] for sample in (question.query, *question.supports[0]))
    except KeyError:
        return None
    mean = fsum(supports) / len(supports)
    return 0 if 2 * query < mean else 2 if query > 2 * mean else 1
