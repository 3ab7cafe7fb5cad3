"""A small COCO for each test, and the published lists cut to its samples, since a build of them all takes seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from fsbench.benchmarks.coco import coco20i
from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.index.fold_lists import Pair
from tests.fsbench.benchmarks.small_coco import SAMPLES, small_coco

BROKEN_SAMPLE = "train2014/COCO_train2014_000000167126"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_coco(tmp_path / "coco")


@pytest.fixture
def few_lists(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The published lists cut to the small COCO's samples and one of train."""
    kept = {"val": sorted(SAMPLES), "train": [BROKEN_SAMPLE]}
    pairs = {split: [p for p in coco_lists.pairs_of(split, range(80)) if p[0] in kept[split]] for split in kept}  # type: ignore[arg-type]

    def pairs_of(split: str, class_ids: Iterable[int]) -> tuple[Pair, ...]:
        wanted = set(class_ids)
        return tuple(pair for pair in pairs[split] if pair[1] in wanted)

    monkeypatch.setattr(coco_lists, "samples", lambda split: tuple(kept[split]))
    monkeypatch.setattr(coco_lists, "pairs_of", pairs_of)
    monkeypatch.setattr(coco_lists, "PUBLISHED_SHA256", {})
    coco20i.fold_lists.cache_clear()
    yield [*SAMPLES, BROKEN_SAMPLE]
    coco20i.fold_lists.cache_clear()
