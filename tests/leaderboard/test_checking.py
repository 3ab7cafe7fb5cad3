"""``fsbench leaderboard check``: honest records pass, and each way to alter one is caught and named."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import FILLPOLY, PROTOCOLS, UNION
from fsbench.index.benchmark import Benchmark
from fsbench.index.published import published_lists
from fsbench.models.contract import Episode, ModelCard, TrainingCard
from fsbench.records.counts import BACKGROUND, Row
from fsbench.records.record import read_record
from leaderboard.checking.report import CHECKS, check_submission
from mosaic4.benchmark import MosaicBenchmark, build
from tests.fsbench.sample_models import Bright
from tests.leaderboard.sample_records import altered
from tests.leaderboard.submissions import (
    check,
    consistent,
    copied,
    desk,
    evaluated,
    made_of_lists,
    mended,
    other_counts,
)
from tests.mosaic4.drawn_folders import KEYS, draw_folders


class Trained(Bright):
    """As ``Bright``, with a card that says what it was trained on."""

    def __init__(self, *classes: str) -> None:
        super().__init__()
        training = TrainingCard(training_classes=classes, training_data="photographs", test_images_seen="no")
        self.card = ModelCard(
            name="trained", prompts="none", trained_parameters=5, total_parameters=9, training={"*": training}
        )


class Several(Bright):
    """Labels pixels by how bright they are: the darkest are background, the others of one class or another."""

    def __init__(self) -> None:
        super().__init__()
        self.card = ModelCard(name="several", prompts="none", total_parameters=0)

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        answers = []
        for episode in episodes:
            grey = episode.image.float().mean(dim=0)
            levels = torch.linspace(60, 140, len(episode.prompts))
            answers.append(10 - (grey[None] - levels[:, None, None]).abs())
        return answers


@pytest.fixture(scope="module")
def binary(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(Trained("fish"), small, tmp_path_factory.mktemp("binary"))


@pytest.fixture
def path(binary: Path, tmp_path: Path) -> Path:
    """A copy of ``binary`` that may be altered."""
    return copied(binary, tmp_path)


@pytest.fixture(scope="module")
def multi(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(Several(), small, tmp_path_factory.mktemp("multi"), protocol="fsbench-multi-v1")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[MosaicBenchmark, Path]:
    here = tmp_path_factory.mktemp("scenes")
    (here / "classes.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    built = build(draw_folders(here / "raw"), here / "built", classes=here / "classes.txt")
    assert isinstance(built, MosaicBenchmark)
    return built, evaluated(Bright(), built, here / "results")


def test_every_check_is_made_of_an_honest_record(small: Benchmark, binary: Path) -> None:
    report = check(binary, small)
    assert [outcome.name for outcome in report.outcomes if outcome.ok] == [
        name for name in CHECKS if name not in ("confusion", "predictions")
    ]


def test_honest_records_of_other_protocols(
    small: Benchmark, multi: Path, scenes: tuple[MosaicBenchmark, Path], tmp_path: Path
) -> None:
    general = evaluated(Several(), small, tmp_path, protocol="fsbench-general-v1", shots=1)
    one_fold = evaluated(Bright(), small, tmp_path / "fold", folds=[2, 3], seed=5, shots=2)
    limited = evaluated(Bright(), small, tmp_path, limit=3)
    on_small = [(path, small) for path in (multi, general, one_fold, limited)]
    for path, benchmark in [*on_small, (scenes[1], scenes[0])]:
        report = check(path, benchmark)
        missing = [outcome.name for outcome in report.outcomes if outcome.skipped]
        assert report.faults == []
        assert set(missing) <= {"training"}, path  # whose cards name no classes


def test_a_published_benchmark_is_known_without_being_built(tmp_path: Path) -> None:
    path = made_of_lists("toy", tmp_path, shots=1)
    report = check(path)
    assert report.faults == []
    assert [o.name for o in report.outcomes if o.skipped] == ["truths", "training"]
    altered(path, lambda said: said["manifests_sha256"].update({"0": "0" * 64}))
    altered(path, lambda said: _fold(said).update(manifest_sha256="0" * 64))
    assert check(path).faults[0].startswith("questions: fold 0: manifest is 000000000000…, but")
    altered(path, lambda said: said["benchmark"].update(lists_sha256="0" * 64))
    assert check(path).faults[0].startswith("benchmark: lists are 000000000000…, but the published lists of toy ")


def test_another_mask_rule_has_the_same_published_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists' digest is another, since it covers the rule; COCO's many lists are replaced by those of toy."""
    toy = published_lists("toy")
    assert toy is not None
    lists = replace(toy, name="coco-20i", mask_rule=UNION)
    for module in ("leaderboard.checking.submission", "tests.leaderboard.submissions"):
        monkeypatch.setattr(f"{module}.published_lists", lambda name: lists)
    path = made_of_lists("coco-20i", tmp_path, "fusioner")
    assert check(path).faults == [f"modified: says nothing, expected mask-rule={UNION}"]
    own = replace(lists, mask_rule=FILLPOLY).digest()
    altered(path, lambda said: said["benchmark"].update(mask_rule=FILLPOLY, lists_sha256=own))
    assert check(path).faults == []


