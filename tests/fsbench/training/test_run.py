"""A run from the command line: its files, its card, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import torch
import typer
from filelock import FileLock
from torch import Tensor

from fsbench.cli import train as command
from fsbench.cli.train import trainer_command
from fsbench.engine.evaluate import evaluate
from fsbench.engine.loaded_model import check_contamination
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.io.files import sha256_file
from fsbench.models.contract import Episode, ModelCard
from fsbench.training.monitor import training_bar
from fsbench.training.precision import resolve_precision
from fsbench.training.task import Setup, Task
from fsbench.training.tensors import read_tensors
from tests.fsbench.training import small_trainer
from tests.fsbench.training.small_trainer import train

FILES = {"model.safetensors", "card.json", "training.json"}


def report(folder: Path) -> Any:
    return json.loads((folder / "training.json").read_text())


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def trained(small: Benchmark, features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of fold 1; not to be changed."""
    return train(small, tmp_path_factory.mktemp("trained"), features=features, tensorboard=True)


def test_a_fold_leaves_checkpoint_card_report_and_logs(trained: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    assert {path.name for path in trained.iterdir()} == FILES | {"tensorboard"}
    weights, header = read_tensors(trained / "model.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    assert shapes == {"0.weight": (6, 3, 3, 3), "0.bias": (6,), "3.weight": (1, 6, 1, 1), "3.bias": (1,)}
    assert header == {"width": "6", "encoder": "colours"}
    found = report(trained)
    assert found["options"] | {"epochs": 2} == found["options"]
    assert [epoch["epoch"] for epoch in found["epochs"]] == [0, 1]
    assert found["data"]["train_pairs"] + found["data"]["held_out_pairs"] == 60
    scores = [epoch["scores"]["accuracy"] for epoch in found["epochs"]]
    assert found["selected_epoch"] == scores.index(max(scores))
    assert found["checkpoint_sha256"] == sha256_file(trained / "model.safetensors")
    events = EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) >= {"loss", "lr0", "lr2", "weight_decay0", "epoch/loss", "epoch/accuracy"}
    assert [event.step for event in events.Scalars("loss")] == list(range(18))
    assert [event.value for event in events.Scalars("epoch/accuracy")] == pytest.approx(scores)


def test_the_card_names_the_training_data_and_guards_against_contamination(small: Benchmark, trained: Path) -> None:
    card = ModelCard.model_validate_json((trained / "card.json").read_text())
    (training,) = card.training.values()
    assert card.weights_sha256 == training.checkpoint_sha256 == sha256_file(trained / "model.safetensors")
    assert card.trained_parameters == 175
    assert training.training_classes == tuple(f"thing {n:02d}" for n in (0, 1, 4, 5, 6, 7))
    assert (training.test_images_seen, training.novel_masks_seen) == ("no", "no")
    assert (training.novel_images_dropped, training.novel_image_text_seen) == ("unknown", "unknown")
    assert re.fullmatch(r"accuracy on \d held-out photographs of training classes", training.checkpoint_selected_by)
    assert not check_contamination(card, small.lists, ["1"], accepted=False)
    for fold in "023":
        with pytest.raises(FsbenchError, match=f"was trained on classes of fold {fold}"):
            check_contamination(card, small.lists, [fold], accepted=False)


def test_the_checkpoint_is_evaluated_on_its_own_fold_alone(small: Benchmark, trained: Path) -> None:
    class Trained:
        card = ModelCard.model_validate_json((trained / "card.json").read_text())

        def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
            return [torch.zeros(len(e.prompts), *e.image.shape[1:]) for e in episodes]

    out = trained.parent / "results"
    record = evaluate(Trained(), small, folds="1", out=out, threads=1)
    assert record.model.training["*"].checkpoint_sha256 == Trained.card.weights_sha256
    with pytest.raises(FsbenchError, match="trained on classes of fold 2"):
        evaluate(Trained(), small, folds="2", out=out, threads=1)


def test_a_finished_fold_is_kept_refused_or_replaced(
    small: Benchmark, tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train(small, tmp_path, features=features)
    first = files(folder)
    train(small, tmp_path, features=features)
    assert "exists already, nothing was run" in capsys.readouterr().err
    with pytest.raises(FsbenchError, match=r"fold1: exists already: use --if-exists resume or replace"):
        train(small, tmp_path, if_exists="error")
    changes: list[tuple[dict[str, Any], str]] = [
        ({"seed": 5}, "seed was '0', this run's is '5'"),
        ({"options": {"epochs": 3}}, "options was"),
        ({"held_out": 0.2}, "benchmark was"),
        ({"threads": 2}, "conditions was"),
    ]
    for change, message in changes:
        with pytest.raises(FsbenchError, match=f"is from another run \\({message}"):
            train(small, tmp_path, **change)
    assert files(folder) == first
    train(small, tmp_path, features=features, if_exists="replace", seed=5)
    assert report(folder)["seed"] == 5
    assert (folder / "model.safetensors").read_bytes() != first["model.safetensors"]


def altered(**changes: Any) -> Any:
    """The small trainer with fields of its task replaced, each by a function of (task, setup)."""

    def task(setup: Setup, *, epochs: int = 2) -> Task:
        made = small_trainer.task(setup, epochs=epochs)
        return replace(made, **{name: change(made, setup) for name, change in changes.items()})

    return SimpleNamespace(task=task)


def scripted(scores: Sequence[float]) -> Any:
    """A ``validate`` that gives these scores, then fails, and a list of the weights it was called with."""
    seen: list[dict[str, Tensor]] = []

    def change(task: Task, setup: Setup) -> Any:
        def validate() -> dict[str, float]:
            assert not task.module.training
            assert not torch.is_grad_enabled()
            seen.append({name: tensor.clone() for name, tensor in task.module.state_dict().items()})
            return {"accuracy": scores[len(seen) - 1]}

        return validate

    return change, seen


@pytest.mark.parametrize(
    ("scores", "best", "average"),
    [((0.1, 0.5, 0.3), 1, False), ((0.5, 0.5, 0.5), 0, True), ((0.1, 0.2, 0.3), 2, True)],
)
def test_the_weights_with_the_best_score_are_kept(
    small: Benchmark, tmp_path: Path, features: Path, scores: tuple[float, ...], best: int, average: bool
) -> None:
    validate, seen = scripted(scores)
    trainer = altered(validate=validate, average=lambda task, setup: (lambda step: 0.9) if average else None)
    folder = train(small, tmp_path, trainer, features=features, options={"epochs": 3})
    kept = read_tensors(folder / "model.safetensors")[0]
    assert [all(torch.equal(kept[n], of[n]) for n in kept) for of in seen] == [n == best for n in range(3)]
    assert report(folder)["selected_epoch"] == best


def test_validating_every_other_epoch_includes_the_last(small: Benchmark, tmp_path: Path, features: Path) -> None:
    validate, seen = scripted((0.3, 0.2, 0.1))
    trainer = altered(validate=validate, validate_every=lambda task, setup: 2)
    folder = train(small, tmp_path, trainer, features=features, options={"epochs": 5})
    assert [epoch["epoch"] for epoch in report(folder)["epochs"] if epoch["scores"]] == [1, 3, 4]
    assert len(seen) == 3


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_runs_under_autocast(small: Benchmark, tmp_path: Path, features: Path, precision: str) -> None:
    seen: set[torch.dtype] = set()

    def loss(task: Task, setup: Setup) -> Any:
        return lambda data: seen.add(task.module(data.features).dtype) or task.loss(data)

    folder = train(small, tmp_path, altered(loss=loss), features=features, precision=precision)
    assert seen == {torch.bfloat16 if precision == "bf16" else torch.float16}
    found = report(folder)
    assert found["conditions"]["precision"] == precision
    assert found["epochs"][1]["loss"] < found["epochs"][0]["loss"]
    assert all(tensor.dtype == torch.float32 for tensor in read_tensors(folder / "model.safetensors")[0].values())


def test_auto_precision_is_float32_on_the_cpu() -> None:
    assert resolve_precision("auto", torch.device("cpu")) == "float32"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here: training on a GPU was not tested")
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_training_on_cuda(small: Benchmark, tmp_path: Path, features: Path, precision: str) -> None:
    found = report(train(small, tmp_path, features=features, precision=precision, device="cuda"))
    assert found["conditions"]["device"] == "cuda"
    assert found["epochs"][1]["loss"] < found["epochs"][0]["loss"]


REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"folds": ["9"]}, "no fold '9'"),
    ({"device": "tpu"}, "--device tpu: unknown"),
    ({"precision": "int8"}, "--precision int8: choose one of"),
    ({"options": {"wide": 3}}, "trainer small: no option 'wide': it takes width, epochs"),
    ({"options": {"batch_size": 60}}, "0 steps"),
    ({"features_bytes": 1000}, "but 1000 are allowed: allow more with --features-gib"),
    ({"drop_novel_images": True}, "--drop-novel-images: the lists of tiny do not show"),
]
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"loss": lambda task, setup: lambda data: task.loss(data)._replace(weight=0.0)}, "the loss of step 0 is inf"),
    ({"validate": lambda task, setup: lambda: {"other": 1.0}}, "finite numbers, one of them for accuracy"),
    ({"validate": lambda task, setup: lambda: {"accuracy": float("nan")}}, "validating gave {'accuracy': nan}"),
    (
        {"validate": lambda task, setup: lambda: {"accuracy": 1.0, "other": float("inf")}},
        "validating gave {'accuracy': 1.0, 'other': inf}: expected finite numbers",
    ),
    (
        {"recipe": lambda task, setup: {"rate": float("nan")}},
        "trainer small, fold 1: raised ValueError: Out of range float values are not JSON compliant",
    ),
    ({"rates": lambda task, setup: lambda step: [{"lr": 0.1}]}, "rates(0) gives 1 groups, the optimizers have 3"),
    ({"batch": lambda task, setup: lambda *_: 1 / 0}, "trainer small, fold 1: raised ZeroDivisionError"),
]


