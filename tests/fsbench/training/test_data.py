"""Training data: never a val image, a novel class or a mask of one, and held-out photographs apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.training.data import training_data
from tests.fsbench.training.small_folder import build_folder
from tests.fsbench.training.small_trainer import train, watch_reads


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Twelve photographs of one class each and ``both``, which shows a class of either fold."""
    shows = {f"{letter}{n}": ["abcd".index(letter) + 1] for letter in "abcd" for n in range(3)}
    folds = {"ant": 0, "bee": 0, "cat": 1, "dog": 1}
    return build_folder(tmp_path_factory.mktemp("own"), {**shows, "both": [1, 3]}, folds, (8, 10))


def test_a_training_reads_nothing_of_a_val_image_or_a_novel_class(
    small: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = watch_reads(monkeypatch)
    train(small, tmp_path, folds=["2"], options={"epochs": 1})
    novel = set(small.lists.folds["2"])
    tested = {sample for sample, _ in small.lists.val["2"]}
    assert {s for s, c in read if c is None} == set(small.samples) - tested
    assert {c for _, c in read} - {None} == {c.id for c in small.lists.classes} - novel
    assert not tested & {s for s, _ in read}


def test_access_to_other_data_is_refused(small: Benchmark) -> None:
    data = training_data(small, "1")
    sample, class_id = small.lists.val["1"][0]
    trained, own = data.train[0]
    for refused in (
        lambda: data.image(sample),
        lambda: data.truth(sample, class_id),
        lambda: data.truth(trained, class_id),
        lambda: data.image_sha256(sample),
        lambda: data.size(sample),
        lambda: data.class_named(class_id),
    ):
        with pytest.raises(FsbenchError, match="is not training data when fold 1 of tiny is tested"):
            refused()
    assert data.image(trained).shape == (*data.size(trained), 3) == (24, 32, 3)
    assert set(np.unique(data.truth(trained, own))) <= {0, 1}
    assert data.class_named(own).id == own


def test_photographs_of_the_tested_fold_are_left_out_under_any_name(overlapping: Benchmark) -> None:
    of_val = overlapping.samples["a0"].image_sha256
    samples = {**overlapping.samples, "d1": replace(overlapping.samples["d1"], image_sha256=of_val)}
    data = training_data(replace(overlapping, samples=samples), "0", held_out=0.3)
    assert {("both", 2), ("d1", 3)} <= set(overlapping.lists.train["all"]["1"])
    assert {sample for sample, _ in (*data.train, *data.held_out)} == {"c0", "c1", "c2", "d0", "d2"}
    assert (data.refused, data.novel_images_dropped) == (2, "yes")
    assert [c.key for c in data.classes] == ["cat", "dog"]


def test_novel_images_are_dropped_where_the_lists_show_them(overlapping: Benchmark) -> None:
    """PASCAL-5i's train photographs are no val photographs, but may show a novel class: so here, by other val lists."""
    lists = replace(
        overlapping.lists,
        val={"0": (("a1", 0), ("b1", 1)), "1": (("c1", 2),)},
        train={"fusioner": overlapping.lists.val, "hsnet": {"0": (("a0", 0),), "1": overlapping.lists.val["1"]}},
    )
    pascal = replace(overlapping, lists=lists, builder="pascal-5i")
    for variant in ("fusioner", "hsnet"):
        kept, dropped = (
            training_data(pascal, "0", train_list=variant, held_out=0.3, drop_novel_images=drop) for drop in (0, 1)
        )
        samples, remaining = ({sample for sample, _ in (*of.train, *of.held_out)} for of in (kept, dropped))
        assert samples - remaining == {"both"}
        assert (kept.novel_images_dropped, dropped.novel_images_dropped) == ("no", "yes")
        assert kept.training_card().novel_images_dropped == "no"


def test_the_same_photographs_are_held_out_in_every_fold(small: Benchmark) -> None:
    of_fold = {fold: training_data(small, fold, held_out=0.3) for fold in small.lists.folds}
    for fold, data in of_fold.items():
        held, trained = ({s for s, _ in pairs} for pairs in (data.held_out, data.train))
        assert held
        assert not held & trained
        assert {*data.train, *data.held_out} == set(small.lists.training(fold, "all"))
        assert all(not held & {s for s, _ in other.train} for other in of_fold.values())
    tenth = training_data(small, "0")
    published = ["thing_02/10", "thing_02/4", "thing_03/10", "thing_07/9"]
    assert sorted(s for s, _ in tenth.held_out) == published, "a published split never changes"
    assert set(tenth.held_out) < set(of_fold["0"].held_out)
    assert tenth.digest != of_fold["0"].digest
    assert tenth.digest == training_data(small, "0", held_out=0.1).digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held_out": 0.0}, r"60 available training pairs 0 would be held out \(--held-out 0.0\)"),
        ({"held_out": 1.0}, "60 would be held out"),
        ({"train_list": "hsnet"}, "no train lists 'hsnet': choose one of all"),
        ({"fold": "7"}, "no fold '7'"),
        ({"drop_novel_images": True}, "--drop-novel-images: the lists of tiny do not show"),
    ],
)
def test_bad_requests_are_refused_in_one_line(small: Benchmark, changes: dict[str, object], message: str) -> None:
    with pytest.raises(FsbenchError, match=message) as caught:
        training_data(small, **{"fold": "0", **changes})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_benchmark_without_train_lists_is_refused(small: Benchmark) -> None:
    with pytest.raises(FsbenchError, match="tiny has no train lists: train on another benchmark"):
        training_data(replace(small, lists=replace(small.lists, train={})), "0")


def test_missing_photographs_are_left_out(small: Benchmark) -> None:
    missing = "thing_05/3"
    samples = {**small.samples, missing: replace(small.samples[missing], image=None)}
    data = training_data(replace(small, samples=samples), "0")
    assert missing not in {s for s, _ in (*data.train, *data.held_out)}
    assert len(data.train) + len(data.held_out) == 59
