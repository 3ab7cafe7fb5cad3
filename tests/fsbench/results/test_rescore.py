"""Another reduction of stored counts, against Fractions over the rows; and what no record can be read from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fsbench
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.records.counts import read_counts, rows_digest, write_counts
from fsbench.records.record import read_record
from fsbench.results.read_back import read_checked, read_replicates
from fsbench.results.rescore import rescore
from tests.command import run as command
from tests.fsbench.results.saved_records import Episode, altered, write_stored
from tests.fsbench.sample_models import Bright
from tests.fsbench.scoring.test_confusion import Noise
from tests.fsbench.scoring.test_intervals import CLASSES


def made_up(seed: int = 0, images: int = 24) -> dict[str, list[Episode]]:
    """Two folds over the same images; class 4 is never asked, class 3 has no pixel, one episode has no valid pixel."""
    random = np.random.RandomState(seed)
    folds: dict[str, list[Episode]] = {"0": [], "1": []}
    for i in range(images):
        for fold, class_id in (("0", 2 * random.randint(2)), ("1", 1)):
            truth, predicted = random.randint(1, 20), random.randint(0, 20)
            inter = random.randint(0, min(truth, predicted) + 1)
            folds[fold].append((f"im{i:02d}", class_id, inter, predicted, truth, 50 + i))
    folds["1"] += [("im03", 3, 0, 0, 0, 40), ("im04", 3, 0, 0, 0, 40), ("im05", 1, 0, 0, 0, 0)]
    return folds


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``record.json`` of made-up counts; not to be changed."""
    return write_stored(tmp_path_factory.mktemp("stored"), made_up(), CLASSES)


@pytest.fixture
def path(stored: Path, tmp_path: Path) -> Path:
    """The same in a copy that a test may alter."""
    return Path(shutil.copytree(stored.parent, tmp_path / "stored")) / stored.name


def naive_miou(episodes: Sequence[Episode], classes: Sequence[int], empty: str) -> Fraction | None:
    ious, any_union = [], False
    for class_id in classes:
        own = [e for e in episodes if e[1] == class_id]
        union = sum(e[3] + e[4] - e[2] for e in own)
        any_union |= union > 0
        if union or empty == "zero":
            ious.append(Fraction(sum(e[2] for e in own), union) if union else Fraction(0))
    return sum(ious, Fraction(0)) / len(ious) if any_union else None


def naive(asked: Mapping[str, Sequence[Episode]], empty: str) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """mIoU and mean per-episode IoU of each fold."""
    miou, image = {}, {}
    for fold, episodes in asked.items():
        miou[fold] = naive_miou(episodes, CLASSES[fold], empty) or Fraction(0)
        each = [Fraction(e[2], e[3] + e[4] - e[2]) for e in episodes if e[3] + e[4]]
        image[fold] = sum(each, Fraction(0)) / len(each)
    return miou, image


@pytest.mark.parametrize("empty", ["drop", "zero"])
@pytest.mark.parametrize("protocol", ["fsbench-v1", "hsnet"])
def test_each_rule_against_fractions(tmp_path: Path, protocol: str, empty: Any) -> None:
    asked = made_up()
    found = rescore(write_stored(tmp_path, asked, CLASSES, protocol=protocol), empty_class=empty)
    miou, _ = naive(asked, empty)
    for fold, value in miou.items():
        assert found.folds[fold].scores["miou"].score == pytest.approx(float(value), abs=1e-15)
    assert found.mean["miou"].score == pytest.approx(float(sum(miou.values()) / 2), abs=1e-15)
    assert found.own == (empty == {"fsbench-v1": "drop", "hsnet": "zero"}[protocol])
    assert found.folds["0"].left_out == (("class_4",) if empty == "drop" else ())
    assert found.folds["1"].classes["class_3"] == (None if empty == "drop" else 0)
    other = rescore(tmp_path, empty_class="zero" if empty == "drop" else "drop")
    assert other.mean["miou"].score != found.mean["miou"].score
    assert other.mean["miou"].ci95 != found.mean["miou"].ci95
    assert other.mean["fb_iou"] == found.mean["fb_iou"]


def test_the_own_reduction_is_the_record_with_its_replicates(small: Benchmark, tmp_path: Path) -> None:
    record = fsbench.evaluate(Bright(), small, out=tmp_path, threads=1)
    stored = read_checked(tmp_path / record.folder())
    scores = stored.scores(stored.protocol, imagewise=False)
    assert scores.folds == record.folds
    assert (scores.miou, scores.fb_iou, scores.ci95) == (record.miou, record.fb_iou, record.ci95)
    kept = read_replicates(stored)
    for fold in record.folds:
        assert (scores.replicates.miou[fold] == kept[f"miou_fold{fold}"]).all()
        assert (scores.replicates.fb_iou[fold] == kept[f"fb_iou_fold{fold}"]).all()
    found = rescore(tmp_path / record.folder())
    assert found.own
    assert (found.mean["miou"].score, found.mean["miou"].ci95) == (record.miou, record.ci95)
    assert found.mean["fb_iou"].score == record.fb_iou
    for fold, said in record.folds.items():
        assert (found.folds[fold].scores["miou"].score, found.folds[fold].scores["miou"].ci95) == (said.miou, said.ci95)