def test_an_unknown_benchmark_is_said_to_be_unknown(binary: Path) -> None:
    report = check(binary)
    assert report.faults == []
    skipped = {o.name: o.skipped for o in report.outcomes if o.skipped}
    assert set(skipped) == {"benchmark", "questions", "truths"}
    assert skipped["questions"] == "lists of tiny are not published: build it, or give it with -b"


def _fold(said: dict[str, Any]) -> dict[str, Any]:
    fold: dict[str, Any] = said["folds"]["0"]
    return fold


def _miou(said: dict[str, Any]) -> None:
    said["miou"] += 0.01


def _whole_lie(said: dict[str, Any]) -> None:
    """Every score of a fold a little better, means and all."""
    fold = _fold(said)
    for of_class in fold["classes"].values():
        of_class["iou"] = min(1, of_class["iou"] + 0.1)
    fold["miou"] = sum(c["iou"] for c in fold["classes"].values()) / 2
    said["miou"] = sum(f["miou"] for f in said["folds"].values()) / 4


def _two_folds_swapped(said: dict[str, Any]) -> None:
    said["manifests_sha256"]["0"], said["manifests_sha256"]["1"] = (said["manifests_sha256"][f] for f in "10")
    for fold in "01":
        said["folds"][fold]["manifest_sha256"] = said["manifests_sha256"][fold]