@pytest.mark.parametrize(
    ("trainer", "changes", "message"),
    [*((None, *case) for case in REQUESTS), *((altered(**faults), {}, message) for faults, message in FAULTS)],
)
def test_bad_requests_and_faulty_trainers_are_refused_in_one_line(
    small: Benchmark, tmp_path: Path, features: Path, trainer: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FsbenchError, match=re.escape(message)) as caught:
        train(small, tmp_path, trainer, **{"features": features, **changes})
    assert "\n" not in str(caught.value)
    assert not FILES & {path.name for path in tmp_path.glob("run/*/*")}


def test_a_trainers_option_without_a_default_is_required(small: Benchmark, tmp_path: Path) -> None:
    def task(setup: Setup, *, width: int) -> Task:
        raise AssertionError

    with pytest.raises(FsbenchError, match="trainer small: needs the option 'width'"):
        train(small, tmp_path, SimpleNamespace(task=task))


def test_two_runs_in_one_folder_are_refused(small: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "run" / "fold1").mkdir(parents=True)
    with (
        FileLock(tmp_path / "run" / "fold1" / ".lock"),
        pytest.raises(FsbenchError, match="another run is at work here"),
    ):
        train(small, tmp_path)


@pytest.mark.parametrize(
    ("file", "harm", "message"),
    [
        ("state", "cut", "cannot be read"),
        ("state", "other seed", "is from another run .seed was '0'"),
        ("best-0", "altered", "was altered"),
        ("best-0", "gone", "No such file"),
    ],
)
def test_a_damaged_or_foreign_state_is_refused_before_training_resumes(
    small: Benchmark, tmp_path: Path, features: Path, file: str, harm: str, message: str
) -> None:
    validate, _ = scripted((0.1,))
    with pytest.raises(FsbenchError, match="IndexError"):
        train(small, tmp_path, altered(validate=validate), features=features)
    path = tmp_path / "run" / "fold1" / "state" / f"{file}.safetensors"
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": data[:-1], "altered": data[:-1] + b"\x01"}.get(harm, data))
    seed = int(harm == "other seed")
    with pytest.raises(FsbenchError, match=rf"{file}\.safetensors: .*{message}"):
        train(small, tmp_path, altered(validate=lambda task, setup: pytest.fail), features=features, seed=seed)
    if harm == "cut":
        assert train(small, tmp_path, features=features, if_exists="replace")


