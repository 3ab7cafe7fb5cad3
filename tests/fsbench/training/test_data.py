"""What may be trained on: never a val image, a novel class or a mask of one, and held-out photographs apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fsbench.benchmarks.own import folder as own
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.training.data import training_data
from fsbench.training.run import Request, train_folds
from tests.fsbench.training import small_trainer as tiny_trainer


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Twelve photographs of one class each and ``both``, which shows a class of either fold."""
    place = tmp_path_factory.mktemp("own")
    random = np.random.RandomState(3)
    shown = {f"{letter}{n}": {"a": [1], "b": [2], "c": [3], "d": [4]}[letter] for letter in "abcd" for n in range(3)}
    shown["both"] = [1, 3]
    for name, values in shown.items():
        mask = np.zeros((8, 10), np.uint8)
        for place_of, value in enumerate(values):
            mask[2 * place_of : 2 * place_of + 2, 3:7] = value
        pixels = random.randint(0, 255, (8, 10, 3)).astype(np.uint8)
        for kind, array, suffix in (("images", pixels, "jpg"), ("masks", mask, "png")):
            (place / kind).mkdir(exist_ok=True)
            Image.fromarray(array).save(place / kind / f"{name}.{suffix}")
    (place / "classes.txt").write_text("ant\nbee\ncat\ndog\n")
    (place / "folds.txt").write_text("ant\t0\nbee\t0\ncat\t1\ndog\t1\n")
    return own.build(
        place / "images", place / "masks", place / "classes.txt", place / "folds.txt", place / "index", "own", 1
    )


def test_a_training_reads_nothing_of_a_val_image_or_a_novel_class(
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
    request = Request("tiny", small, tmp_path / "run", ["2"], {"epochs": 1}, features=tmp_path / "features", threads=1)
    train_folds(tiny_trainer, request)
    novel = set(small.lists.folds["2"])
    asked = {sample for sample, _ in small.lists.val["2"]}
    assert {s for s, c in read if c is None} == set(small.samples) - asked
    assert {c for _, c in read} - {None} == {c.id for c in small.lists.classes} - novel
    assert not asked & {s for s, _ in read}


def test_what_is_not_trained_on_is_refused(small: Benchmark) -> None:
    data = training_data(small, "1")
    sample, class_id = small.lists.val["1"][0]
    trained, _ = data.train[0]
    for refused in (
        lambda: data.image(sample),
        lambda: data.truth(sample, class_id),
        lambda: data.truth(trained, class_id),
        lambda: data.image_sha256(sample),
        lambda: data.size(sample),
        lambda: data.class_named(class_id),
    ):
        with pytest.raises(FsbenchError, match="is not trained on where fold 1 of tiny is tested"):
            refused()
    assert data.image(trained).shape == (24, 32, 3)
    assert set(np.unique(data.truth(*data.train[0]))) <= {0, 1}


def test_photographs_that_the_fold_asks_are_left_out_under_any_name(overlapping: Benchmark) -> None:
    of_val = overlapping.samples["a0"].image_sha256
    samples = {**overlapping.samples, "d1": replace(overlapping.samples["d1"], image_sha256=of_val)}
    data = training_data(replace(overlapping, samples=samples), "0", held_out=0.3)
    assert {("both", 2), ("d1", 3)} <= set(overlapping.lists.train["all"]["1"])
    assert {sample for sample, _ in (*data.train, *data.held_out)} == {"c0", "c1", "c2", "d0", "d2"}
    assert data.refused == 2
    assert data.novel_images_dropped == "yes"
    assert [c.key for c in data.classes] == ["cat", "dog"]


def test_novel_images_are_dropped_where_the_lists_can_tell(overlapping: Benchmark) -> None:
    """PASCAL-5i's train photographs are no val photographs, but may show a novel class: so here, by other val lists."""
    lists = replace(
        overlapping.lists,
        val={"0": (("a1", 0), ("b1", 1)), "1": (("c1", 2),)},
        train={"fusioner": overlapping.lists.val, "hsnet": {"0": (("a0", 0),), "1": overlapping.lists.val["1"]}},
    )
    pascal = replace(overlapping, lists=lists, builder="pascal-5i")
    for variant in ("fusioner", "hsnet"):
        kept = training_data(pascal, "0", train_list=variant, held_out=0.3)
        dropped = training_data(pascal, "0", train_list=variant, held_out=0.3, drop_novel_images=True)
        samples = {sample for sample, _ in (*kept.train, *kept.held_out)}
        left = {sample for sample, _ in (*dropped.train, *dropped.held_out)}
        assert samples - left == {"both"}
        assert (kept.novel_images_dropped, dropped.novel_images_dropped) == ("no", "yes")
        assert kept.training_card().novel_images_dropped == "no"


def test_drop_novel_images_is_refused_where_nobody_can_tell(small: Benchmark) -> None:
    assert training_data(small, "0").novel_images_dropped == "unknown"
    with pytest.raises(FsbenchError, match="--drop-novel-images: the lists of tiny do not say"):
        training_data(small, "0", drop_novel_images=True)


def test_the_same_photographs_are_held_out_in_every_fold(small: Benchmark) -> None:
    of_fold = {fold: training_data(small, fold, held_out=0.3) for fold in small.lists.folds}
    for fold, data in of_fold.items():
        held, trained = ({s for s, _ in pairs} for pairs in (data.held_out, data.train))
        assert held
        assert not held & trained
        assert {*data.train, *data.held_out} == set(small.lists.training(fold, "all"))
        assert all(not held & {s for s, _ in other.train} for other in of_fold.values())
    of_fold_0 = sorted(s for s, _ in training_data(small, "0").held_out)
    assert of_fold_0 == ["thing_02/10", "thing_02/4", "thing_03/10", "thing_07/9"], "a published split never changes"


def test_more_held_out_holds_the_same_ones_and_more(small: Benchmark) -> None:
    tenth, more = (training_data(small, "0", held_out=share) for share in (0.1, 0.4))
    assert set(tenth.held_out) < set(more.held_out)
    assert tenth.digest != more.digest
    assert tenth.digest == training_data(small, "0").digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"held_out": 0.0}, r"60 training pairs at hand 0 would be held out \(--held-out 0.0\)"),
        ({"held_out": 1.0}, "60 would be held out"),
        ({"train_list": "hsnet"}, "no train lists 'hsnet': choose one of all"),
        ({"fold": "7"}, "no fold '7'"),
    ],
)
def test_bad_requests_are_refused_in_one_line(small: Benchmark, changes: dict[str, object], said: str) -> None:
    arguments = {"fold": "0", **changes}
    with pytest.raises(FsbenchError, match=said) as caught:
        training_data(small, **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_benchmark_without_train_lists_is_refused(small: Benchmark) -> None:
    with pytest.raises(FsbenchError, match="tiny has no train lists: train on another benchmark"):
        training_data(replace(small, lists=replace(small.lists, train={})), "0")


def test_photographs_that_are_not_at_hand_are_not_trained_on(small: Benchmark) -> None:
    missing = "thing_05/3"
    samples = {**small.samples, missing: replace(small.samples[missing], image=None)}
    data = training_data(replace(small, samples=samples), "0")
    assert missing not in {s for s, _ in (*data.train, *data.held_out)}
    assert len(data.train) + len(data.held_out) == 59
