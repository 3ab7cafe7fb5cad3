"""A training that is killed at any moment resumes and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.training.tensors import read_tensors
from tests.fsbench.training.small_trainer import train
from tests.kills import CONTEXT, contents

OPTIONS = {"epochs": 3, "dropout": 0.3, "average": True, "pause": 0.01}


def run(benchmark: str, out: str, features: str) -> None:
    """In a process of its own: train fold 1."""
    train(open_benchmark(benchmark), Path(out), options=OPTIONS, save_seconds=0.0, features=Path(features))


def start(benchmark: Benchmark, out: Path, features: Path) -> Any:
    process = CONTEXT.Process(target=run, args=(str(benchmark.folder), str(out), str(features)))
    process.start()
    return process


def finish(benchmark: Benchmark, out: Path, **changes: Any) -> dict[str, Any]:
    """Run to the end; the files of the fold, without times."""
    return contents(train(benchmark, out, **{"options": OPTIONS, "save_seconds": 0.0, **changes}))


def step_on_disk(out: Path) -> int:
    state = out / "run" / "fold1" / "state" / "state.safetensors"
    return int(json.loads(read_tensors(state)[1]["reached"])["step"]) if state.exists() else 0


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature store that the first run fills."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def undisturbed(small: Benchmark, tmp_path_factory: pytest.TempPathFactory, features: Path) -> dict[str, Any]:
    files = finish(small, tmp_path_factory.mktemp("undisturbed"), features=features)
    assert set(files) == {"model.safetensors", "card.json", "training.json"}
    return files


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 8))])
def test_killed_trainings_end_with_the_same_bytes(
    small: Benchmark, tmp_path: Path, features: Path, undisturbed: dict[str, Any], seed: int
) -> None:
    chance = random.Random(seed)
    reached = [0]
    for _ in range(3):
        process = start(small, tmp_path, features)
        deadline = time.monotonic() + 60
        while step_on_disk(tmp_path) <= reached[-1] and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        reached.append(step_on_disk(tmp_path))
    assert reached == sorted(set(reached)), "each run resumed the one before"
    assert reached[-1] < 27
    assert not list(tmp_path.glob("run/fold1/*.json"))
    assert finish(small, tmp_path, features=features) == undisturbed


def test_a_kill_while_features_are_computed_costs_nothing(
    small: Benchmark, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    process = start(small, tmp_path, tmp_path / "features")
    while len(list(tmp_path.glob("features/??/*.safetensors"))) < 20:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert step_on_disk(tmp_path) == 0
    assert finish(small, tmp_path) == undisturbed


@pytest.mark.parametrize("changes", [{"workers": 0}, {"workers": 3, "save_seconds": 60.0}, {"seed": 1}])
def test_only_the_seed_matters_not_workers_or_save_times(
    small: Benchmark, tmp_path: Path, features: Path, undisturbed: dict[str, Any], changes: dict[str, Any]
) -> None:
    files = finish(small, tmp_path, features=features, **changes)
    assert (files["model.safetensors"] == undisturbed["model.safetensors"]) == ("seed" not in changes)
    assert (files == undisturbed) == ("seed" not in changes)
