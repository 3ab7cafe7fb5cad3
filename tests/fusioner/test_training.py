"""Training on frozen features and being asked afterwards, from the first photograph read to the last count."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fsbench.cli.train import trainer_command
from fsbench.engine.evaluate import evaluate
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.io.files import sha256_file
from fsbench.models import registry
from fsbench.models.contract import ModelCard
from fsbench.records.counts import read_counts
from fsbench.records.record import Record
from fsbench.training.data import training_data
from fsbench.training.feature_store import FeatureStore
from fsbench.training.ranks import Ranks
from fsbench.training.task import Setup
from fsbench.training.tensors import read_tensors
from fusioner import trainer
from fusioner.encoders import TEXT_NAMES, VISUAL_NAMES, text_spec, visual_spec
from fusioner.recipes import paper, quick
from fusioner.views import Views
from fusioner.windows import Looking
from tests.fusioner.small_model import SIZE, TinyText, TinyVisual, tiny_encoders, tiny_recipe, train

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["fsbench.training.run", "torch._dynamo", "safetensors.torch"])


def report(folder: Path) -> Any:
    return json.loads((folder / "training.json").read_text())


def test_a_training_learns(small: Benchmark, tmp_path: Path) -> None:
    """Colours tell the tiny benchmark's masks, and a class's name tells its colour."""
    folder = train(small, tmp_path, tiny_recipe(epochs=12, rate=(0.0, 1e-2, 0.0), decoder_rate=1e-2, cut=(0.0, 0, 0)))
    losses = [epoch["loss"] for epoch in report(folder)["epochs"]]
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_as_published_but_small(small: Benchmark, tmp_path: Path, fusion: str) -> None:
    """Crops, windows, cross-entropy alone, Adam at a fixed rate: the paper's way through the same code."""
    plan = tiny_recipe(
        **{name: getattr(paper("tiny"), name) for name in ("decoder_schedule", "decoder_decay", "dice", "balance")},
        **{name: getattr(paper("tiny"), name) for name in ("pairs", "average", "clip_norm", "cells", "flip", "start")},
        cut=(0.0, 0, 0),
        scales=(2, 4, 8),
        centred=False,
        views=Views(SIZE, 2, 0.5, 20),
        looking=Looking("windows", SIZE, 21),
    )
    folder = train(small, tmp_path, plan, options={"fusion": fusion})
    said = report(folder)
    assert said["recipe"] == json.loads(json.dumps(asdict(plan)))
    assert said["steps"] == 2 * (58 // 6)
    assert all(np.isfinite(epoch["loss"]) for epoch in said["epochs"])
    assert evaluated(small, folder.parent, tmp_path / "results").folds["1"].episodes == 20


def test_what_a_run_leaves_says_what_it_is(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {"model.safetensors", "card.json", "training.json"}
    said = report(trained)
    assert said["recipe"] == json.loads(json.dumps(asdict(tiny_recipe())))
    assert (said["selected_by"], said["steps"]) == ("held-out mIoU", 8)
    scores = [epoch["scores"]["held-out mIoU"] for epoch in said["epochs"]]
    assert said["selected_epoch"] == scores.index(max(scores))
    card = ModelCard.model_validate_json((trained / "card.json").read_text())
    (training,) = card.training.values()
    assert training.checkpoint_selected_by == "held-out mIoU on 2 held-out photographs of training classes"
    assert training.training_classes == tuple(f"thing {n:02d}" for n in (0, 1, 4, 5, 6, 7))
    assert (training.test_images_seen, training.novel_masks_seen, training.novel_boxes_seen) == ("no", "no", "no")
    assert (training.novel_image_labels_seen, training.novel_image_text_seen) == ("no", "no")
    assert training.threshold_selected_by == "fixed: sigmoid 0.5"
    assert card.prompts == "text"
    assert card.weights_sha256 == training.checkpoint_sha256 == sha256_file(trained / "model.safetensors")


def test_no_val_photograph_novel_class_or_mask_of_one_is_read(
    small: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int | None]] = []
    image, truth = Benchmark.image, Benchmark.truth

    def spied_image(self: Benchmark, sample: str) -> Any:
        read.append((sample, None))
        return image(self, sample)

    def spied_truth(self: Benchmark, sample: str, class_id: int) -> Any:
        read.append((sample, class_id))
        return truth(self, sample, class_id)

    monkeypatch.setattr(Benchmark, "image", spied_image)
    monkeypatch.setattr(Benchmark, "truth", spied_truth)
    monkeypatch.setattr(Benchmark, "labels", lambda *_: pytest.fail("labels were read"))
    texts: list[str] = []
    embed = TinyText.embed

    def spied_embed(self: TinyText, of: Sequence[str]) -> Tensor:
        texts.extend(of)
        return embed(self, of)

    monkeypatch.setattr(TinyText, "embed", spied_embed)
    train(small, tmp_path, tiny_recipe(epochs=1))
    asked = {sample for sample, _ in small.lists.val["1"]}
    assert {sample for sample, class_id in read if class_id is None} == set(small.samples) - asked
    assert not asked & {sample for sample, _ in read}
    assert {class_id for _, class_id in read} - {None} == {0, 1, 4, 5, 6, 7}
    assert set(texts) == {f"thing {n:02d}" for n in (0, 1, 4, 5, 6, 7)}, "not even names"


def test_features_are_computed_once(small: Benchmark, tmp_path: Path) -> None:
    TinyVisual.encoded = 0
    train(small, tmp_path / "a", features=tmp_path / "kept")
    held_out, learned = 2, 58
    assert TinyVisual.encoded == held_out + 2 * learned
    train(small, tmp_path / "b", features=tmp_path / "kept", seed=1)
    train(small, tmp_path / "c", tiny_recipe(layers=1, epochs=3), features=tmp_path / "kept")
    assert TinyVisual.encoded == held_out + 2 * learned, "neither another seed nor another recipe needs new ones"
    train(small, tmp_path / "d", tiny_recipe(views=Views(SIZE, 3, 0.3, 0, kind="square")), features=tmp_path / "kept")
    assert TinyVisual.encoded == held_out + 3 * learned, "one view more"
    train(small, tmp_path / "e", tiny_recipe(views=Views(SIZE, 2, 0.1, 0, kind="square")), features=tmp_path / "kept")
    assert TinyVisual.encoded == held_out + 4 * learned, "of two views the first is plain, the second another"
    digests = {sha256_file(tmp_path / run / "run" / "fold1" / "model.safetensors") for run in "abcde"}
    assert len(digests) == 5


def run(folder: str, out: str, features: str, epochs: int) -> None:
    """In a process of its own: train fold 1, with a state on disk after every step."""
    train(open_benchmark(folder), Path(out), tiny_recipe(epochs=epochs), features=Path(features), save_seconds=0.0)


@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.long)])
def test_killed_trainings_end_with_the_same_weights(small: Benchmark, tmp_path: Path, kills: int) -> None:
    features = tmp_path / "features"
    plan = tiny_recipe(epochs=4 * kills)
    whole = train(small, tmp_path / "whole", plan, features=features)
    killed = tmp_path / "killed" / "run" / "fold1"
    state = killed / "state" / "state.safetensors"
    reached = [0]
    for _ in range(kills):
        said = str(small.folder), str(tmp_path / "killed"), str(features), plan.epochs
        process = PROCESSES.Process(target=run, args=said)
        process.start()
        deadline = time.monotonic() + 60
        while process.is_alive() and time.monotonic() < deadline and step(state) < reached[-1] + 2:
            time.sleep(0.001)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        reached.append(step(state))
    assert sorted(set(reached)) == reached, "each run went on behind the one before"
    assert reached[-1] < 16 * kills
    assert not (killed / "training.json").exists()
    again = train(small, tmp_path / "killed", plan, features=features)
    assert again == killed
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (again / "card.json").read_bytes() == (whole / "card.json").read_bytes()
    assert report(again)["epochs"] == report(whole)["epochs"]


