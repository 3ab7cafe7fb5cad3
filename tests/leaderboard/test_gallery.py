"""The gallery: which episodes it shows, how they are drawn, and that masks are refused unless they give the counts."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import fsbench
from fsbench.errors import CheckFailedError, FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.io.palette import INK, WHITE, colour_of
from fsbench.models.contract import Episode
from fsbench.pictures.painted_labels import paint_answer
from fsbench.records.counts import BACKGROUND, Row, SceneCounts
from leaderboard.gallery import make_gallery, ranked, spaced
from mosaic4.benchmark import build
from tests.fsbench.sample_models import Bright
from tests.fsbench.small_benchmark import small_benchmark
from tests.leaderboard.hostile import pipe
from tests.mosaic4.drawn_folders import KEYS, draw_folders


def row(number: int, intersection: int, *, class_id: int = 0, scene: SceneCounts | None = None) -> Row:
    """An episode of which 100 pixels are true and 100 answered."""
    return Row("0", number, f"q{number}", f"q{number}", class_id, intersection, 100, 100, 1000, scene)


def test_the_best_the_worst_and_equal_distances_of_rank_between() -> None:
    rows = [row(number, number) for number in range(101)]
    picks = spaced(ranked(rows), 11)
    assert [(pick.number, pick.iou) for pick in picks] == [(n, n / (200 - n)) for n in range(100, -1, -10)]
    assert spaced(ranked(rows[::-1]), 11) == picks
    equal = [row(number, 50) for number in range(9)]
    assert [pick.number for pick in spaced(ranked(equal), 3)] == [0, 4, 8], "equal ones in the record's order"
    mostly_failed = [row(number, 90 if number % 10 == 0 else 0) for number in range(100)]
    assert [pick.iou > 0 for pick in spaced(ranked(mostly_failed), 10)] == [True] + [False] * 9


@pytest.mark.parametrize(("n", "numbers"), [(1, [2]), (2, [4, 0]), (5, [4, 3, 2, 1, 0]), (99, [4, 3, 2, 1, 0])])
def test_few_pictures_and_few_episodes(n: int, numbers: list[int]) -> None:
    assert [pick.number for pick in spaced(ranked([row(number, number) for number in range(5)]), n)] == numbers


def test_which_rows_make_an_episode_with_an_iou() -> None:
    absent = row(0, 0, scene=SceneCounts(-1, (50,) * 4, (0,) * 4, (9,) * 4))
    nothing = Row("0", 1, "q", "q", 0, 0, 0, 0, 1000)
    background = row(2, 100, class_id=BACKGROUND)
    assert ranked([absent, nothing, background]) == []
    several = [row(0, 100, class_id=BACKGROUND), row(0, 100, class_id=1), row(0, 0, class_id=2)]
    (pick,) = ranked(several)
    assert (pick.iou, pick.rows) == (0.5, tuple(several))


def test_the_answer_is_tinted_and_the_truth_outlined() -> None:
    image = np.full((40, 60, 3), 100, np.uint8)
    answer, truth = np.zeros((40, 60), np.uint8), np.zeros((40, 60), np.uint8)
    answer[10:30, 5:30] = 1
    truth[10:30, 20:50] = 1
    truth[35:] = 255
    painted = np.asarray(paint_answer(image, answer, truth, (40, 60), several=False))
    tint = tuple((100 * 2 + part * 3) // 5 for part in colour_of(0))
    assert tuple(painted[20, 10]) == tint
    assert tuple(painted[20, 25]) == tint
    assert tuple(painted[20, 40]) == (100, 100, 100)
    assert tuple(painted[20, 48]) == tuple(painted[11, 40]) == WHITE
    assert tuple(painted[20, 50]) == tuple(painted[9, 40]) == INK
    assert tuple(painted[38, 3]) == (100, 100, 100)


def test_classes_keep_their_colours_and_a_small_answer_is_stretched() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    answer = np.array([[0, 3], [2, 0]], np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    truth = np.zeros((40, 60), np.uint8)
    truth[:20, 40:] = 2
    painted = np.asarray(paint_answer(image, answer, truth, (40, 60), several=True))
    assert tuple(painted[30, 10]) == tuple(part * 3 // 5 for part in colour_of(1))
    assert tuple(painted[10, 35]) == tuple(part * 3 // 5 for part in colour_of(2))
    assert tuple(painted[1, 50]) == colour_of(1)
    assert tuple(painted[30, 50]) == (0, 0, 0)


@pytest.fixture(scope="module")
def made(with_masks: Path) -> Path:
    """The folder of a record with predictions; not to be damaged."""
    return next(with_masks.rglob("record.json")).parent


@pytest.fixture
def record(made: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(made, tmp_path / "record"))


def test_pictures_of_a_record(made: Path, small: Benchmark) -> None:
    gallery = make_gallery(made, small, 8)
    assert gallery == make_gallery(made, small, 8)
    assert len(gallery.pictures) == 8
    assert gallery.caption.startswith("8 of 80 episodes, by IoU: the best, the worst")
    assert all(a.iou >= b.iou for a, b in pairwise(gallery.pictures))
    for shown in gallery.pictures:
        query, class_id = small.lists.val[shown.fold][shown.number]
        with Image.open(made / "predictions" / f"fold{shown.fold}" / f"{shown.number:06d}.png") as png:
            answer = np.array(png)
        truth = small.truth(query, class_id) == 1
        assert shown.iou == (answer & truth).sum() / (answer | truth).sum()
        assert (shown.query, shown.classes) == (query, ((small.lists.classes[class_id].key, "#d55e00"),))
        with Image.open(BytesIO(shown.image)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (shown.width, shown.height))
        assert (shown.width, shown.height) == (128, 96), "four times as large, and no more"


def test_folds_without_masks_are_named(record: Path, small: Benchmark) -> None:
    for fold in "13":
        shutil.rmtree(record / "predictions" / f"fold{fold}")
    gallery = make_gallery(record, small, 80)
    assert {shown.fold for shown in gallery.pictures} == {"0", "2"}
    assert "Masks were kept of folds 0, 2 alone." in gallery.caption
    shutil.rmtree(record / "predictions")
    assert "holds no predictions" in refusal(record, small)


def test_several_classes_at_once(tmp_path: Path) -> None:
    benchmark = small_benchmark(tmp_path, classes=6, folds=2)
    made = fsbench.evaluate(
        Halves(), benchmark, out=tmp_path, protocol="fsbench-multi-v1", shots=0, save_predictions=True
    )
    gallery = make_gallery(tmp_path / made.folder(), benchmark)
    assert "Each class has a colour" in gallery.caption
    keys = [c.key for c in benchmark.lists.classes]
    colours = ["#d55e00", "#0072b2", "#f0e442"]
    for shown in gallery.pictures:
        of_fold = dict(zip(keys[int(shown.fold) * 3 :], colours, strict=False))
        assert {key: of_fold[key] for key, _ in shown.classes} == dict(shown.classes)
        assert len(shown.classes) >= 2


def test_every_episode_of_a_trial_of_a_square_protocol(small: Benchmark, tmp_path: Path) -> None:
    benchmark = replace(small, lists=replace(small.lists, name="fss-1000"))
    asked: dict[str, Any] = {"protocol": "hsnet", "shots": 1, "draw_from": "present", "folds": "0", "limit": 3}
    made = fsbench.evaluate(Bright(), benchmark, out=tmp_path, save_predictions=True, **asked)
    gallery = make_gallery(tmp_path / made.folder(), benchmark)
    assert gallery.caption.startswith("Every episode, by IoU.")
    assert {(p.number, p.width, p.height) for p in gallery.pictures} == {(n, 128, 96) for n in range(3)}


def test_mosaics(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    benchmark = build(draw_folders(tmp_path / "folders"), tmp_path / "b", classes=tmp_path / "classes.txt")
    assert benchmark is not None
    made = fsbench.evaluate(Bright(), benchmark, out=tmp_path, limit=15, save_predictions=True)
    gallery = make_gallery(tmp_path / made.folder(), benchmark)
    assert [shown.number % 5 for shown in gallery.pictures].count(4) == 0
    assert len(gallery.pictures) == 12
    assert "absent class" in gallery.caption


class Halves(Bright):
    """The first class above, the second beneath, the others nowhere."""

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        answers = []
        for episode in episodes:
            scores = torch.full((len(episode.prompts), 2, 1), -1.0)
            scores[0, 0] = scores[1, 1] = 1.0
            answers.append(scores)
        return answers


def refusal(record: Path, benchmark: Benchmark) -> str:
    with pytest.raises(FsbenchError) as caught:
        make_gallery(record, benchmark, 80)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_benchmark_is_refused(made: Path, tmp_path: Path) -> None:
    assert "is not the benchmark of" in refusal(made, small_benchmark(tmp_path, classes=4))


def test_masks_that_do_not_give_the_counts_are_not_shown(record: Path, small: Benchmark) -> None:
    path = record / "predictions" / "fold2" / "000007.png"
    with Image.open(path) as picture:
        mask = np.array(picture)
    mask[3, 4] ^= True
    Image.fromarray(mask).save(path)
    with pytest.raises(CheckFailedError, match=r"fold2/000007.png: counted again, it does not give the counts"):
        make_gallery(record, small, 80)


def test_masks_of_another_manifest_are_not_shown(record: Path, small: Benchmark) -> None:
    (record / "predictions" / "fold1" / "manifest.sha256").write_text("\x1b[31m" + "0" * 64)
    said = refusal(record, small)
    assert "fold1/manifest.sha256: is of manifest" in said
    assert said.isprintable()


def bomb(path: Path, side: int = 60_000) -> None:
    """A PNG of a few bytes that says it has 3.6 billion pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "fold0/000004.png": (bomb, "000004.png: cannot be read"),
    "fold1/000004.png": (lambda path: bomb(path, 1000), "is 1000 x 1000 (height x width), expected 24 x 32"),
    "fold2/000004.png": (pipe, "is no regular file"),
    "fold3/000004.png": (Path.unlink, "cannot be read (No such file"),
    "fold0/manifest.sha256": (lambda path: os.truncate(path, 2**31), "fold0/manifest.sha256: "),
}


@pytest.mark.parametrize("file", HOSTILE)
def test_hostile_files_are_refused_in_one_line(record: Path, small: Benchmark, file: str) -> None:
    damage, message = HOSTILE[file]
    damage(record / "predictions" / file)
    assert message in refusal(record, small)
