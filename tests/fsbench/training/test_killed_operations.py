"""A training killed before a file operation ends with the state, weights, card and report of an unkilled one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fsbench.small_benchmark import small_benchmark
from tests.fsbench.training import small_trainer
from tests.kills import EVERY, check_kills


@pytest.mark.parametrize("every", EVERY)
def test_a_killed_training_ends_with_the_same_bytes(
    every: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(small_trainer.register(tmp_path / "path"))
    small = small_benchmark(tmp_path / "small", classes=2, folds=2)
    options = "-f 1 --epochs 2 --batch-size 3 --held-out 0.4 --save-seconds 0 --threads 1 --device cpu --no-tensorboard"
    command = ("train", "small", "-b", small.folder, *options.split(), "--features", "{}/features", "--out", "{}")
    left = r"features/(leases/.*|../\..*|\w\w)|features/leases"  # removed a day later: another run may be using them
    whole = check_kills([command], tmp_path / "tries", every, kills=3, ignored=left)
    features = {name for name in whole if name.startswith("features/")}
    assert len(features) == 20
    assert set(whole) - features == {"fold1/model.safetensors", "fold1/card.json", "fold1/training.json"}
