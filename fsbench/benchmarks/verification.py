"""Proves a benchmark folder against the raw data: what is checked for every benchmark.

A check is a name, whether it passed, and one line about what was found. What only one benchmark can prove, such
as rebuilding its published lists, is in its builder's ``verify``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, sources_digest
from fsbench.index.fold_lists import Pair
from fsbench.io.files import alteration
from fsbench.parallel import in_threads
from fsbench.plugins import load, registered

SHOTS = 5
NAMED_FAULTS = 5
"""Faults that are named in a check's one line; all of them are in ``Check.faults``."""


@dataclass(frozen=True)
class Check:
    """One check: ``said`` is one line, which names the first of ``faults``."""

    name: str
    passed: bool
    said: str
    faults: tuple[str, ...] = ()


def check(name: str, faults: Sequence[str], fine: str) -> Check:
    """A check that passed if there are no faults, with the first of them named otherwise."""
    if not faults:
        return Check(name, True, fine)
    more = f" and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else ""
    return Check(name, False, "; ".join(faults[:NAMED_FAULTS]) + more, tuple(faults))


def verify_benchmark(benchmark: Benchmark, workers: int | None = None) -> list[Check]:
    """All checks of a benchmark, the general ones and its builder's. Nothing is raised for a fault that is found.

    A builder with an index of its own makes all checks itself (``verify_whole``).
    """
    builder = registered("benchmarks").get(benchmark.builder)
    whole = getattr(load(builder), "verify_whole", None) if builder else None
    if whole is not None:
        return list(whole(benchmark, workers))
    checks = [_sources(benchmark, workers), _lists_digest(benchmark), _no_overlap(benchmark), _supports(benchmark)]
    own = getattr(load(builder), "verify", None) if builder else None
    return checks + (list(own(benchmark, workers)) if own else [])


def _sources(benchmark: Benchmark, workers: int | None) -> Check:
    """Every raw file has the bytes it had when the benchmark was built."""
    named = (
        (reference, digest)
        for sample in benchmark.samples.values()
        for reference, digest in ((sample.image, sample.image_sha256), (sample.mask, sample.mask_sha256))
        if reference is not None
    )
    wanted = list(dict.fromkeys(named))  # COCO's annotations are one file for many samples

    found = in_threads(lambda item: alteration(benchmark.path(item[0]), item[1]), wanted, workers, "sources")
    faults = [line for line in found if line]
    if not faults and sources_digest(list(benchmark.samples.values())) != benchmark.digests.sources:
        faults = ["samples.parquet does not give the sources digest of benchmark.json"]
    return check("sources", faults, f"{len(wanted)} raw files unchanged, digest {benchmark.digests.sources[:12]}…")


def _lists_digest(benchmark: Benchmark) -> Check:
    digest = benchmark.lists.digest()
    built = benchmark.digests.lists
    faults = [] if digest == built else [f"lists give {digest[:12]}…, not {built[:12]}…"]
    return check("lists digest", faults, f"{digest[:12]}… as built")


def _no_overlap(benchmark: Benchmark) -> Check:
    """No image of a fold's val list is trained on for it (read from the lists of the other folds)."""
    faults = []
    if {sample.split for sample in benchmark.samples.values()} == {"train", "val"}:
        val = {sample for pairs in benchmark.lists.val.values() for sample, _ in pairs}
        for variant, folds in benchmark.lists.train.items():
            both = val & {sample for pairs in folds.values() for sample, _ in pairs}
            faults += [f"{sample} is in val and in train ({variant})" for sample in sorted(both)]
    for fold, ids in benchmark.lists.folds.items():
        others = {c for other, of_other in benchmark.lists.folds.items() if other != fold for c in of_other}
        faults += [f"class {c} is in fold {fold} and another" for c in sorted(set(ids) & others)]
    return check("train/val overlap", faults, "none")


def _supports(benchmark: Benchmark) -> Check:
    """No support is its own query, by id or as the same photograph under another id (``fsbench-v1`` at 5 shots)."""
    protocol = PROTOCOLS["fsbench-v1"]
    faults, episodes = [], 0
    for fold in benchmark.lists.folds:
        present = benchmark.present if benchmark.partial else None
        try:
            questions = draw(benchmark.lists, fold, protocol, SHOTS, 0, present=present).questions
        except FsbenchError:  # a class with too few images for 5 supports is asked at fewer
            questions = draw(benchmark.lists, fold, protocol, 1, 0, present=present).questions
        episodes += len(questions)
        for question in questions:
            query = benchmark.samples[question.query]
            for support in question.supports[0]:
                photograph = benchmark.samples[support].image_sha256
                if support == query.id or (photograph is not None and photograph == query.image_sha256):
                    faults.append(f"fold {fold}: support {support} shows the photograph of query {query.id}")
    return check("supports show no query", faults, f"{episodes} episodes of {protocol.id} at up to {SHOTS} shots")


def areas_check(benchmark: Benchmark, areas: Mapping[Pair, int], readable: frozenset[str]) -> Check:
    """The areas in the folder are those of the masks; ``areas``: (sample, class id) -> pixels of value 1."""
    faults, checked = [], 0
    for name, pairs in benchmark.lists.lists().items():
        for (sample, class_id), area in zip(pairs, benchmark.areas[name], strict=True):
            if sample in readable:
                checked += 1
                if areas.get((sample, class_id), 0) != area:
                    key = benchmark.lists.classes[class_id].key
                    faults.append(f"{name}: {sample} {key} has {areas.get((sample, class_id), 0)} pixels, not {area}")
    return check("areas", faults if checked else ["no pair could be checked"], f"{checked} pairs")