def test_the_image_average_is_the_mean_over_episodes(tmp_path: Path) -> None:
    asked = made_up()
    record = read_record(write_stored(tmp_path, asked, CLASSES, imagewise=True))
    found = rescore(tmp_path, average="image")
    _, image = naive(asked, "drop")
    for fold, value in image.items():
        assert list(found.folds[fold].scores) == ["imagewise"]
        own = found.folds[fold].scores["imagewise"]
        assert own.score == pytest.approx(float(value), abs=1e-15)
        assert (own.score, own.ci95) == tuple(dict(record.folds[fold].other["imagewise"]).values())
    assert list(found.mean) == ["imagewise"]
    assert (found.mean["imagewise"].score, found.mean["imagewise"].ci95) == tuple(
        dict(record.other["imagewise"]).values()
    )
    assert found.empty_class is None
    assert not found.own
    assert found.folds["1"].without_union == 2
    assert found.folds["1"].episodes == 26
    assert "have no IoU and are left out: fold 1: 2 of 26." in found.remarks[0]


@given(data=st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_counts(data: st.DataObject, tmp_path: Path) -> None:
    pixels = st.tuples(st.integers(1, 9), st.integers(0, 9), st.floats(0, 1))
    asked: dict[str, list[Episode]] = {}
    for fold, ids in CLASSES.items():
        drawn = data.draw(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(ids), pixels), min_size=1, max_size=12))
        asked[fold] = [
            (f"i{image}", class_id, int(part * min(truth, predicted)), predicted, truth, 20)
            for image, class_id, (truth, predicted, part) in drawn
        ]
    write_stored(tmp_path, asked, CLASSES)
    for empty in ("drop", "zero"):
        found = rescore(tmp_path, empty_class=empty)  # type: ignore[arg-type]
        for fold, value in naive(asked, empty)[0].items():
            assert found.folds[fold].scores["miou"].score == pytest.approx(float(value), abs=1e-14)
    for fold, value in naive(asked, "drop")[1].items():
        own = rescore(tmp_path, average="image").folds[fold].scores["imagewise"].score
        assert own == pytest.approx(float(value), abs=1e-14)


def test_without_all_folds_there_is_no_mean_and_no_interval(tmp_path: Path) -> None:
    asked = made_up()
    found = rescore(write_stored(tmp_path, asked, CLASSES, run=["1"]))
    assert list(found.folds) == ["1"]
    score = found.folds["1"].scores["miou"]
    assert score.score == pytest.approx(float(naive(asked, "drop")[0]["1"]), abs=1e-15)
    assert score.ci95 is None
    assert (found.mean["miou"].score, found.mean["miou"].ci95) == (None, None)
    assert found.remarks[0] == "no mean and no intervals: they depend on all folds, and the record lacks fold 0."


@pytest.mark.parametrize("protocol", ["fsbench-multi-v1", "fsbench-general-v1"])
def test_classes_asked_together(small: Benchmark, tmp_path: Path, protocol: str) -> None:
    record = fsbench.evaluate(Noise(), small, protocol=protocol, out=tmp_path, threads=1)
    found = rescore(tmp_path / record.folder())
    for scores, said in [(found.mean, record), *((found.folds[f].scores, record.folds[f]) for f in record.folds)]:
        assert (scores["miou"].score, scores["miou"].ci95) == (said.miou, said.ci95)
        assert "fb_iou" not in scores
        assert {name: asdict(value) for name, value in scores.items() if name != "miou"} == {
            name: dict(value) for name, value in said.other.items()
        }
        assert len(scores) > 1
    with pytest.raises(FsbenchError, match=f"{protocol} asks several classes at once, so that an episode has no IoU"):
        rescore(tmp_path / record.folder(), average="image")
    part = fsbench.evaluate(Noise(), small, protocol=protocol, out=tmp_path / "part", threads=1, folds=(0, 2))
    partly = rescore(tmp_path / "part" / part.folder())
    for fold in ("0", "2"):
        own, whole = partly.folds[fold].scores, found.folds[fold].scores
        assert {name: value.score for name, value in own.items()} == {n: v.score for n, v in whole.items()}
        assert {value.ci95 for value in own.values()} == {None}


