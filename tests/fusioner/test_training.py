"""Training on frozen features and evaluation afterwards, from the first photograph read to the last count."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

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
from fusioner import trainer
from fusioner.encoders import TEXT_NAMES, VISUAL_NAMES, text_spec, visual_spec
from fusioner.recipes import paper, quick
from fusioner.views import Views
from fusioner.windows import Tiling
from tests.fsbench.training.small_trainer import watch_reads
from tests.fsbench.training.test_kill import step_on_disk
from tests.fusioner.small_model import SIZE, SmallText, SmallVisual, small_encoders, small_recipe, train
from tests.kills import CONTEXT

TRAINED = tuple(f"thing {n:02d}" for n in (0, 1, 4, 5, 6, 7))
"""The training classes of fold 1."""


def report(folder: Path) -> Any:
    return json.loads((folder / "training.json").read_text())


def test_a_training_learns(small: Benchmark, tmp_path: Path, features: Path) -> None:
    """Colours show the benchmark's masks, and a class's name its colour."""
    plan = small_recipe(epochs=6, rate=(0.0, 1e-2, 0.0), decoder_rate=1e-2, cut=(0.0, 0, 0))
    losses = [epoch["loss"] for epoch in report(train(small, tmp_path, plan, features=features))["epochs"]]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_as_published_but_small(small: Benchmark, tmp_path: Path, features: Path, fusion: str) -> None:
    """Crops, windows, cross-entropy alone, Adam at a fixed rate: the paper's way through the same code."""
    names = "decoder_schedule decoder_decay dice balance pairs average clip_norm cells flip start cut scales centred"
    published = {name: getattr(paper("tiny"), name) for name in names.split()}
    plan = small_recipe(**published, views=Views(SIZE, 1, 0.5, 20), looking=Tiling("windows", SIZE, 21), epochs=1)
    folder = train(small, tmp_path, plan, features=features, options={"fusion": fusion})
    found = report(folder)
    assert found["recipe"] == json.loads(json.dumps(asdict(plan)))
    assert found["steps"] == 58 // 6
    assert all(np.isfinite(epoch["loss"]) for epoch in found["epochs"])
    assert evaluated(small, folder.parent, tmp_path / "results").folds["1"].episodes == 20