JSON_FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "score of the mean": (_miou, r"scores: mean miou is 0\.\d+, but 0\.\d+ follows from the counts"),
    "score of a fold": (lambda s: _fold(s).update(miou=0.9), r"scores: fold 0 miou is 0\.9, but"),
    "score of a class": (
        lambda s: _fold(s)["classes"]["thing_01"].update(iou=0.9),
        r"scores: fold 0 thing_01 iou is 0\.9, but",
    ),
    "every score at once": (_whole_lie, r"scores: fold 0 miou is"),
    "FB-IoU": (lambda s: s.update(fb_iou=0.9), r"scores: mean fb_iou is 0\.9, but"),
    "interval of the mean": (lambda s: s.update(ci95=[0.3, 0.31]), r"scores: mean ci95 is \(0\.3, 0\.31\), but"),
    "interval of a fold": (lambda s: _fold(s).update(ci95=[0.3, 0.31]), r"scores: fold 0 ci95 is"),
    "vanished replicates": (lambda s: _fold(s).update(vanished_replicates=7), "scores: fold 0 vanished_repl"),
    "episodes counted": (lambda s: _fold(s).update(episodes=19), "scores: fold 0 episodes is 19, but 20 follows"),
    "a class called empty": (lambda s: _fold(s).update(left_out=["thing_00"]), "scores: fold 0 left_out is"),
    "another score": (
        lambda s: s.update(other={"imagewise": {"score": 0.9, "ci95": None}}),
        "scores: mean: other scores are imagewise, expected none",
    ),
    "a manifest": (
        lambda s: (s["manifests_sha256"].update({"0": "ab" * 32}), _fold(s).update(manifest_sha256="ab" * 32)),
        "questions: fold 0: manifest is abababababab…, but [0-9a-f]{12}… is drawn anew",
    ),
    "manifests swapped": (_two_folds_swapped, "questions: fold 1: manifest is"),
    "another seed": (lambda s: s.update(seed=1), "place: is in .*-s0, expected .*-s1"),  # asked the same at 0 shots
    "another number of shots": (lambda s: s.update(shots=1), "questions: fold 0: manifest is"),
    "a protocol that is not defined there": (lambda s: s.update(protocol="panet"), "questions: protocol panet"),
    "drawn": (lambda s: _fold(s).update(drawn=21), "questions: fold 0: 20 asked of 21 drawn, expected 20 of 20"),
    "asked": (lambda s: _fold(s).update(asked=19, episodes=19), "questions: fold 0: 19 asked of 20 drawn"),
    "episodes above those asked": (lambda s: _fold(s).update(episodes=21), "record: fold 0: 21 episodes of 20 asked"),
    "class names": (
        lambda s: s["benchmark"].update(class_names_sha256="0" * 64),
        "benchmark: class names is '0000",
    ),
    "masks": (lambda s: s["benchmark"].update(masks_sha256="0" * 64), "benchmark: masks are 000000000000…, but"),
    "title": (lambda s: s["benchmark"].update(title="PASCAL-5i"), "benchmark: title is 'PASCAL-5i', expected 'tiny'"),
    "partition": (lambda s: s["benchmark"].update(partition="c % 4"), "benchmark: partition is 'c % 4', expected"),
    "a part that calls itself whole": (
        lambda s: s["benchmark"].update(present=79),
        "benchmark: is said to be whole, but 79 of 80 samples are present",
    ),
    "a whole that calls itself a part": (
        lambda s: s["benchmark"].update(partial=True),
        r"benchmark: title is 'tiny', expected 'tiny \[partial 80/80\]'",
    ),
    "more present than there are": (lambda s: s["benchmark"].update(present=81), "benchmark: 81 of 80 samples"),
    "modified": (lambda s: s.update(modified=["limit=9"]), "modified: says limit=9, expected nothing"),
    "a limit": (lambda s: s.update(limit=20), "modified: says nothing, expected limit=20"),
    "draw-from said of no paper's protocol": (
        lambda s: s.update(modified=["draw-from=present"]),
        "modified: says draw-from=present, expected nothing",
    ),
    "the digest of the counts": (lambda s: s.update(counts_sha256="0" * 64), "counts: counts.parquet has digest"),
    "speed": (lambda s: s["timings"].update(images_per_second=1e6), "timings: 1000000.0 images per second, but 80 epi"),
    "a model that took longer than all": (
        lambda s: s["timings"].update(model_seconds=s["timings"]["seconds"] + 1),
        r"timings: the model took \S+ seconds of",
    ),
    "evidence": (lambda s: s.update(evidence="predictions"), "evidence: claims predictions, but counts is proved"),
    "evidence of a maintainer": (lambda s: s.update(evidence="rerun"), "evidence: claims rerun, but counts is proved"),
    "folds out of order": (
        lambda s: s.update(folds=dict(reversed(s["folds"].items()))),
        "record: folds are ordered 3, 2, 1, 0, expected the benchmark's order",
    ),
    "a fold twice": (lambda s: s["benchmark"]["folds"].append("0"), "record: benchmark.folds names a fold twice"),
    "a confusion of one class": (
        lambda s: _fold(s).update(confusion={"class_ids": [0], "pixels": [[1]]}),
        "record: fold 0: has a confusion or other classes, but fsbench-v1 asks one class at a time",
    ),
    "training on a tested class": (
        lambda s: s["model"]["training"]["*"]["training_classes"].append("Thing-03"),
        "training: was trained on classes that it is tested on, but does not say",
    ),
    "training that is not told": (
        lambda s: s["model"].update(training={}),
        "card: has 5 trained parameters, but says nothing of their training for fold 0",
    ),
    "training told for one fold": (
        lambda s: s["model"].update(training={"0": s["model"]["training"]["*"]}),
        "card: has 5 trained parameters, but says nothing of their training for fold 1",
    ),
    "training for a fold there is not": (
        lambda s: s["model"]["training"].update({"9": s["model"]["training"]["*"]}),
        "card: training names fold '9', which the benchmark does not have",
    ),
    "more trained than there are": (
        lambda s: s["model"].update(trained_parameters=10),
        "card: 10 trained parameters of 9",
    ),
    "masks that were needed and not given": (
        lambda s: s["model"].update(prompts="mask"),
        "card: model trained needs support masks, but is asked with 0 shots",
    ),
    "another name": (lambda s: s["model"].update(name="better"), "place: is in trained/.*, expected better/"),
    "another config8": (
        lambda s: s["model"].update(config8="0" * 8),
        "place: is in trained/.*, expected trained/1-0",
    ),
    "options that do not give config8": (
        lambda s: s["model"].update(weights_sha256="w", options={"a": "b"}),
        "place: config8 is [0-9a-f]{8}, but [0-9a-f]{8} follows from options, precision and weights",
    ),
}


