"""Reads the masks of many samples in threads: areas, one digest over all decoded masks, and a line per fault."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from fsbench.benchmarks.verification import NAMED_FAULTS, Check, areas_check, check
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, Sample
from fsbench.index.fold_lists import Pair
from fsbench.parallel import in_threads

Item = TypeVar("Item")


class ReadSample(NamedTuple):
    """A sample with its decoded mask, H x W of one byte, and pixels per class id; no mask where it is not present."""

    sample: Sample
    mask: npt.NDArray[np.uint8] | npt.NDArray[np.bool_] | None = None
    areas: Mapping[int, int] = {}


@dataclass(frozen=True)
class ReadSamples:
    """Samples in the order asked for, pixels per (sample, class id), digest of the masks, and a line per fault."""

    samples: tuple[Sample, ...]
    area: Mapping[Pair, int]
    masks_digest: str
    faults: tuple[str, ...] = ()

    def check(self, root: Path, remedy: str, *, missing: str = "") -> None:
        """Raise one FsbenchError that counts all faults and names the first; ``missing``: what is wrong besides."""
        problems = [missing] if missing else []
        if self.faults:
            total = len(self.faults) + len(self.samples)
            more = f"; and {len(self.faults) - NAMED_FAULTS} more" if len(self.faults) > NAMED_FAULTS else ""
            first = "; ".join(self.faults[:NAMED_FAULTS])
            problems.append(f"{len(self.faults)} of {total} samples cannot be used: {first}{more}")
        if problems:
            raise FsbenchError(f"{root}: {'; and '.join(problems)}: {remedy}")

    def compare_masks(self, benchmark: Benchmark) -> Iterator[Check]:
        """Whether masks and areas are those of when ``benchmark`` was built."""
        built, count = benchmark.digests.masks, sum(sample.mask is not None for sample in self.samples)
        faults = [] if self.masks_digest == built else [f"masks give {self.masks_digest[:12]}…, not {built[:12]}…"]
        yield check("masks", faults, f"{count} decoded masks, digest {self.masks_digest[:12]}…")
        yield areas_check(benchmark, self.area, frozenset(sample.id for sample in self.samples))


def read_each(
    read: Callable[[Item], ReadSample],
    items: Sequence[Item],
    workers: int | None,
    title: str = "samples",
    *,
    raising: bool = False,
) -> ReadSamples:
    """``read`` every item in threads. A FsbenchError that it raises is a fault, or with ``raising`` ends it.

    The digest is over a line ``sample height width`` and then the bytes of each mask, in order.
    """

    def attempt(item: Item) -> ReadSample | str:
        try:
            return read(item)
        except FsbenchError as error:
            if raising:
                raise
            return str(error)

    samples: list[Sample] = []
    area: dict[Pair, int] = {}
    digest = hashlib.sha256()
    faults: list[str] = []
    for result in in_threads(attempt, items, workers, title):
        if isinstance(result, str):
            faults.append(result)
            continue
        sample, mask, areas = result
        samples.append(sample)
        area |= {(sample.id, class_id): pixels for class_id, pixels in areas.items()}
        if mask is not None:
            digest.update(f"{sample.id} {mask.shape[0]} {mask.shape[1]}\n".encode())
            digest.update(np.ascontiguousarray(mask).data)
    return ReadSamples(tuple(samples), area, digest.hexdigest(), tuple(faults))
