"""Damage to any file of a training is noticed: the same weights and card come out, or a one-line error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.training.feature_store import Feature, FeatureStore
from fsbench.training.report import CARD, CHECKPOINT, REPORT, check_finished
from fsbench.training.state import Epoch, Reached, load_state, save_state
from fsbench.training.tensors import read_sealed, write_sealed
from tests.fsbench.training.small_trainer import train
from tests.fuzz.targets import Target
from tests.fuzz.test_fuzz import fuzz
from tests.hostile_files import check_refused

SHORT, LONG = 300, 6_000
RUN = {"seed": 3, "fold": "1", "options": {"rate": 0.1, "width": [1, 2]}}


def two_layers() -> tuple[nn.Module, list[torch.optim.Optimizer]]:
    """A module and its optimizers, a step of each taken."""
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizers = [torch.optim.AdamW(module[0].parameters()), torch.optim.SGD(module[1].parameters(), 0.1, 0.9)]
    module(torch.arange(12.0).reshape(4, 3)).pow(3).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
    return module, optimizers


def plain(tensors: dict[str, Tensor]) -> dict[str, object]:
    return {name: (str(tensor.dtype), tensor.tolist()) for name, tensor in tensors.items()}


def of_state(folder: Path) -> Target:
    path = folder / "state.safetensors"
    module, optimizers = two_layers()
    average = {"0.weight": torch.ones(4, 3)}
    scored = [Epoch(epoch=0, loss=0.5, scores={"miou": 0.25}), Epoch(epoch=1, loss=0.25)]
    save_state(
        path, RUN, Reached(step=7, total=1.5, weight=2.0, best_epoch=0, epochs=scored), module, optimizers, average
    )

    def resumed() -> object:
        fresh, theirs = two_layers()
        mean = {"0.weight": torch.zeros(4, 3)}
        reached = load_state(path, RUN, fresh, theirs, mean)
        states = [str(optimizer.state_dict()) for optimizer in theirs]
        return reached.model_dump(), plain(fresh.state_dict()), plain(mean), states

    return Target("state", path, resumed)


def of_best(folder: Path) -> Target:
    path = folder / "best-3.safetensors"
    write_sealed(path, {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(True), "c": torch.zeros(0, 2)}, {})
    return Target("best weights", path, lambda: plain(read_sealed(path)[0]))


def of_features(folder: Path) -> Target:
    """A damaged feature is never an error: it is computed again, to the same bytes."""
    asked: list[int] = []
    whole: list[bytes] = []

    def compute(places: Sequence[int]) -> list[dict[str, Tensor]]:
        asked.extend(places)
        return [{"tokens": torch.arange(12.0).reshape(4, 3) / 7, "grid": torch.tensor([2, 2])} for _ in places]

    wanted = [Feature("encoder", "whole", "photograph")]
    path = FeatureStore(folder).path(wanted[0].key(str(torch.float16)))

    def read() -> object:
        asked.clear()
        with FeatureStore(folder) as store:
            features = store.fill(wanted, compute)
            found = plain(features[0])
        assert not asked or not whole or path.read_bytes() == whole[0]
        return found

    read()
    whole.append(path.read_bytes())
    return Target("feature", path, read)


@pytest.fixture(scope="module")
def trained(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished fold; whole again after each test."""
    return train(small, tmp_path_factory.mktemp("trained"), options={"epochs": 1})


@pytest.fixture
def targets(trained: Path, tmp_path: Path) -> list[Target]:
    finished: Callable[[], object] = lambda: check_finished(trained).contents()  # noqa: E731
    of_fold = [
        Target(name, trained / name, finished, is_json=name != CHECKPOINT) for name in (REPORT, CARD, CHECKPOINT)
    ]
    return [*of_fold, of_state(tmp_path), of_best(tmp_path), of_features(tmp_path)]


def test_300_mutations(targets: list[Target]) -> None:
    ends = fuzz(targets, SHORT)
    assert sum(ends.values()) == SHORT
    assert not any(ends["feature", end] for end in ("refused", "other input"))


@pytest.mark.long
def test_6000_mutations(targets: list[Target]) -> None:
    assert sum(fuzz(targets, LONG).values()) == LONG


def test_flipped_bits_all_over_a_feature_are_noticed(tmp_path: Path) -> None:
    target = of_features(tmp_path)
    whole, expected = target.file.read_bytes(), target.read()
    for place in range(0, len(whole), 9):
        target.file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        assert target.read() == expected
        assert target.file.read_bytes() == whole, f"byte {place}"


def test_a_feature_that_is_altered_during_a_run_is_noticed(tmp_path: Path) -> None:
    wanted = [Feature("encoder", "whole", "photograph")]
    with FeatureStore(tmp_path) as store:
        features = store.fill(wanted, lambda places: [{"tokens": torch.ones(3, 4)} for _ in places])
        (path,) = tmp_path.glob("??/*.safetensors")
        os.utime(path, (1, 1))  # clocks of file systems tick some times a second
        assert features[0]["tokens"].eq(1).all()
        path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
        assert features[0]["tokens"].eq(1).all()


def test_pipes_devices_and_gigabytes_of_nothing_are_refused(targets: list[Target]) -> None:
    *others, feature = targets
    for target in others:
        check_refused(target.file, target.read)
    feature.file.unlink()
    feature.file.symlink_to("/dev/zero")
    assert feature.read()
    assert not feature.file.is_symlink()


def test_an_altered_fold_is_not_taken_for_finished(small: Benchmark, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run" / "fold1")
    train(small, tmp_path, options={"epochs": 1})  # nothing is run
    path = tmp_path / "run" / "fold1" / CHECKPOINT
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(FsbenchError, match=rf"{CHECKPOINT}: .*was altered"):
        train(small, tmp_path, options={"epochs": 1})
    path.unlink()
    with pytest.raises(FsbenchError, match=rf"{CHECKPOINT}: cannot be read \(No such file .*\), but training"):
        train(small, tmp_path, options={"epochs": 1})