def test_a_run_leaves_checkpoint_card_and_report(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {"model.safetensors", "card.json", "training.json"}
    found = report(trained)
    assert found["recipe"] == json.loads(json.dumps(asdict(small_recipe())))
    assert (found["selected_by"], found["steps"]) == ("held-out mIoU", 8)
    card = ModelCard.model_validate_json((trained / "card.json").read_text())
    (training,) = card.training.values()
    assert training.checkpoint_selected_by == "held-out mIoU on 2 held-out photographs of training classes"
    assert training.training_classes == TRAINED
    assert (training.test_images_seen, training.novel_masks_seen, training.novel_boxes_seen) == ("no", "no", "no")
    assert (training.novel_image_labels_seen, training.novel_image_text_seen) == ("no", "no")
    assert training.threshold_selected_by == "fixed: sigmoid 0.5"
    assert card.prompts == "text"
    assert card.weights_sha256 == training.checkpoint_sha256 == sha256_file(trained / "model.safetensors")


@pytest.fixture
def setup(small: Benchmark, features: Path) -> Iterator[Setup]:
    with FeatureStore(features) as store:
        yield Setup("1", training_data(small, "1"), store, 0, torch.device("cpu"), Ranks())


def task(setup: Setup, **changes: Any) -> Any:
    with small_encoders(small_recipe(**changes)):
        return trainer.task(setup, visual="small-visual", text="small-text")


def test_features_are_computed_once_and_nothing_of_the_tested_fold_is_read(
    small: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = watch_reads(monkeypatch)
    for name, value in (("encoded", 0), ("embedded", [])):
        monkeypatch.setattr({"encoded": SmallVisual, "embedded": SmallText}[name], name, value)
    held_out, learned = 2, 58
    with FeatureStore(tmp_path) as store:
        setup = Setup("1", training_data(small, "1"), store, 0, torch.device("cpu"), Ranks())
        task(setup)
        assert SmallVisual.encoded == held_out + 2 * learned
        task(setup, layers=1, epochs=3)
        assert SmallVisual.encoded == held_out + 2 * learned, "another recipe needs no new ones"
        task(setup, views=Views(SIZE, 3, 0.3, 0, kind="square"))
        assert SmallVisual.encoded == held_out + 3 * learned, "one view more"
        task(setup, views=Views(SIZE, 2, 0.1, 0, kind="square"))
        assert SmallVisual.encoded == held_out + 4 * learned, "of two views the first is plain, the second another"
    tested = {sample for sample, _ in small.lists.val["1"]}
    assert {sample for sample, class_id in read if class_id is None} == set(small.samples) - tested
    assert not tested & {sample for sample, _ in read}
    assert {class_id for _, class_id in read} - {None} == {0, 1, 4, 5, 6, 7}
    assert set(SmallText.embedded) == set(TRAINED), "not even names"


def run(folder: str, out: str, features: str, epochs: int) -> None:
    """In a process of its own: train fold 1, with a state on disk after every step."""
    train(open_benchmark(folder), Path(out), small_recipe(epochs=epochs), features=Path(features), save_seconds=0.0)


@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.long)])
def test_killed_trainings_end_with_the_same_weights(
    small: Benchmark, tmp_path: Path, features: Path, kills: int
) -> None:
    plan = small_recipe(epochs=4 * kills)
    whole = train(small, tmp_path / "whole", plan, features=features)
    killed = tmp_path / "killed"
    reached = [0]
    for _ in range(kills):
        arguments = str(small.folder), str(killed), str(features), plan.epochs
        process = CONTEXT.Process(target=run, args=arguments)
        process.start()
        deadline = time.monotonic() + 60
        while process.is_alive() and time.monotonic() < deadline and step_on_disk(killed) < reached[-1] + 2:
            time.sleep(0.001)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        reached.append(step_on_disk(killed))
    assert sorted(set(reached)) == reached, "each run resumed the one before"
    assert reached[-1] < 16 * kills
    assert not (killed / "run" / "fold1" / "training.json").exists()
    again = train(small, killed, plan, features=features)
    for name in ("model.safetensors", "card.json"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()
    assert report(again)["epochs"] == report(whole)["epochs"]


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"visual": "nobody"}, {}, "no encoder 'nobody'"),
        ({"text": "nobody"}, {}, "no encoder 'nobody'"),
        ({"prompts": "none"}, {}, "no prompts 'none': choose one of"),
        ({"batch_size": 25}, {}, "24 training pairs are fewer than a batch of 25: use --batch-size 24"),
        ({}, {"heads": 3}, "d_model 8 is no multiple of heads 3"),
        ({}, {"views": Views(33, 1, 0.0, 0.0)}, "height and width must be multiples of 8"),
    ],
)
def test_impossible_trainings_are_refused_in_one_line(
    small: Benchmark, tmp_path: Path, features: Path, options: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FsbenchError, match=message) as caught:
        train(small, tmp_path, small_recipe(**changes), options=options, features=features)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "fold1" / "card.json").exists()


def test_more_ranks_than_pairs_are_refused(setup: Setup) -> None:
    crowded: Any = SimpleNamespace(**{**vars(setup), "ranks": Ranks(0, 3)})
    with pytest.raises(FsbenchError, match="--batch-size 2: each of 3 ranks needs a pair"):
        task(crowded, batch=2)


def test_the_ranks_share_a_batch(setup: Setup) -> None:
    """Together they have its examples, each once, with the same crop and dropout; their losses add up to one rank's."""
    made = task(setup, dropout=0.3, drop_path=0.5)
    for at in range(2):
        whole = made.batch(0, at, 0, 1)
        shares = [made.batch(0, at, rank, 4) for rank in range(4)]
        assert {share.grid for share in shares} == {whole.grid}
        for name in ("tokens", "text", "truths"):
            of_whole = getattr(whole, name)
            assert all(torch.equal(getattr(share, name), of_whole[rank::4]) for rank, share in enumerate(shares))
        losses = [made.loss(share) for share in shares]
        found = made.loss(whole)
        assert sum(float(loss.total.detach()) for loss in losses) == pytest.approx(found.total.item(), rel=1e-5)
        assert sum(loss.weight for loss in losses) == found.weight == 6


