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
from fsbench.training.run import Request, train_folds
from fsbench.training.task import Setup, Task
from fsbench.training.tensors import read_tensors
from tests.fsbench.training import small_trainer as tiny_trainer

FILES = {"model.safetensors", "card.json", "training.json"}


def request(benchmark: Benchmark, place: Path, **changes: Any) -> Request:
    said: dict[str, Any] = {"options": {"epochs": 2}, "threads": 1, "tensorboard": False, "folds": ["1"]}
    return Request("tiny", benchmark, place / "run", **{**said, "features": place / "features", **changes})


@pytest.fixture(scope="module")
def trained(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of fold 1; not to be changed."""
    place = tmp_path_factory.mktemp("trained")
    (folder,) = train_folds(tiny_trainer, request(small, place, tensorboard=True))
    return folder


def test_a_fold_leaves_checkpoint_card_report_and_logs(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == FILES | {"tensorboard"}
    weights, header = read_tensors(trained / "model.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {
        "0.weight": (6, 3, 3, 3),
        "0.bias": (6,),
        "3.weight": (1, 6, 1, 1),
        "3.bias": (1,),
    }
    assert header == {"width": "6", "encoder": "colours", "views": "as it is, flipped"}
    report = json.loads((trained / "training.json").read_text())
    assert report["options"] | {"epochs": 2} == report["options"]
    assert [epoch["epoch"] for epoch in report["epochs"]] == [0, 1]
    assert report["data"]["train_pairs"] + report["data"]["held_out_pairs"] == 60
    best = max(range(2), key=lambda epoch: report["epochs"][epoch]["scores"]["accuracy"])
    assert report["selected_epoch"] == best
    assert report["checkpoint_sha256"] == sha256_file(trained / "model.safetensors")


def test_the_logs_hold_loss_rates_and_scores(trained: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    events = EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) >= {"loss", "lr0", "lr2", "weight_decay0", "epoch/loss", "epoch/accuracy"}
    assert [event.step for event in events.Scalars("loss")] == list(range(18))
    report = json.loads((trained / "training.json").read_text())
    logged = [event.value for event in events.Scalars("epoch/accuracy")]
    assert logged == pytest.approx([epoch["scores"]["accuracy"] for epoch in report["epochs"]])


def test_the_card_says_what_was_seen_and_guards_against_contamination(small: Benchmark, trained: Path) -> None:
    card = ModelCard.model_validate_json((trained / "card.json").read_text())
    (training,) = card.training.values()
    assert card.weights_sha256 == training.checkpoint_sha256 == sha256_file(trained / "model.safetensors")
    assert card.trained_parameters == 175
    assert training.training_classes == tuple(f"thing {n:02d}" for n in (0, 1, 4, 5, 6, 7))
    assert (training.test_images_seen, training.novel_masks_seen, training.novel_images_dropped) == (
        "no",
        "no",
        "unknown",
    )
    assert training.novel_image_text_seen == "unknown"
    assert re.fullmatch(r"accuracy on \d held-out photographs of training classes", training.checkpoint_selected_by)
    assert not check_contamination(card, small.lists, ["1"], accepted=False)
    for fold in "023":
        with pytest.raises(FsbenchError, match=f"was trained on classes of fold {fold}"):
            check_contamination(card, small.lists, [fold], accepted=False)


def test_what_is_there_is_kept_refused_or_replaced(
    small: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = train_folds(tiny_trainer, request(small, tmp_path))
    first = {name: (folder / name).read_bytes() for name in FILES}
    train_folds(tiny_trainer, request(small, tmp_path))
    assert "is there already, nothing was run" in capsys.readouterr().err
    assert {name: (folder / name).read_bytes() for name in FILES} == first
    with pytest.raises(FsbenchError, match=r"fold1: is there already: use --if-exists resume or replace"):
        train_folds(tiny_trainer, request(small, tmp_path, if_exists="error"))
    for changes, said in (
        ({"seed": 5}, "seed was '0', this run's is '5'"),
        ({"options": {"epochs": 3}}, "options was"),
        ({"held_out": 0.2}, "benchmark was"),
        ({"threads": 2}, "conditions was"),
    ):
        with pytest.raises(FsbenchError, match=f"is of another run \\({said}"):
            train_folds(tiny_trainer, request(small, tmp_path, **changes))
    assert {name: (folder / name).read_bytes() for name in FILES} == first
    train_folds(tiny_trainer, request(small, tmp_path, if_exists="replace", seed=5))
    assert json.loads((folder / "training.json").read_text())["seed"] == 5
    assert (folder / "model.safetensors").read_bytes() != first["model.safetensors"]


def altered(**changes: Any) -> Any:
    """The tiny trainer with parts of its task exchanged, each by a function of (task, setup)."""

    def task(setup: Setup, *, epochs: int = 2) -> Task:
        made = tiny_trainer.task(setup, epochs=epochs)
        return replace(made, **{name: change(made, setup) for name, change in changes.items()})

    return SimpleNamespace(task=task)


def scripted(scores: Sequence[float]) -> Any:
    """A ``validate`` that gives these scores and remembers the weights it was asked with."""
    seen: list[dict[str, Tensor]] = []

    def change(task: Task, setup: Setup) -> Any:
        def validate() -> dict[str, float]:
            assert not task.module.training
            assert not torch.is_grad_enabled()
            seen.append({name: tensor.clone() for name, tensor in task.module.state_dict().items()})
            return {"accuracy": scores[len(seen) - 1]}

        return validate

    return change, seen


@pytest.mark.parametrize(("scores", "best"), [((0.1, 0.5, 0.3), 1), ((0.5, 0.5, 0.5), 0), ((0.1, 0.2, 0.3), 2)])
@pytest.mark.parametrize("average", [False, True])
def test_the_weights_with_the_best_score_are_kept(
    small: Benchmark, tmp_path: Path, scores: tuple[float, ...], best: int, average: bool
) -> None:
    validate, seen = scripted(scores)
    trainer = altered(validate=validate, average=lambda task, setup: (lambda step: 0.9) if average else None)
    (folder,) = train_folds(trainer, request(small, tmp_path, options={"epochs": 3}))
    kept = read_tensors(folder / "model.safetensors")[0]
    assert len(seen) == 3
    assert [all(torch.equal(kept[n], of[n]) for n in kept) for of in seen] == [n == best for n in range(3)]
    assert json.loads((folder / "training.json").read_text())["selected_epoch"] == best


def test_validating_now_and_then_never_misses_the_end(small: Benchmark, tmp_path: Path) -> None:
    validate, seen = scripted((0.3, 0.2, 0.1))
    trainer = altered(validate=validate, validate_every=lambda task, setup: 2)
    (folder,) = train_folds(trainer, request(small, tmp_path, options={"epochs": 5}))
    epochs = json.loads((folder / "training.json").read_text())["epochs"]
    assert [epoch["epoch"] for epoch in epochs if epoch["scores"]] == [1, 3, 4]
    assert len(seen) == 3


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_runs_under_autocast(small: Benchmark, tmp_path: Path, precision: str) -> None:
    seen: list[torch.dtype] = []

    def loss(task: Task, setup: Setup) -> Any:
        def watched(data: Any) -> Any:
            seen.append(task.module(data.features).dtype)
            return task.loss(data)

        return watched

    trainer = altered(loss=loss)
    (folder,) = train_folds(trainer, request(small, tmp_path, precision=precision, device="cpu"))
    assert set(seen) == {torch.bfloat16 if precision == "bf16" else torch.float16}
    report = json.loads((folder / "training.json").read_text())
    assert report["conditions"]["precision"] == precision
    assert report["epochs"][1]["loss"] < report["epochs"][0]["loss"]
    assert all(tensor.dtype == torch.float32 for tensor in read_tensors(folder / "model.safetensors")[0].values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here: training on a GPU was not tested")
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_training_on_cuda(small: Benchmark, tmp_path: Path, precision: str) -> None:
    (folder,) = train_folds(tiny_trainer, request(small, tmp_path, precision=precision, device="cuda"))
    report = json.loads((folder / "training.json").read_text())
    assert report["conditions"]["device"] == "cuda"
    assert report["epochs"][1]["loss"] < report["epochs"][0]["loss"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folds": ["9"]}, "no fold '9'"),
        ({"device": "tpu"}, "--device tpu: unknown"),
        ({"precision": "int8"}, "--precision int8: choose one of"),
        ({"options": {"wide": 3}}, "trainer tiny: no option 'wide': it takes width, epochs"),
        ({"options": {"batch_size": 60}}, "0 steps"),
        ({"features_bytes": 1000}, "but 1000 are allowed: allow more with --features-gib"),
        ({"drop_novel_images": True}, "--drop-novel-images: the lists of tiny do not say"),
    ],
)
def test_bad_requests_are_refused_in_one_line(
    small: Benchmark, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(FsbenchError, match=re.escape(said)) as caught:
        train_folds(tiny_trainer, request(small, tmp_path, **changes))
    assert "\n" not in str(caught.value)
    assert not FILES & {path.name for path in tmp_path.glob("run/*/*")}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": lambda task, setup: lambda data: task.loss(data)._replace(weight=0.0)}, "the loss of step 0 is inf"),
        ({"validate": lambda task, setup: lambda: {"other": 1.0}}, "finite numbers, one of them for accuracy"),
        ({"validate": lambda task, setup: lambda: {"accuracy": float("nan")}}, "validating gave {'accuracy': nan}"),
        (
            {"validate": lambda task, setup: lambda: {"accuracy": 1.0, "other": float("inf")}},
            "validating gave {'accuracy': 1.0, 'other': inf}: expected finite numbers",
        ),
        (
            {"recipe": lambda task, setup: {"rate": float("nan")}},
            "trainer tiny, fold 1: raised ValueError: Out of range float values are not JSON compliant",
        ),
        ({"rates": lambda task, setup: lambda step: [{"lr": 0.1}]}, "rates(0) gives 1 groups, the optimizers have 3"),
        ({"batch": lambda task, setup: lambda *_: 1 / 0}, "trainer tiny, fold 1: raised ZeroDivisionError"),
    ],
)
def test_faults_of_a_trainer_are_said_in_one_line(
    small: Benchmark, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(FsbenchError, match=re.escape(said)) as caught:
        train_folds(altered(**changes), request(small, tmp_path))
    assert "\n" not in str(caught.value)


def test_two_runs_in_one_folder_are_refused(small: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "run" / "fold1").mkdir(parents=True)
    with (
        FileLock(tmp_path / "run" / "fold1" / ".lock"),
        pytest.raises(FsbenchError, match="another run is at work here"),
    ):
        train_folds(tiny_trainer, request(small, tmp_path))


@pytest.mark.parametrize("harm", ["cut", "another"])
def test_a_state_that_cannot_be_gone_on_with_is_refused(small: Benchmark, tmp_path: Path, harm: str) -> None:
    validate, _ = scripted((0.1,))  # the second time it is asked it has no answer
    with pytest.raises(FsbenchError, match="IndexError"):
        train_folds(altered(validate=validate), request(small, tmp_path))
    state = tmp_path / "run" / "fold1" / "state" / "state.safetensors"
    assert state.exists()
    if harm == "cut":
        state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(FsbenchError, match="cannot be read" if harm == "cut" else "is of another run .seed was '0'"):
        train_folds(altered(), request(small, tmp_path, seed=int(harm == "another")))
    assert train_folds(altered(), request(small, tmp_path, if_exists="replace"))


@pytest.mark.parametrize(("harm", "said"), [("altered", "was altered"), ("gone", "No such file")])
def test_damaged_best_weights_are_noticed_before_training_goes_on(
    small: Benchmark, tmp_path: Path, harm: str, said: str
) -> None:
    validate, _ = scripted((0.1,))  # the second time it is asked it has no answer
    with pytest.raises(FsbenchError, match="IndexError"):
        train_folds(altered(validate=validate), request(small, tmp_path))
    (best,) = tmp_path.glob("run/fold1/state/best-0.safetensors")
    if harm == "gone":
        best.unlink()
    else:
        best.write_bytes(best.read_bytes()[:-1] + b"\x01")
    with pytest.raises(FsbenchError, match=rf"best-0\.safetensors: .*{said}"):
        train_folds(altered(validate=lambda task, setup: pytest.fail), request(small, tmp_path))


def test_a_trainer_is_a_command_with_its_own_flags_and_the_shared(
    small: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path / "home"))
    made = trainer_command("tiny", tiny_trainer)
    assert made.help == "Train two convolutions."
    assert {"width", "dropout", "benchmark", "fold", "drop_novel_images"} <= {p.name for p in made.params}
    out = tmp_path / "run"
    arguments = ["-b", str(small.folder), "-f", "3", "--out", str(out), "--epochs", "1", "--width", "4"]
    made.main([*arguments, "--no-tensorboard", "--threads", "1", "--device", "cpu"], standalone_mode=False)
    assert "fold 3: accuracy" in capsys.readouterr().out
    report = json.loads((out / "fold3" / "training.json").read_text())
    assert (report["options"]["width"], report["options"]["epochs"], report["trainer"]) == (4, 1, "tiny")
    assert not (out / "fold3" / "tensorboard").exists()
    assert (tmp_path / "home" / "features").is_dir()


def test_a_flag_that_every_trainer_has_cannot_be_a_trainers_own() -> None:
    def task(setup: Setup, *, seed: Annotated[int, typer.Option()] = 1) -> Task:
        raise AssertionError

    with pytest.raises(FsbenchError, match="trainer mine: seed: is a flag of every trainer"):
        trainer_command("mine", SimpleNamespace(task=task))


def test_an_unknown_trainer_is_no_command() -> None:
    group = typer.main.get_command(command.app)
    assert group.get_command(None, "nobody") is None  # type: ignore[attr-defined]


def test_the_checkpoint_is_evaluated_on_its_own_fold_alone(small: Benchmark, trained: Path) -> None:
    card = ModelCard.model_validate_json((trained / "card.json").read_text())

    class Trained:
        def __init__(self) -> None:
            self.card = card

        def segment(self, episodes: Sequence[Episode]) -> list[Tensor]:
            return [torch.zeros(len(e.prompts), *e.image.shape[1:]) for e in episodes]

    out = trained.parent / "results"
    record = evaluate(Trained(), small, folds="1", out=out, threads=1)
    assert record.model.training["*"].checkpoint_sha256 == card.weights_sha256
    with pytest.raises(FsbenchError, match="trained on classes of fold 2"):
        evaluate(Trained(), small, folds="2", out=out, threads=1)
