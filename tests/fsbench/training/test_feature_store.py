"""The feature store: computed once, whole after any kill, bounded, and never taken from a running process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fsbench.errors import FsbenchError
from fsbench.training.feature_store import Feature, FeatureStore
from tests.kills import CONTEXT

SIZE = 4096
"""Bytes of a feature's tensors in float16."""


def wanted(count: int, first: int = 0, view: str = "whole") -> list[Feature]:
    return [Feature("encoder", view, f"photograph {number}") for number in range(first, first + count)]


class Encoder:
    """Makes a feature of its place, and records the places."""

    def __init__(self, first: int = 0, pause: float = 0.0) -> None:
        self.asked: list[int] = []
        self._first, self._pause = first, pause

    def __call__(self, places: Sequence[int]) -> list[Mapping[str, Tensor]]:
        time.sleep(self._pause)
        self.asked += places
        return [{"tokens": torch.full((8, 256), float(self._first + p)), "grid": torch.tensor([2, 4])} for p in places]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.safetensors"))


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


def check(features: Any, count: int, first: int = 0) -> None:
    assert all(features[place]["tokens"].float().eq(first + place).all() for place in range(count))


def key(number: int) -> str:
    return wanted(1, first=number)[0].key(str(torch.float16))


def test_features_are_computed_once(tmp_path: Path) -> None:
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        features = store.fill(wanted(5), encoder, batch_size=2)
        assert encoder.asked == [0, 1, 2, 3, 4]
        check(features, 5)
        assert (features[3]["tokens"].dtype, features[3]["grid"].dtype) == (torch.float16, torch.int64)
        assert len(features) == 5
    again = Encoder()
    with FeatureStore(tmp_path) as store:
        check(store.fill(wanted(5), again), 5)
        assert again.asked == []
        check(store.fill(wanted(2, first=4), Encoder(first=4)), 2, first=4)
    assert len(files(tmp_path)) == 6
    assert not list((tmp_path / "leases").iterdir())


def test_all_inputs_of_a_feature_are_in_its_name() -> None:
    one = Feature("encoder", "view", "image")
    others = [Feature("other", "view", "image"), Feature("encoder", "other", "image"), Feature("encoder", "view", "o")]
    names = {one.key("torch.float32"), *(feature.key("torch.float16") for feature in (one, *others))}
    assert len(names) == 5


def test_a_batch_with_a_missing_feature_is_computed_whole(tmp_path: Path) -> None:
    """A feature's rounding may depend on its batch."""
    with FeatureStore(tmp_path) as store:
        features = store.fill(wanted(6), Encoder(), batch_size=3)
        store.path(key(4)).unlink()
        encoder = Encoder()
        check(store.fill(wanted(6), encoder, batch_size=3), 6)
        assert encoder.asked == [3, 4, 5]
        check(features, 6)


def test_a_file_that_vanishes_or_is_another_features_is_computed_again(tmp_path: Path) -> None:
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        features = store.fill(wanted(3), encoder, dtype=torch.float32)
        held = features[2]["tokens"]
        assert held.dtype == torch.float32
        one, two, three = (store.path(feature.key("torch.float32")) for feature in wanted(3))
        one.write_bytes(two.read_bytes())
        three.unlink()
        check(features, 3)
        assert held.eq(2).all(), "what is mapped stays"
    assert len(encoder.asked) == 5


def test_partial_files_of_killed_runs_are_removed_a_day_later(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    old, new = (tmp_path / "ab" / f".{name}.safetensors.7.tmp" for name in ("old", "new"))
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    with FeatureStore(tmp_path) as store:
        store.fill(wanted(1), Encoder())
    assert (old.exists(), new.exists()) == (False, True), "the new one may still be written"


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    bound = 10 * (SIZE + 512)
    for number, first in enumerate((0, 4)):
        with FeatureStore(tmp_path, max_bytes=bound) as store:
            store.fill(wanted(4, first), Encoder(first))
        for path in files(tmp_path):
            if path.stat().st_mtime > 1e9:
                os.utime(path, (number + 1, number + 1))
    with FeatureStore(tmp_path, max_bytes=bound) as store:
        store.fill(wanted(4), Encoder())  # used: the others are the oldest now
        check(store.fill(wanted(5, first=20), Encoder(20)), 5, first=20)
        kept = {path.stem for path in files(tmp_path)}
    assert kept >= {key(n) for n in (*range(4), *range(20, 25))}
    assert len(kept) == 10
    assert bytes_in(tmp_path) <= bound


def test_a_working_set_above_the_bound_is_refused_with_the_number(tmp_path: Path) -> None:
    bound = 4 * (SIZE + 512)
    encoder = Encoder()
    with (
        FeatureStore(tmp_path, max_bytes=bound) as store,
        pytest.raises(FsbenchError, match=rf"this run needs 9\d{{4}} bytes of features .* but {bound} are allowed"),
    ):
        store.fill(wanted(20), encoder)
    assert encoder.asked == [0], "refused at the first, not when the disk is full"
    with FeatureStore(tmp_path) as large:
        large.fill(wanted(8), Encoder())
    with FeatureStore(tmp_path, max_bytes=bound) as store, pytest.raises(FsbenchError, match="--features-gib"):
        store.fill(wanted(8), encoder)  # all stored already, and too many


def test_features_of_another_running_process_are_kept(tmp_path: Path) -> None:
    bound = 10 * (SIZE + 512)
    with FeatureStore(tmp_path, max_bytes=bound) as other, FeatureStore(tmp_path, max_bytes=bound) as store:
        features = other.fill(wanted(6), Encoder())
        with pytest.raises(FsbenchError, match="this run and other running ones need"):
            store.fill(wanted(6, first=10), Encoder(10))
        other.__exit__(None, None, None)
        check(store.fill(wanted(6, first=10), Encoder(10)), 6, first=10)
        assert bytes_in(tmp_path) <= bound
        check(features, 6)


def test_an_encoder_that_returns_too_few_is_refused(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store, pytest.raises(FsbenchError, match=r"2 features were asked .* 1 came back"):
        store.fill(wanted(2), lambda places: [{"tokens": torch.zeros(1)}], batch_size=2)


def fill(folder: str, count: int, pause: float) -> None:
    """In a process of its own."""
    with FeatureStore(Path(folder)) as store:
        check(store.fill(wanted(count), Encoder(pause=pause)), count)


def start(folder: Path, count: int, pause: float) -> Any:
    process = CONTEXT.Process(target=fill, args=(str(folder), count, pause))
    process.start()
    return process


def test_killed_twice_the_store_is_whole(tmp_path: Path) -> None:
    count = 40
    for enough in (5, 20):
        process = start(tmp_path, count, 0.002)
        while len(files(tmp_path)) < enough:
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        found = len(files(tmp_path))
        assert enough <= found < count
    assert list((tmp_path / "leases").glob("*.keys"))
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        check(store.fill(wanted(count), encoder), count)
    assert len(encoder.asked) == count - found, "the stored ones were whole"
    assert not list((tmp_path / "leases").iterdir()), "leases of killed runs are removed"


def test_two_processes_fill_at_once(tmp_path: Path) -> None:
    processes = [start(tmp_path, 20, 0.001) for _ in range(2)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        check(store.fill(wanted(20), encoder), 20)
    assert (encoder.asked, len(files(tmp_path))) == ([], 20)