def step(state: Path) -> int:
    return int(json.loads(read_tensors(state)[1]["reached"])["step"]) if state.exists() else 0


def test_a_run_goes_on_only_with_the_same_encoders_and_recipe(small: Benchmark, tmp_path: Path) -> None:
    folder = train(small, tmp_path)
    first = (folder / "model.safetensors").read_bytes()
    with pytest.raises(FsbenchError, match="is of another run"):
        train(small, tmp_path, options={"text": "tiny-text", "fusion": "late"})
    with pytest.raises(FsbenchError, match="is of another run"):
        train(small, tmp_path, seed=4)
    assert (folder / "model.safetensors").read_bytes() == first


@pytest.mark.parametrize(
    ("options", "changes", "said"),
    [
        ({"visual": "nobody"}, {}, "no encoder 'nobody'"),
        ({"text": "nobody"}, {}, "no encoder 'nobody'"),
        ({"prompts": "none"}, {}, "no prompts 'none': choose one of"),
        ({"batch_size": 25}, {}, "24 training pairs are fewer than a batch of 25: use --batch-size 24"),
        ({}, {"heads": 3}, "d_model 8 is no multiple of heads 3"),
        ({}, {"views": Views(33, 1, 0.0, 0.0)}, "height and width must be multiples of 8"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    small: Benchmark, tmp_path: Path, options: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(FsbenchError, match=said) as caught:
        train(small, tmp_path, tiny_recipe(**changes), options=options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "fold1" / "card.json").exists()


def test_more_ranks_than_pairs_are_refused(small: Benchmark, tmp_path: Path) -> None:
    data = training_data(small, "1")
    with FeatureStore(tmp_path) as features, tiny_encoders(tiny_recipe(batch=2)):
        setup = Setup("1", data, features, 0, torch.device("cpu"), Ranks(0, 3))
        with pytest.raises(FsbenchError, match="--batch-size 2: each of 3 ranks needs a pair"):
            trainer.task(setup, visual="tiny-visual", text="tiny-text")


def test_the_ranks_share_a_batch(small: Benchmark, tmp_path: Path) -> None:
    """Together they have its examples, each once, cut alike; and their losses add up to that of one rank."""
    data = training_data(small, "1")
    with FeatureStore(tmp_path) as features, tiny_encoders(tiny_recipe(dropout=0.0, drop_path=0.0)):
        setup = Setup("1", data, features, 0, torch.device("cpu"), Ranks())
        task = trainer.task(setup, visual="tiny-visual", text="tiny-text")
        for at in range(4):
            whole = task.batch(0, at, 0, 1)
            parts = [task.batch(0, at, rank, 4) for rank in range(4)]
            assert {part.grid for part in parts} == {whole.grid}
            for name in ("tokens", "text", "truths"):
                of_whole = getattr(whole, name)
                assert all(torch.equal(getattr(part, name), of_whole[rank::4]) for rank, part in enumerate(parts))
            losses = [task.loss(part) for part in parts]
            found = task.loss(whole)
            assert sum(float(loss.total.detach()) for loss in losses) == pytest.approx(found.total.item(), rel=1e-5)
            assert sum(loss.weight for loss in losses) == found.weight == 6


@pytest.mark.parametrize("visual", [name for name in VISUAL_NAMES if ":" not in name])
def test_every_pair_of_encoders_has_a_card(small: Benchmark, tmp_path: Path, visual: str) -> None:
    setup: Any = SimpleNamespace(data=training_data(small, "1"))
    seeing: Any = SimpleNamespace(spec=visual_spec(visual), parameters=10)
    for text in (name for name in TEXT_NAMES if ":" not in name):
        reading: Any = SimpleNamespace(spec=text_spec(text), parameters=10)
        for plan in (paper("tiny"), quick("tiny")):
            card = trainer._card(setup, plan, seeing, reading, "early", 5)
            assert visual in card.name
            assert text in card.name
            assert (card.name.endswith("quick"), card.total_parameters) == (plan.name == "quick", 25)
            told = card.training["*"]
            from_text = (seeing.spec.origin.image_text, reading.spec.origin.image_text)
            assert (told.novel_image_text_seen == "yes") == ("yes" in from_text)


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [("yes", "no", "yes"), ("no", "unknown", "unknown"), ("unknown", "yes", "yes"), ("no", "no", "no")],
)
def test_nobody_knows_more_than_the_one_who_knows_least(a: Any, b: Any, both: str) -> None:
    assert trainer._either(a, b) == trainer._either(b, a) == both


def test_the_command_line(small: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = trainer_command("fusioner", trainer)
    assert {"visual", "text", "fusion", "recipe", "prompts", "size", "views", "epochs", "batch_size"} <= {
        p.name for p in made.params
    }
    words = ["-b", str(small.folder), "-f", "1", "--out", str(tmp_path / "run"), "--visual", "tiny-visual"]
    words += ["--text", "tiny-text", "--recipe", "quick", "--epochs", "1", "--batch-size", "12", "--threads", "1"]
    words += ["--features", str(tmp_path / "features"), "--device", "cpu", "--no-tensorboard"]
    with tiny_encoders():
        made.main(words, standalone_mode=False)
    assert "fold 1: held-out mIoU" in capsys.readouterr().out
    said = report(tmp_path / "run" / "fold1")
    assert (said["steps"], said["recipe"]["batch"], said["recipe"]["epochs"]) == (2, 12, 1)


def evaluated(benchmark: Benchmark, run: Path, out: Path, **changes: Any) -> Record:
    """The run asked as ``fusioner:RUN/fold{fold}``, on fold 1."""
    point = EntryPoint("fusioner", "fusioner.segmenter:build", "fsbench.models")
    said = {"folds": "1", "threads": 1, "device": "cpu", "out": out, **changes}
    with pytest.MonkeyPatch.context() as patch, tiny_encoders():
        patch.setattr(registry, "registered", lambda _: {"fusioner": point})
        return evaluate(said.pop("spec", f"fusioner:{run}/fold{{fold}}"), benchmark, **said)


def counted(out: Path) -> list[Any]:
    (file,) = out.rglob("counts.parquet")
    return list(read_counts(file))


@pytest.mark.parametrize("protocol", ["fsbench-v1", "fsbench-multi-v1"])
def test_the_size_of_a_batch_changes_no_count(small: Benchmark, trained: Path, tmp_path: Path, protocol: str) -> None:
    records = [
        evaluated(small, trained.parent, tmp_path / str(size), batch_size=size, protocol=protocol)
        for size in (1, 3, 16)
    ]
    one, three, all_at_once = (counted(tmp_path / str(size)) for size in (1, 3, 16))
    assert one == three == all_at_once
    assert len({record.folds["1"].miou for record in records}) == 1
    assert records[0].model.name == "fusioner-tiny-visual-tiny-text-early-quick"
    assert any(row.predicted for row in one)


def test_classes_that_were_trained_on_are_not_asked(small: Benchmark, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match=r"was trained on classes of fold 2 \(thing_04, thing_05\)"):
        evaluated(small, trained.parent, tmp_path, spec=f"fusioner:{trained}", folds="2")
    record = evaluated(small, trained.parent, tmp_path, spec=f"fusioner:{trained}", folds="2", contaminated=True)
    assert record.model.contaminated


def test_a_fold_that_was_not_trained_is_missed(small: Benchmark, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match=r"fold3/model\.safetensors: is missing"):
        evaluated(small, trained.parent, tmp_path, folds="3")


def test_joint_is_a_model_of_its_own(small: Benchmark, trained: Path, tmp_path: Path) -> None:
    names = {}
    for joint in ("false", "true"):
        record = evaluated(small, trained.parent, tmp_path, protocol="fsbench-multi-v1", options={"joint": joint})
        names[joint] = record.model.name
    assert names["true"] == names["false"] + "-joint"
    assert len(list(tmp_path.rglob("record.json"))) == 2