def test_a_trainer_is_a_command_with_its_own_flags_and_the_shared(
    small: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path / "home"))
    made = trainer_command("small", small_trainer)
    assert made.help == "Train two convolutions."
    assert {"width", "dropout", "benchmark", "fold", "drop_novel_images"} <= {p.name for p in made.params}
    out = tmp_path / "run"
    arguments = ["-b", str(small.folder), "-f", "3", "--out", str(out), "--epochs", "1", "--width", "4"]
    made.main([*arguments, "--no-tensorboard", "--threads", "1", "--device", "cpu"], standalone_mode=False)
    assert "fold 3: accuracy" in capsys.readouterr().out
    found = report(out / "fold3")
    assert (found["options"]["width"], found["options"]["epochs"], found["trainer"]) == (4, 1, "small")
    assert not (out / "fold3" / "tensorboard").exists()
    assert (tmp_path / "home" / "features").is_dir()


def test_shared_flags_and_unknown_trainers_are_refused() -> None:
    def task(setup: Setup, *, seed: Annotated[int, typer.Option()] = 1) -> Task:
        raise AssertionError

    with pytest.raises(FsbenchError, match="trainer mine: seed: is a flag of every trainer"):
        trainer_command("mine", SimpleNamespace(task=task))
    group: Any = typer.main.get_command(command.app)
    assert group.get_command(None, "nobody") is None


def test_a_terminal_shows_a_progress_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with training_bar("model", 10, 3, visible=True) as show:
        show(4, "loss 0.5")
    assert "loss 0.5" in capsys.readouterr().err