def assert_fault(path: Path, benchmark: Benchmark, pattern: str) -> None:
    """One of the faults found begins as ``pattern`` does."""
    faults = check(path, benchmark).faults
    assert any(re.match(pattern, fault) for fault in faults), faults
    assert all(fault.isprintable() for fault in faults)


@pytest.mark.parametrize("name", JSON_FORGERIES)
def test_forged_json(name: str, small: Benchmark, path: Path) -> None:
    change, pattern = JSON_FORGERIES[name]
    altered(path, change)
    assert_fault(path, small, pattern)


def row(place: int, values: Callable[[Row], dict[str, Any]]) -> Callable[[list[Row]], list[Row]]:
    """A change of one row: ``values`` gives the new ones from the old row."""
    return lambda rows: [*rows[:place], rows[place]._replace(**values(rows[place])), *rows[place + 1 :]]


COUNT_FORGERIES: dict[str, tuple[Callable[[list[Row]], list[Row]], str]] = {
    "an episode dropped": (lambda r: r[:7] + r[8:], "episodes: fold 0 episode 7: is 0 times in the counts"),
    "an episode twice": (
        lambda r: [*r[:7], r[6], *r[8:]],
        "episodes: fold 0 episode 6: is 2 times in the counts, expected once",
    ),
    "episodes out of order": (
        lambda r: [r[1], r[0], *r[2:]],
        "episodes: fold 0: episodes are not in the manifest's order",
    ),
    "an episode beyond those asked": (
        row(19, lambda r: {"number": 20}),
        "episodes: fold 0 episode 20: is in the counts, but only 20 were asked",
    ),
    "another query": (
        row(3, lambda r: {"query": "thing_00/9", "image": "thing_00/9"}),
        "episodes: fold 0 episode 3: query is thing_00/9, but thing_00/4 was asked",
    ),
    "another image": (
        row(3, lambda r: {"image": "thing_00/9"}),
        "episodes: fold 0 episode 3: image is thing_00/9, expected",
    ),
    "another class": (row(3, lambda r: {"class_id": 1}), "episodes: fold 0 episode 3: class is 1, but 0 was asked"),
    "rows of a fold that was not run": (
        lambda r: [*r, r[-1]._replace(fold="9")],
        "counts: (counts.parquet: cannot be read as counts .81 rows|counts.parquet has rows of fold '9')",
    ),
    "more right than predicted": (
        row(3, lambda r: {"intersection": r.predicted + 1}),
        "pixels: fold 0 episode 3 .thing_00/4, class 0.: intersection",
    ),
    "a union above all pixels": (
        row(3, lambda r: {"predicted": r.valid + 1}),
        "pixels: fold 0 episode 3 .*: union",
    ),
    "more valid pixels than the photograph has": (
        row(3, lambda r: {"valid": r.valid + 9}),
        r"truths: fold 0 episode 3 .*: \d+ true of 777 valid pixels, but \d+ of 768 in its mask",
    ),
    "a smaller object": (
        row(3, lambda r: {"truth": r.truth - 1, "intersection": 0}),
        r"truths: fold 0 episode 3 \(thing_00/4, class 0\): \d+ true of 768 valid pixels, but",
    ),
}


@pytest.mark.parametrize("name", COUNT_FORGERIES)
def test_forged_counts(name: str, small: Benchmark, path: Path) -> None:
    change, pattern = COUNT_FORGERIES[name]
    other_counts(path, change)
    assert_fault(path, small, pattern)


def test_counts_that_are_not_the_records(small: Benchmark, path: Path) -> None:
    before = path.read_text()
    other_counts(path, row(3, lambda r: {"predicted": r.intersection}))
    path.write_text(before)
    faults = check(path, small).faults
    assert [fault.partition(":")[0] for fault in faults] == ["counts"]


