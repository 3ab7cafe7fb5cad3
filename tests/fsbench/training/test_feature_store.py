"""The feature store: computed once, whole after any kill, bounded, and never taken from under a run."""

from __future__ import annotations

import multiprocessing
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

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["fsbench.training.feature_store", "torch", "safetensors.torch"])
SIZE = 4096
"""Bytes of a feature's tensors in float16."""


def wanted(count: int, first: int = 0, view: str = "whole") -> list[Feature]:
    return [Feature("encoder", view, f"photograph {number}") for number in range(first, first + count)]


class Encoder:
    """Makes a feature of its place, and remembers what it was asked for."""

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
    for place in range(count):
        assert features[place]["tokens"].float().eq(first + place).all()


def test_features_are_computed_once(tmp_path: Path) -> None:
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        features = store.fill(wanted(5), encoder, batch_size=2)
        assert encoder.asked == [0, 1, 2, 3, 4]
        check(features, 5)
        assert features[3]["tokens"].dtype == torch.float16
        assert features[3]["grid"].dtype == torch.int64
        assert len(features) == 5
    again = Encoder()
    with FeatureStore(tmp_path) as store:
        check(store.fill(wanted(5), again), 5)
        assert again.asked == []
        check(store.fill(wanted(2, first=4), Encoder(first=4)), 2, first=4)
    assert len(files(tmp_path)) == 6
    assert not list((tmp_path / "leases").iterdir())


@pytest.mark.parametrize(
    "change", [{"encoder": "other"}, {"view": "flipped"}, {"image": "photograph 9"}, {"dtype": torch.float32}]
)
def test_whatever_goes_into_a_feature_is_in_its_name(tmp_path: Path, change: dict[str, Any]) -> None:
    dtype = change.pop("dtype", torch.float16)
    said = {"encoder": "encoder", "view": "whole", "image": "photograph 0", **change}
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        store.fill(wanted(1), Encoder())
        features = store.fill([Feature(**said)], encoder, dtype=dtype)
        assert features[0]["tokens"].dtype == dtype
    assert encoder.asked == [0]
    assert len(files(tmp_path)) == 2


def test_batches_are_the_same_whatever_is_there(tmp_path: Path) -> None:
    """A feature's rounding may depend on its batch, so a batch of which one is missing is computed whole."""
    with FeatureStore(tmp_path) as store:
        features = store.fill(wanted(6), Encoder(), batch_size=3)
        store.path(store_key(4)).unlink()
        encoder = Encoder()
        check(store.fill(wanted(6), encoder, batch_size=3), 6)
        assert encoder.asked == [3, 4, 5]
        check(features, 6)


def store_key(number: int) -> str:
    return wanted(1, first=number)[0].key(str(torch.float16))


@pytest.mark.parametrize("harm", ["cut", "empty", "bit", "header", "other's"])
def test_a_damaged_file_is_found_and_made_anew(tmp_path: Path, harm: str) -> None:
    with FeatureStore(tmp_path) as store:
        store.fill(wanted(3), Encoder())
        path = store.path(store_key(1))
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[-7 if harm == "bit" else 20] ^= 4
        others = store.path(store_key(2)).read_bytes()
        path.write_bytes({"cut": whole[:-1], "empty": b"", "other's": others}.get(harm, bytes(flipped)))
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        check(store.fill(wanted(3), encoder), 3)
        assert encoder.asked == [1]
        assert path.read_bytes() == whole


def test_a_file_that_goes_while_a_run_is_at_work_is_made_anew(tmp_path: Path) -> None:
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        features = store.fill(wanted(3), encoder)
        held = features[2]["tokens"]
        for path in files(tmp_path):
            path.unlink()
        assert held.eq(2).all(), "what is mapped stays"
        check(features, 3)
    assert encoder.asked == [0, 1, 2, 0, 1, 2]


def test_what_killed_runs_were_writing_goes_a_day_later(tmp_path: Path) -> None:
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
        left = {path.stem for path in files(tmp_path)}
    assert left >= {store_key(n) for n in (*range(4), *range(20, 25))}
    assert len(left) == 10
    assert bytes_in(tmp_path) <= bound


def test_a_working_set_above_the_bound_is_refused_with_the_number(tmp_path: Path) -> None:
    bound = 4 * (SIZE + 512)
    encoder = Encoder()
    with (
        FeatureStore(tmp_path, max_bytes=bound) as store,
        pytest.raises(FsbenchError, match=rf"needs 9\d{{4}} bytes of features .* but {bound} are allowed"),
    ):
        store.fill(wanted(20), encoder)
    assert encoder.asked == [0], "refused at the first, not when the disk is full"
    with (
        FeatureStore(tmp_path) as large,
        FeatureStore(tmp_path, max_bytes=bound) as store,
    ):
        large.fill(wanted(8), Encoder())
        large.__exit__(None, None, None)
        with pytest.raises(FsbenchError, match="--features-gib"):
            store.fill(wanted(8), encoder)  # all there already, and too many


def test_what_another_run_uses_is_not_removed(tmp_path: Path) -> None:
    bound = 10 * (SIZE + 512)
    with FeatureStore(tmp_path, max_bytes=bound) as other, FeatureStore(tmp_path, max_bytes=bound) as store:
        features = other.fill(wanted(6), Encoder())
        with pytest.raises(FsbenchError, match="this run and the runs beside it needs"):
            store.fill(wanted(6, first=10), Encoder(10))
        other.__exit__(None, None, None)
        check(store.fill(wanted(6, first=10), Encoder(10)), 6, first=10)
        assert bytes_in(tmp_path) <= bound
        check(features, 6)


def test_an_encoder_that_gives_too_few_is_refused(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store, pytest.raises(FsbenchError, match=r"2 features were asked .* 1 came back"):
        store.fill(wanted(2), lambda places: [{"tokens": torch.zeros(1)}], batch_size=2)


def fill(folder: str, count: int, pause: float) -> None:
    """In a process of its own."""
    with FeatureStore(Path(folder)) as store:
        check(store.fill(wanted(count), Encoder(pause=pause)), count)


def start(folder: Path, count: int, pause: float) -> Any:
    process = PROCESSES.Process(target=fill, args=(str(folder), count, pause))
    process.start()
    return process


def test_killed_again_and_again_it_is_whole(tmp_path: Path) -> None:
    count = 60
    for enough in (5, 20, 40):
        process = start(tmp_path, count, 0.002)
        while len(files(tmp_path)) < enough:
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        there = len(files(tmp_path))
        assert enough <= there < count
    assert list((tmp_path / "leases").glob("*.keys"))
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        check(store.fill(wanted(count), encoder), count)
    assert len(encoder.asked) == count - there, "what was there was whole"
    assert not list((tmp_path / "leases").iterdir()), "leases of killed runs are cleared away"


def test_two_processes_fill_at_once(tmp_path: Path) -> None:
    processes = [start(tmp_path, 40, 0.001) for _ in range(2)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(files(tmp_path)) == 40
    encoder = Encoder()
    with FeatureStore(tmp_path) as store:
        check(store.fill(wanted(40), encoder), 40)
    assert encoder.asked == []