def test_a_record_without_class_ids(path: Path) -> None:
    """The first records name no ids: the classes with episodes have ascending ids, and the counts prove it."""
    before = rescore(path, empty_class="zero")
    altered(path, lambda s: [c.pop("class_id") for fold in s["folds"].values() for c in fold["classes"].values()])
    assert rescore(path, empty_class="zero") == before
    altered(path, lambda s: s["folds"]["0"].update(classes=dict(reversed(s["folds"]["0"]["classes"].items()))))
    refused(path, FORGED)
    altered(path, lambda s: s["folds"]["0"]["classes"].pop("class_4"))
    altered(path, lambda s: s["folds"]["0"]["classes"]["class_0"].update(class_id=0))
    refused(path, "which class has which id cannot be told")


def other_counts(path: Path, change: Any) -> None:
    """Counts altered together with their digest, as a forger would."""
    counts = path.parent / "counts.parquet"
    rows = [change(row) for row in read_counts(counts) if change(row) is not None]
    write_counts(counts, rows)
    altered(path, lambda said: said.update(counts_sha256=rows_digest(rows)))


FORGED = "scores do not follow from the counts"
DISAGREE = "scores, manifests and benchmark do not agree"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(protocol="mine"), "is of protocol 'mine', which is not known here"),
        (lambda s: s["folds"]["0"].update(miou=0.9), FORGED),
        (lambda s: s.update(miou=0.9), FORGED),
        (lambda s: s["folds"]["0"]["classes"]["class_2"].update(iou=None), FORGED),
        (lambda s: s["folds"]["1"].update(fb_iou=None), FORGED),
        (lambda s: s["folds"]["1"]["classes"]["class_1"].update(episodes=3), FORGED),
        (lambda s: s["folds"]["0"]["classes"]["class_2"].update(class_id=0), "which class has which id cannot be told"),
        (lambda s: s["manifests_sha256"].popitem(), DISAGREE),
        (lambda s: s["folds"]["0"].update(manifest_sha256="0" * 64), DISAGREE),
        (lambda s: s.update(folds={}), DISAGREE),
        (lambda s: s.update(counts_sha256="0" * 64), "counts.parquet: is not of the record"),
    ],
)
def test_altered_records_are_refused(path: Path, change: Any, message: str) -> None:
    altered(path, change)
    refused(path, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda row: row if row.number != 3 else None,
            "fold 0 has 23 episodes, expected those of numbers 0 to 23, once each, in order",
        ),
        (lambda row: None, "fold 0 has 0 episodes, expected those of numbers 0 to 23"),
        (lambda row: row._replace(class_id=7), FORGED),
        (lambda row: row._replace(intersection=row.valid + 1), FORGED),
        (
            lambda row: row._replace(valid=2**49),
            r"cannot be read as counts \(valid is from 562949953421312 to 562949953421312, expected 0 to 2\^40\)",
        ),
        (None, "counts.parquet: cannot be read as counts"),
    ],
)
def test_altered_counts_are_refused(path: Path, change: Any, message: str) -> None:
    if change is None:
        (path.parent / "counts.parquet").unlink()
    else:
        other_counts(path, change)
    refused(path, message)


def refused(path: Path, message: str) -> None:
    with pytest.raises(FsbenchError, match=message) as caught:
        rescore(path)
    assert "\n" not in str(caught.value)
    assert str(path.parent) in str(caught.value)


def test_counts_too_large_to_resample(stored: Path) -> None:
    """Each sum is exact, but a draw could reach 2^53: no interval is made of what is not exact."""
    found = read_checked(stored)
    rows = {fold: [row._replace(valid=row.valid + 2**47) for row in of] for fold, of in found.rows.items()}
    with pytest.raises(FsbenchError, match=r"cannot be scored \(a replicate could count \d+ pixels, expected fewer"):
        replace(found, rows=rows).scores(found.protocol, imagewise=False)


def test_unknown_reductions(stored: Path) -> None:
    with pytest.raises(FsbenchError, match="choose class or image; drop or zero"):
        rescore(stored, average="pixel")  # type: ignore[arg-type]
    with pytest.raises(FsbenchError, match="--average image takes no mean over classes: leave --empty-class out"):
        rescore(stored, average="image", empty_class="zero")


def test_the_command_names_the_reduction(stored: Path) -> None:
    def output(*arguments: str) -> str:
        done = command("rescore", stored, *arguments)
        assert done.code == 0, done.err
        return " ".join(done.out.split())

    text = output()
    assert "a class with no sample is left out of the mean (the protocol's own)" in text
    assert "left out of the mean: class_4 (fold 0), class_3 (fold 1)." in text
    mean = rescore(stored).mean["miou"]
    assert mean.score is not None
    assert f"{100 * mean.score:.2f}" in text
    assert "is counted as 0 (not the protocol's own, so not a score of it)" in output("--empty-class", "zero")
    table, _, reduction = output("--average", "image").partition("Reduction")
    assert "mean of per-episode IoU ('imagewise'), which is not an mIoU" in reduction
    assert ("imagewise" in table, "mIoU" in table) == (True, False)
    assert json.loads(command("rescore", stored, "--json").out) == json.loads(json.dumps(asdict(rescore(stored))))
