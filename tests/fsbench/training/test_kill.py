"""A training that is killed at any moment goes on and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.training.run import Request, train_folds
from fsbench.training.tensors import read_tensors
from tests.fsbench.training import small_trainer as tiny_trainer

DIFFERS = ("timings", "environment", "sha256")
OPTIONS = {"epochs": 3, "dropout": 0.3, "average": True, "pause": 0.01}

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["fsbench.training.run", "torch._dynamo", "safetensors.torch"])


def run(folder: str, out: str, changes: dict[str, Any]) -> None:
    """In a process of its own: train fold 1."""
    said = {"options": OPTIONS, "threads": 1, "save_seconds": 0.0, "tensorboard": False, **changes}
    train_folds(tiny_trainer, Request("tiny", open_benchmark(folder), Path(out), ["1"], **said))


def start(benchmark: Benchmark, out: Path, **changes: Any) -> Any:
    process = PROCESSES.Process(target=run, args=(str(benchmark.folder), str(out), changes))
    process.start()
    return process


def finish(benchmark: Benchmark, out: Path, **changes: Any) -> dict[str, Any]:
    """Run to the end; what was left behind, but for times."""
    process = start(benchmark, out, **changes)
    process.join(120)
    assert process.exitcode == 0
    folder = out / "fold1"
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(files) == {"model.safetensors", "card.json", "training.json"}
    return {**files, "training.json": lasting(files["training.json"])}


def lasting(report: bytes) -> dict[str, Any]:
    """What a report says on any day and after any commit."""
    return {name: said for name, said in json.loads(report).items() if name not in DIFFERS}


def step(out: Path) -> int:
    state = out / "fold1" / "state" / "state.safetensors"
    return json.loads(read_tensors(state)[1]["reached"])["step"] if state.exists() else 0


def kill(benchmark: Benchmark, out: Path, chance: random.Random, **changes: Any) -> int:
    """Start, wait for a step more than before, and a moment longer; kill; the step that is on disk."""
    process = start(benchmark, out, **changes)
    before = step(out)
    deadline = time.monotonic() + 60
    while step(out) <= before and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(chance.random() * 0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert process.exitcode in (-signal.SIGKILL, 0)
    return step(out) if process.exitcode else before


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature store that the first run fills."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def undisturbed(small: Benchmark, tmp_path_factory: pytest.TempPathFactory, features: Path) -> dict[str, Any]:
    return finish(small, tmp_path_factory.mktemp("undisturbed") / "run", features=features)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 8))])
def test_killed_trainings_end_with_the_same_bytes(
    small: Benchmark, tmp_path: Path, features: Path, undisturbed: dict[str, Any], seed: int
) -> None:
    chance = random.Random(seed)
    out = tmp_path / "run"
    reached = [kill(small, out, chance, features=features) for _ in range(3)]
    assert reached == sorted(set(reached)), "each run went on behind the one before"
    assert 0 < reached[0] < reached[-1] < 27
    assert not list(out.glob("fold1/*.json"))
    assert finish(small, out, features=features) == undisturbed


def test_a_kill_while_features_are_computed_costs_nothing(
    small: Benchmark, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    out, features = tmp_path / "run", tmp_path / "features"
    process = start(small, out, features=features)
    while len(list(features.glob("??/*.safetensors"))) < 20:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert step(out) == 0
    assert finish(small, out, features=features) == undisturbed


@pytest.mark.parametrize("changes", [{"workers": 0}, {"workers": 3, "save_seconds": 60.0}])
def test_neither_workers_nor_the_times_of_saving_matter(
    small: Benchmark, tmp_path: Path, features: Path, undisturbed: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert finish(small, tmp_path / "run", features=features, **changes) == undisturbed


def test_another_seed_is_another_training(
    small: Benchmark, tmp_path: Path, features: Path, undisturbed: dict[str, Any]
) -> None:
    other = finish(small, tmp_path / "run", features=features, seed=1)
    assert other["model.safetensors"] != undisturbed["model.safetensors"]