def test_replicates_that_were_altered(small: Benchmark, path: Path) -> None:
    kept = path.parent / "bootstrap.parquet"
    table = pq.read_table(kept)
    columns = {name: table[name].to_numpy().copy() for name in table.column_names}
    columns["miou_fold1"][17] = np.nextafter(columns["miou_fold1"][17], 1)
    pq.write_table(pa.table(columns), kept)
    assert check(path, small).faults == [
        "replicates: bootstrap.parquet miou_fold1: 1 replicates are others than are drawn anew, first 17"
    ]
    columns = {name: table[name].to_numpy()[::-1] for name in table.column_names}  # the same interval, no pairs
    pq.write_table(pa.table(columns), kept)
    assert len(check(path, small).faults) == len(columns)


def test_replicates_of_another_record(small: Benchmark, multi: Path, path: Path) -> None:
    (path.parent / "bootstrap.parquet").write_bytes((multi.parent / "bootstrap.parquet").read_bytes())
    assert all("bootstrap.parquet" in fault for fault in check(path, small).faults)
    assert check(path, small).faults


def test_place_and_files(small: Benchmark, binary: Path, path: Path, tmp_path: Path) -> None:
    (path.parent / "notes.html").write_text("<script>")
    assert check(path, small).faults == ["files: notes.html: is no file of a record: remove it"]
    (path.parent / "notes.html").unlink()
    moved = tmp_path / "elsewhere" / "record"
    moved.parent.mkdir()
    path.parent.rename(moved)
    (fault,) = check(moved / "record.json", small).faults
    assert fault.startswith("place: is in ")
    linked = copied(binary, tmp_path / "linked")
    (linked.parent / "counts.parquet").unlink()
    (linked.parent / "counts.parquet").symlink_to(binary.parent / "counts.parquet")
    assert check(linked, small).faults == ["files: counts.parquet: is a link: put the file itself there"]


def test_an_altered_confusion(small: Benchmark, multi: Path, tmp_path: Path) -> None:
    path = copied(multi, tmp_path)

    def moved(said: dict[str, Any]) -> None:
        pixels = _fold(said)["confusion"]["pixels"]
        pixels[0][0] -= 5
        pixels[0][1] += 5

    altered(path, moved)
    honest = read_record(multi).folds["0"].confusion
    assert honest is not None
    number = sum(line[0] for line in honest.pixels)
    faults = check(path, small).faults
    assert faults[0] == f"confusion: fold 0 class -1: confusion has {number - 5} predicted pixels, the counts {number}"
    assert "right pixels" in faults[1]
    altered(path, lambda said: _fold(said).update(confusion=None))
    assert "record: fold 0: lacks the confusion of classes asked together" in check(path, small).faults


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[1:], "episodes: fold 0 episode 0: is 0 times in the counts"),
        (
            lambda rows: [rows[0], rows[1], *rows[1:]],
            "episodes: fold 0 episode 0: class 0 is 2 times in the counts",
        ),
        (
            row(0, lambda r: {"predicted": r.predicted + 1}),
            r"pixels: fold 0 episode 0: \d+ true and \d+ predicted labels of 768 valid pixels",
        ),
        (
            lambda rows: [r._replace(class_id=5) if r.class_id == 0 else r for r in rows],
            "episodes: fold 0 episode 0: c",
        ),
    ],
)
def test_forged_counts_of_classes_asked_together(
    change: Callable[[list[Row]], list[Row]], said: str, small: Benchmark, multi: Path, tmp_path: Path
) -> None:
    path = copied(multi, tmp_path)
    other_counts(path, change)
    assert_fault(path, small, said)


def test_a_class_that_is_there_and_was_not_counted(small: Benchmark, multi: Path, tmp_path: Path) -> None:
    """Its pixels given to the background, in counts and confusion alike, so that all agrees."""
    path = copied(multi, tmp_path)

    def hide(rows: list[Row]) -> list[Row]:
        ground, own = rows[0], rows[1]
        assert (ground.class_id, own.class_id) == (BACKGROUND, 0)
        return [
            ground._replace(truth=ground.valid, predicted=ground.valid, intersection=ground.valid),
            *(row for row in rows[1:] if row.number or row.fold != "0"),
        ]

    other_counts(path, hide)
    faults = check(path, small).faults
    assert any("episode 0 (thing_00/1, class -1): 768 true of 768 valid pixels, but" in fault for fault in faults)
    assert any("truths: fold 0 episode 0: class 0 is true somewhere, but has no counts" in fault for fault in faults)


