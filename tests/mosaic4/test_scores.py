"""Scores of models that know the truth and answer in ways whose scores are known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import fsum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from fsbench import Record, evaluate
from fsbench.engine.batches import image_token
from fsbench.index.benchmark import open_benchmark
from fsbench.models.contract import Episode, ModelCard
from fsbench.records.counts import read_counts
from fsbench.scoring.scenes import FALSE_ALARMS, SCORES
from mosaic4.benchmark import MosaicBenchmark

Objects = npt.NDArray[np.uint8]
NAMED = ("named", "hit", "wrong_object", "miss", "leak")
Answer = Callable[[Objects, int | None], npt.NDArray[np.bool_]]


@cache
def objects_of(folder: Path) -> list[Objects]:
    """The objects of every mosaic, uint8 448 x 448."""
    benchmark = open_benchmark(folder)
    assert isinstance(benchmark, MosaicBenchmark)
    return [benchmark.mosaics.mask(i) for i in range(len(benchmark.mosaics))]


class Knowing:
    """Answers ``answer(objects, position)``: where objects are, and the position of the class asked, None if absent."""

    def __init__(self, name: str, benchmark: MosaicBenchmark, answer: Answer) -> None:
        self.card = ModelCard(name=name, prompts="text")
        self._benchmark, self._answer = benchmark, answer
        assert benchmark.lists.scenes is not None
        self._queries = {image_token(query): query for query in benchmark.lists.scenes.tiles}
        self._ids = {c.name: c.id for c in benchmark.lists.classes}

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        answers = []
        for episode in episodes:
            query = self._queries[episode.image_id]
            classes = [c for q, c in self._benchmark.lists.val["test"] if q == query]
            asked = self._ids[episode.prompts[0].class_name]
            position = classes.index(asked) if asked in classes else None
            answers.append(
                torch.from_numpy(self._answer(objects_of(self._benchmark.folder)[int(query)], position)[None])
            )
        return answers


@pytest.fixture
def asked(mosaic: MosaicBenchmark, tmp_path: Path) -> Callable[[str, Answer], Record]:
    return lambda name, answer: evaluate(Knowing(name, mosaic, answer), mosaic, out=tmp_path)


def scores(record: Record) -> dict[str, float | None]:
    return {name: score.score for name, score in record.other.items()}


def named(*values: float | None) -> dict[str, float | None]:
    return dict(zip(NAMED, values, strict=True))


def areas(mosaic: MosaicBenchmark) -> npt.NDArray[np.int64]:
    """Pixels of each object: mosaics x 4."""
    return np.array([np.bincount(objects.ravel(), minlength=5)[1:] for objects in objects_of(mosaic.folder)])


def alarms(predicted: npt.NDArray[np.int64]) -> dict[str, float]:
    """Shares of answers to absent queries, of so many pixels each, that are false alarms; 448 x 448 pixels in all."""
    limits = {"false_alarm_0": 0.0, "false_alarm_0.1": 200.704, "false_alarm_1": 2007.04, "false_alarm_5": 10035.2}
    return {name: float((predicted > limit).mean()) for name, limit in limits.items()}


def test_the_truth(asked: Callable[[str, Answer], Record]) -> None:
    record = asked("knows", lambda objects, p: objects == (9 if p is None else p + 1))
    assert record.protocol == "mosaic4-v1"
    assert (record.miou, record.ci95) == (1.0, (1.0, 1.0))
    assert scores(record) == {**named(1.0, 1.0, 0.0, 0.0, 0.0), **dict.fromkeys(FALSE_ALARMS, 0.0)}


def test_always_the_top_left_object(
    mosaic: MosaicBenchmark, asked: Callable[[str, Answer], Record], tmp_path: Path
) -> None:
    """Right for one query in four: a quarter everywhere, whatever the sizes are."""
    record = asked("top-left", lambda objects, p: objects == 1)
    assert record.other["named"].ci95 == (0.25, 0.25)
    pixels = areas(mosaic)
    assert scores(record) == {**named(0.25, 0.25, 0.75, 0.0, 0.75), **alarms(pixels[:, 0])}
    classes = [c for _, c in mosaic.lists.val["test"]]
    ious = []
    for class_id in range(5):
        mosaics, places = np.divmod(np.flatnonzero(np.array(classes) == class_id), 4)
        right = pixels[mosaics[places == 0], 0].sum()
        wrong = (pixels[mosaics, places] + pixels[mosaics, 0])[places > 0].sum()
        ious.append(int(right) / int(right + wrong))
    assert record.miou == fsum(ious) / 5
    rows = read_counts(tmp_path / record.folder() / "counts.parquet")
    assert len(rows) == 5 * len(mosaic.mosaics)
    assert set(record.other) == set(SCORES)
    for row in rows:
        assert row.scene is not None
        number, place = divmod(row.number, 5)
        assert row.query == f"{number:06d}"
        assert row.scene.position == (place if place < 4 else -1)
        assert row.image == (mosaic.dataset.recipe.mosaics[number][place] if place < 4 else row.query)
        assert list(row.scene.areas) == pixels[number].tolist()
        assert list(row.scene.tiles) == list(row.scene.objects) == [pixels[number, 0], 0, 0, 0]
        assert row.valid == 448**2


def test_all_four_objects(mosaic: MosaicBenchmark, asked: Callable[[str, Answer], Record]) -> None:
    """Segments perfectly and names nothing: mIoU is that of a quarter, ``named`` is 0, since all four tie."""
    record = asked("all-objects", lambda objects, p: objects > 0)
    pixels = areas(mosaic)
    share = pixels / pixels.sum(axis=1, keepdims=True)
    found = scores(record)
    assert (found["named"], found["miss"]) == (0.0, 0.0)
    assert found["hit"] == (share > 0.5).mean()
    assert found["wrong_object"] == pytest.approx(1 - share.mean(), abs=1e-9)
    assert found["leak"] == 0.75
    assert {name: found[name] for name in FALSE_ALARMS} == alarms(pixels.sum(axis=1))
    assert record.miou is not None
    assert 0.2 < record.miou < 0.3


def test_nothing(asked: Callable[[str, Answer], Record]) -> None:
    record = asked("nothing", lambda objects, p: np.zeros(objects.shape, bool))
    assert (record.miou, record.ci95) == (0.0, (0.0, 0.0))
    assert scores(record) == {**named(0.0, 0.0, None, 1.0, None), **dict.fromkeys(FALSE_ALARMS, 0.0)}
    assert record.other["wrong_object"].ci95 is None


def test_empty_answers_are_misses(mosaic: MosaicBenchmark, asked: Callable[[str, Answer], Record]) -> None:
    """They are in no mean of ``wrong_object``; ``leak`` is pooled."""

    def now_and_then(objects: Objects, p: int | None) -> npt.NDArray[np.bool_]:
        found = objects == 0 if p == 0 else np.zeros(objects.shape, bool)
        if p == 1:
            found[0, -1] = True  # one pixel in the right tile, on no object
        return found

    record = asked("now-and-then", now_and_then)
    ground = 448**2 - areas(mosaic).sum(axis=1)
    own = 224**2 - areas(mosaic)[:, 0]
    found = scores(record)
    leak = (ground - own).sum() / (ground.sum() + len(ground))
    assert {name: found[name] for name in NAMED} == named(0.0, 0.25, 0.0, 0.5, leak)


def test_intervals_move_the_queries_of_a_sample_together(
    mosaic: MosaicBenchmark, asked: Callable[[str, Answer], Record]
) -> None:
    """Answers that depend on the sample alone vary with it."""
    mosaics = mosaic.dataset.recipe.mosaics
    bad = {samples[0] for samples in mosaics if samples[0].endswith(("1", "2"))}
    numbers = {objects.tobytes(): i for i, objects in enumerate(objects_of(mosaic.folder))}

    def by_sample(objects: Objects, p: int | None) -> npt.NDArray[np.bool_]:
        wrong = p is not None and mosaics[numbers[objects.tobytes()]][p] in bad
        return objects == (0 if p is None or wrong else p + 1)

    record = asked("by-sample", by_sample)
    interval = record.other["named"].ci95
    assert interval is not None
    assert record.other["named"].score == 0.8
    assert interval[1] - interval[0] > 0.1  # 50 samples, not 200 queries: +- 0.11 and not +- 0.055
    assert record.other["false_alarm_0"].ci95 == (1.0, 1.0)