@pytest.mark.parametrize("visual", [name for name in VISUAL_NAMES if ":" not in name])
def test_every_pair_of_encoders_has_a_card(small: Benchmark, visual: str) -> None:
    setup: Any = SimpleNamespace(data=training_data(small, "1"))
    sees: Any = SimpleNamespace(spec=visual_spec(visual), parameters=10)
    for text in (name for name in TEXT_NAMES if ":" not in name):
        reads: Any = SimpleNamespace(spec=text_spec(text), parameters=10)
        for plan in (paper("tiny"), quick("tiny")):
            card = trainer._card(setup, plan, sees, reads, "early", 5)
            assert visual in card.name
            assert text in card.name
            assert (card.name.endswith("quick"), card.total_parameters) == (plan.name == "quick", 25)
            image_text = (sees.spec.origin.image_text, reads.spec.origin.image_text)
            assert (card.training["*"].novel_image_text_seen == "yes") == ("yes" in image_text)
    for a, b, both in (("yes", "no", "yes"), ("no", "unknown", "unknown"), ("unknown", "yes", "yes")):
        assert trainer._either(a, b) == trainer._either(b, a) == both  # type: ignore[arg-type]


def test_the_command_line(small: Benchmark, tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = trainer_command("fusioner", trainer)
    flags = {"visual", "text", "fusion", "recipe", "prompts", "size", "views", "epochs", "batch_size"}
    assert flags <= {p.name for p in made.params}
    arguments = ["-b", str(small.folder), "-f", "1", "--out", str(tmp_path / "run"), "--visual", "small-visual"]
    arguments += ["--text", "small-text", "--recipe", "quick", "--epochs", "1", "--batch-size", "12", "--threads", "1"]
    arguments += ["--features", str(features), "--device", "cpu", "--no-tensorboard"]
    with small_encoders():
        made.main(arguments, standalone_mode=False)
        assert "fold 1: held-out mIoU" in capsys.readouterr().out
        with pytest.raises(FsbenchError, match="is from another run"):
            made.main([*arguments, "--fusion", "late"], standalone_mode=False)
    found = report(tmp_path / "run" / "fold1")
    assert (found["steps"], found["recipe"]["batch"], found["recipe"]["epochs"]) == (2, 12, 1)


def evaluated(benchmark: Benchmark, run: Path, out: Path, **changes: Any) -> Record:
    """The record of the run as ``fusioner:RUN/fold{fold}``, on fold 1."""
    point = EntryPoint("fusioner", "fusioner.segmenter:build", "fsbench.models")
    arguments = {"folds": "1", "threads": 1, "device": "cpu", "out": out, **changes}
    with pytest.MonkeyPatch.context() as patch, small_encoders():
        patch.setattr(registry, "registered", lambda _: {"fusioner": point})
        return evaluate(arguments.pop("spec", f"fusioner:{run}/fold{{fold}}"), benchmark, **arguments)


@pytest.mark.parametrize("protocol", ["fsbench-v1", "fsbench-multi-v1"])
def test_the_size_of_a_batch_changes_no_count(small: Benchmark, trained: Path, tmp_path: Path, protocol: str) -> None:
    counts = []
    for size in (1, 3, 16):
        record = evaluated(small, trained.parent, tmp_path / str(size), batch_size=size, protocol=protocol)
        (file,) = (tmp_path / str(size)).rglob("counts.parquet")
        counts.append((record.folds["1"].miou, list(read_counts(file))))
    assert counts[0] == counts[1] == counts[2]
    assert record.model.name == "fusioner-small-visual-small-text-early-quick"
    assert any(row.predicted for row in counts[0][1])


def test_classes_that_were_trained_on_are_not_tested(small: Benchmark, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match=r"was trained on classes of fold 2 \(thing_04, thing_05\)"):
        evaluated(small, trained.parent, tmp_path, spec=f"fusioner:{trained}", folds="2")
    record = evaluated(small, trained.parent, tmp_path, spec=f"fusioner:{trained}", folds="2", contaminated=True)
    assert record.model.contaminated
    with pytest.raises(FsbenchError, match=r"fold3/model\.safetensors: is missing"):
        evaluated(small, trained.parent, tmp_path, folds="3")


def test_a_record_names_the_precision(small: Benchmark, trained: Path, tmp_path: Path) -> None:
    record = evaluated(small, trained.parent, tmp_path, options={"precision": "bf16"})
    assert record.model.options == {"precision": "bf16"}
    with pytest.raises(FsbenchError, match="option precision=int8: Input should be 'float32', 'bf16' or 'fp16'"):
        evaluated(small, trained.parent, tmp_path, options={"precision": "int8"})


def test_joint_is_a_model_of_its_own(small: Benchmark, trained: Path, tmp_path: Path) -> None:
    plain, joint = (
        evaluated(small, trained.parent, tmp_path, protocol="fsbench-multi-v1", options={"joint": value}).model.name
        for value in ("false", "true")
    )
    assert joint == plain + "-joint"
    assert len(list(tmp_path.rglob("record.json"))) == 2