def test_scenes_that_were_altered(scenes: tuple[MosaicBenchmark, Path], tmp_path: Path) -> None:
    benchmark, honest = scenes
    for change, said in (
        (
            row(0, lambda r: {"scene": r.scene._replace(tiles=(*r.scene.tiles[:3], 2**16))}),
            "pixels: fold test episode 0 .*: no mask has these pixels per tile and object",
        ),
        (row(0, lambda r: {"scene": r.scene._replace(position=-1)}), "episodes: fold test episode 0: i"),
        (
            row(0, lambda r: {"scene": r.scene._replace(areas=(*r.scene.areas[:3], 2**15))}),
            "truths: fold test episode 0 .*: its class is at position 0, or objects have other areas",
        ),
    ):
        path = copied(honest, tmp_path / said[:5].strip())
        other_counts(path, change)
        assert_fault(path, benchmark, said)


@pytest.fixture(scope="module")
def predictions(small: Benchmark, binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``Bright`` says to every episode of ``binary``, as PNGs."""
    out = tmp_path_factory.mktemp("predictions")
    for fold in small.lists.folds:
        manifest = draw(small.lists, fold, PROTOCOLS["fsbench-v1"], 0, 0)
        (out / f"fold{fold}").mkdir()
        (out / f"fold{fold}" / "manifest.sha256").write_text(manifest.sha256 + "\n")
        for number, question in enumerate(manifest.questions):
            grey = small.image(question.query).astype(np.float32).mean(axis=2)
            Image.fromarray((grey > grey.mean()).astype(np.uint8)).save(out / f"fold{fold}" / f"{number:06d}.png")
    return out


def test_a_lie_that_agrees_with_itself_needs_predictions(
    small: Benchmark, binary: Path, predictions: Path, path: Path
) -> None:
    """What nothing but the masks can show: an answer that is better than the model gave, counted consistently."""
    assert check(binary, small, evidence="predictions", predictions=predictions).faults == []
    mended(path, row(3, lambda r: {"intersection": r.truth, "predicted": r.truth}), small)
    assert read_record(path).miou != read_record(binary).miou
    assert check(path, small).faults == []
    altered(path, lambda said: said.update(evidence="predictions"))
    faults = check(path, small, evidence="predictions", predictions=predictions).faults
    assert faults[0].startswith(
        "predictions: fold 0: 1 episodes have other counts than the predictions give, first episode 3 (class 0): 0 3 "
    )
    assert faults[1].startswith("evidence: claims predictions, but counts is proved")
    assert len(faults) == 2


@pytest.mark.parametrize("protocol", ["fsbench-v1", "fsbench-multi-v1"])
def test_predictions_that_an_evaluation_kept_are_its_counts(protocol: str, small: Benchmark, tmp_path: Path) -> None:
    path = evaluated(Several(), small, tmp_path, protocol=protocol, save_predictions=True)
    assert f"it has predictions: count them again with --predictions {path.parent / 'predictions'}" in [
        *check(path, small).notes
    ]
    report = check(path, small, evidence="predictions", predictions=path.parent / "predictions")
    assert report.faults == []
    assert [outcome.name for outcome in report.outcomes if outcome.skipped] == ["training"]


def test_predictions_that_prove_nothing(small: Benchmark, binary: Path, predictions: Path, tmp_path: Path) -> None:
    given = {"evidence": "predictions", "predictions": predictions}
    (fault,) = check(binary, None, **given).faults
    assert fault.startswith("predictions: they cannot be counted again: benchmark tiny is not available locally")
    (fault,) = check(binary, small, evidence="predictions", predictions=tmp_path).faults
    assert "manifest.sha256: is missing" in fault
    record = evaluated(f"predictions:{predictions}", small, tmp_path / "results")
    assert read_record(record).evidence == "predictions"
    assert check(record, small, **given).faults == []
    assert [fault.partition(":")[0] for fault in check(record, small).faults] == ["evidence"]


@pytest.mark.parametrize("what", ["a pipe", "a link", "32 MiB", "no image"])
def test_predictions_of_an_ill_willed_stranger(
    what: str, small: Benchmark, binary: Path, predictions: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "predictions"
    shutil.copytree(predictions, folder)
    mask = folder / "fold2" / "000003.png"
    mask.unlink()
    if what == "a pipe":
        os.mkfifo(mask)
    elif what == "a link":
        mask.symlink_to("/dev/zero")
    else:
        with mask.open("wb") as file:
            file.truncate(32 * 2**20 if what == "32 MiB" else 100)
    (fault,) = check(binary, small, evidence="predictions", predictions=folder).faults
    assert fault.startswith(f"predictions: {mask}: ")
    assert fault.isprintable()


def test_evidence_that_a_maintainer_vouches_for(small: Benchmark, path: Path) -> None:
    altered(path, lambda said: said.update(evidence="rerun"))
    assert check(path, small, evidence="rerun").faults == []


def test_a_part_is_checked_with_that_part_alone(small: Benchmark, tmp_path: Path) -> None:
    gone = ("thing_00/3", "thing_05/7")
    samples = {
        name: replace(sample, image=None, mask=None, image_sha256=None, mask_sha256=None) if name in gone else sample
        for name, sample in small.samples.items()
    }
    digests = replace(small.digests, masks="1" * 64)
    part = replace(small, samples=samples, partial=True, counts={"val_present": 78, "val_total": 80}, digests=digests)
    path = evaluated(Bright(), part, tmp_path)
    assert read_record(path).benchmark.title == "tiny [partial 78/80]"
    assert check(path, part).faults == []
    skipped = {o.name: o.skipped for o in check(path, small).outcomes if o.skipped}
    assert check(path, small).faults == []
    assert "has other masks (tiny)" in (skipped["questions"] or "")


def test_notes_are_no_faults(small: Benchmark, binary: Path, path: Path) -> None:
    notes = check(binary, small).notes
    assert "card: unknown: url, licence" in notes
    (unknown,) = (note for note in notes if note.startswith("card: unknown of the training for fold 0, 1, 2, 3: "))
    assert "novel_masks_seen, novel_boxes_seen" in unknown
    assert "test_images_seen" not in unknown
    altered(path, lambda said: said["model"].update(contaminated=True))
    assert "contaminated: it says so itself; its training classes do not show it" in check(path, small).notes
    assert check(path, small).faults == []


def test_counts_of_another_model_are_noticed(small: Benchmark, binary: Path, tmp_path: Path) -> None:
    path = copied(binary, tmp_path / "first")
    altered(path, lambda said: said["model"].update(name="mine"))
    path = copied(path, tmp_path / "second")
    both = desk(small)
    assert not any("to the last pixel" in note for note in check_submission(binary, both).notes)
    report = check_submission(path, both)
    assert (report.faults, report.notes[-1]) == ([], f"the counts are those of {binary}, to the last pixel")


@pytest.mark.parametrize("title", ["PASCAL-5i", "pascal-5i", "Pascal-5I  [partial 9/10]", "toy"])
def test_a_benchmark_that_takes_anothers_title(title: str, path: Path) -> None:
    altered(path, lambda said: said["benchmark"].update(title=title))
    name = "toy" if title == "toy" else "pascal-5i"
    assert check(path).faults == [f"benchmark: title is that of {name}, but the benchmark is named tiny"]


def test_many_faults_of_one_kind_are_counted(small: Benchmark, path: Path) -> None:
    other_counts(path, lambda rows: [row._replace(query="x", image="x", class_id=99) for row in rows])
    (episodes,) = (o for o in check(path, small).outcomes if o.name == "episodes")
    assert len(episodes.faults) == 101
    assert episodes.faults[-1] == "and 60 more"


def test_consistent_is_what_an_evaluation_writes(small: Benchmark, binary: Path, path: Path) -> None:
    """Else the lie above would be found for another reason."""
    consistent(path, small)
    assert json.loads(path.read_text()) == json.loads(binary.read_text())
    assert (path.parent / "bootstrap.parquet").read_bytes() == (binary.parent / "bootstrap.parquet").read_bytes()
