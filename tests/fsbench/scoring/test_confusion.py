"""Several classes asked at once: labels, confusion counts and scores, against counting pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from PIL import Image

import fsbench
from fsbench.engine.batches import read_episodes
from fsbench.engine.outputs import BadAnswerError, read_answer
from fsbench.engine.reading import Reader
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError, ModelError
from fsbench.index.benchmark import Benchmark, Sample, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.index.truths import join_truths
from fsbench.io.files import sha256_file
from fsbench.models.contract import Episode, ModelCard
from fsbench.records.counts import BACKGROUND, read_counts
from fsbench.records.record import FoldRecord, Record
from fsbench.scoring.confusion import confusion
from tests.fsbench.engine.saved_predictions import png, saved_and_handed_in
from tests.fsbench.episodes.test_draws import made_up

CLASSES, IMAGES, SIZE = 6, 24, (20, 30)
Matrix = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """24 photographs of noise whose label maps hold up to all six classes and void."""
    root = tmp_path_factory.mktemp("several")
    (root / "raw").mkdir()
    random = np.random.RandomState(5)
    samples, area = [], {}
    for number in range(IMAGES):
        sample = f"p{number:02d}"
        # 0 to 2 of every fold's classes at least, in blocks, and void
        labels = random.choice([0, 0, *random.choice(np.arange(1, CLASSES + 1), 3, replace=False), 255], (5, 6))
        label_map = np.kron(labels, np.ones((4, 5))).astype(np.uint8)
        Image.fromarray(random.randint(0, 256, (*SIZE, 3)).astype(np.uint8)).save(root / "raw" / f"{sample}.png")
        Image.fromarray(label_map).save(root / "raw" / f"{sample}-mask.png")
        files = [root / "raw" / f"{sample}.png", root / "raw" / f"{sample}-mask.png"]
        samples.append(
            Sample(sample, "val", *SIZE, *(f"root:{path.name}" for path in files), *(sha256_file(f) for f in files))
        )
        area |= {(sample, c): int((label_map == c + 1).sum()) for c in range(CLASSES) if (label_map == c + 1).any()}
    folds = {"0": (0, 1, 2), "1": (3, 4, 5)}
    lists = FoldLists(
        name="several",
        title="several",
        partition="blocks",
        mask_rule="label-map",
        classes=tuple(ClassName(c, f"class_{c}", f"class {c}") for c in range(CLASSES)),
        folds=folds,
        val={fold: tuple(sorted(pair for pair in area if pair[1] in ids)) for fold, ids in folds.items()},
        train={},
    )
    return write_benchmark(
        root / "index",
        lists=lists,
        roots={"root": root / "raw"},
        mask_format="label-map",
        samples=samples,
        area=area,
        masks_digest="0" * 64,
        partial=False,
    )


class Noise:
    """Scores that depend on photograph, class name and supports, and on nothing else."""

    def __init__(self, name: str = "noise", shift: float = 0.5) -> None:
        self.card = ModelCard(name=name, prompts="text")
        self.shift = shift

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        return [self.scores(e) for e in episodes]

    def scores(self, episode: Episode) -> torch.Tensor:
        planes = []
        for prompt in episode.prompts:
            seed = int(episode.image_id, 16) % 2**31 + int(prompt.class_name[-1])
            seed += sum(int(mask.sum()) for mask in prompt.support_masks)
            planes.append(torch.from_numpy(np.random.RandomState(seed).standard_normal((10, 15)).astype(np.float32)))
        return torch.stack(planes) - self.shift


def resized(scores: torch.Tensor) -> np.ndarray[Any, Any]:
    interpolated = torch.nn.functional.interpolate(scores[None], SIZE, mode="bilinear", align_corners=False)
    return interpolated[0].numpy()


def naive(benchmark: Benchmark, fold: str, protocol: str, shots: int) -> Matrix:
    """The fold's confusion matrix over background and the classes asked, pixel by pixel."""
    manifest = draw(benchmark.lists, fold, PROTOCOLS[protocol], shots, 0)
    total = np.zeros((CLASSES + 1, CLASSES + 1), np.int64)
    for question in manifest.questions:
        (episode,) = read_episodes(Reader(benchmark), PROTOCOLS[protocol], [question])
        scores = resized(Noise().scores(episode))
        label_map = np.asarray(Image.open(benchmark.path(benchmark.samples[question.query].mask or "")))
        for (y, x), label in np.ndenumerate(label_map.astype(int)):
            if label == 255:
                continue
            best, predicted = 0.0, 0
            for place, class_id in enumerate(question.class_ids):
                if scores[place, y, x] > best:
                    best, predicted = scores[place, y, x], class_id + 1
            total[label if label - 1 in question.class_ids else 0, predicted] += 1
    return total


def iou(matrix: Matrix, place: int) -> float:
    union = matrix[place].sum() + matrix[:, place].sum() - matrix[place, place]
    return float(matrix[place, place] / union)


@pytest.mark.parametrize("shots", [0, 1])
def test_multi_against_counting_pixel_by_pixel(several: Benchmark, tmp_path: Path, shots: int) -> None:
    record = fsbench.evaluate(Noise(), several, protocol="fsbench-multi-v1", shots=shots, out=tmp_path)
    for fold, ids in several.lists.folds.items():
        matrix, scored = naive(several, fold, "fsbench-multi-v1", shots), record.folds[fold]
        assert scored.confusion is not None
        assert scored.confusion.class_ids == (BACKGROUND, *ids)
        places = [0, *(class_id + 1 for class_id in ids)]
        assert np.array(scored.confusion.pixels).tolist() == matrix[np.ix_(places, places)].tolist()
        ious = [iou(matrix, class_id + 1) for class_id in ids]
        assert scored.miou == pytest.approx(np.mean(ious), abs=1e-12)
        assert scored.other["with_background"].score == pytest.approx(np.mean([*ious, iou(matrix, 0)]), abs=1e-12)
        assert scored.fb_iou is None
        assert scored.episodes == scored.asked == len({image for image, _ in several.lists.val[fold]})
    assert record.other["with_background"].score == pytest.approx(
        np.mean([f.other["with_background"].score for f in record.folds.values()])
    )


def test_general_scores_seen_and_unseen_apart(several: Benchmark, tmp_path: Path) -> None:
    record = fsbench.evaluate(Noise(), several, protocol="fsbench-general-v1", shots=1, out=tmp_path)
    rows = read_counts(tmp_path / record.folder() / "counts.parquet")
    for fold, ids in several.lists.folds.items():
        matrix, scored = naive(several, fold, "fsbench-general-v1", 1), record.folds[fold]
        assert scored.confusion is not None
        assert np.array(scored.confusion.pixels).tolist() == matrix.tolist()
        for place, class_id in enumerate(scored.confusion.class_ids):
            of_class = [row for row in rows if row.fold == fold and row.class_id == class_id]
            sums = np.sum([(row.intersection, row.predicted, row.truth) for row in of_class], axis=0)
            assert sums.tolist() == [matrix[place, place], matrix[:, place].sum(), matrix[place].sum()]
        unseen = float(np.mean([iou(matrix, c + 1) for c in ids]))
        seen = float(np.mean([iou(matrix, c + 1) for c in range(CLASSES) if c not in ids]))
        assert scored.miou == pytest.approx(unseen, abs=1e-12)
        assert scored.other["seen"].score == pytest.approx(seen, abs=1e-12)
        assert scored.other["harmonic"].score == pytest.approx(2 * seen * unseen / (seen + unseen), abs=1e-12)
        assert set(scored.classes) == {f"class_{c}" for c in ids}
        assert set(scored.others) == {"background", *(f"class_{c}" for c in range(CLASSES) if c not in ids)}
        for name, score in scored.other.items():
            assert score.ci95 is not None, name
            assert score.score is not None
            assert score.ci95[0] <= score.score <= score.ci95[1]


def test_folds_run_one_by_one_give_the_same_record(several: Benchmark, tmp_path: Path) -> None:
    def run(out: str, **keywords: object) -> Record:
        return fsbench.evaluate(Noise(), several, protocol="fsbench-multi-v1", out=tmp_path / out, **keywords)  # type: ignore[arg-type]

    whole = run("a", workers=3)
    run("b", folds="1", workers=1)
    assert run("b", workers=1).model_dump(exclude={"timings"}) == whole.model_dump(exclude={"timings"})


def test_predictions_name_the_class_by_its_place(several: Benchmark, tmp_path: Path) -> None:
    protocol = PROTOCOLS["fsbench-multi-v1"]
    folder = tmp_path / "mine"
    for fold in several.lists.folds:
        manifest = draw(several.lists, fold, protocol, 0, 0)
        (folder / f"fold{fold}").mkdir(parents=True)
        (folder / f"fold{fold}" / "manifest.sha256").write_text(manifest.sha256)
        for number, question in enumerate(manifest.questions):
            labels = several.labels(question.query, question.class_ids)
            Image.fromarray(np.where(labels == 255, 0, labels)).save(folder / f"fold{fold}" / f"{number:06d}.png")
    record = fsbench.evaluate(f"predictions:{folder}", several, protocol=protocol.id, shots=0, out=tmp_path / "r")
    assert record.miou == 1.0
    Image.fromarray(np.full(SIZE, 9, np.uint8)).save(folder / "fold0" / "000003.png")
    with pytest.raises(FsbenchError, match=r"000003.png: holds the value 9, but 3 classes are asked: expected 0..3"):
        fsbench.evaluate(f"predictions:{folder}", several, protocol=protocol.id, shots=0, out=tmp_path / "s")


@pytest.mark.parametrize("protocol", ["fsbench-multi-v1", "fsbench-general-v1"])
def test_saved_predictions_handed_in_give_the_same_counts(several: Benchmark, tmp_path: Path, protocol: str) -> None:
    folder, _ = saved_and_handed_in(Noise(), several, tmp_path, protocol=protocol, shots=0)
    mode, labels = png(folder / "predictions" / "fold1" / "000000.png")
    assert mode == "P"
    (question, *_) = draw(several.lists, "1", PROTOCOLS[protocol], 0, 0).questions
    (episode,) = read_episodes(Reader(several), PROTOCOLS[protocol], [question])
    scores = resized(Noise().scores(episode))
    expected = np.where(scores.max(axis=0) > 0, scores.argmax(axis=0) + 1, 0)
    assert np.array_equal(labels, expected)


def test_a_wrong_number_of_maps_is_refused(several: Benchmark, tmp_path: Path) -> None:
    class One(Noise):
        def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
            return [torch.zeros(1, *e.image.shape[1:]) for e in episodes]

    with pytest.raises(ModelError, match=r"episode 0 \(query p00\): got shape \(1, 20, 30\), expected \(3, height"):
        fsbench.evaluate(One(), several, protocol="fsbench-multi-v1", out=tmp_path)


def test_no_confusion_where_one_class_is_asked(several: Benchmark, tmp_path: Path) -> None:
    record = fsbench.evaluate(Noise(), several, shots=0, out=tmp_path)
    assert {fold.confusion for fold in record.folds.values()} == {None}
    assert all(isinstance(fold, FoldRecord) and not fold.others and not fold.other for fold in record.folds.values())


@given(
    hnp.arrays(np.uint8, (4, 5), elements=st.integers(0, 3)),
    hnp.arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 2, 3, 255])),
)
def test_confusion_counts_every_valid_pixel_once(predicted: Pixels, truth: Pixels) -> None:
    expected = [[int(np.sum((truth == t) & (predicted == p))) for p in range(4)] for t in range(4)]
    assert confusion(predicted, truth, 3).tolist() == expected


def test_a_pixel_of_two_classes_or_of_any_void_is_not_compared() -> None:
    a = np.array([[1, 1, 0, 255, 0]], np.uint8)
    b = np.array([[0, 1, 1, 1, 0]], np.uint8)
    assert join_truths({0: a, 2: b}, (1, 5)).tolist() == [[1, 255, 3, 255, 0]]


def test_labels_of_equal_scores_are_the_first_and_of_none_positive_background() -> None:
    scores = torch.tensor([[[0.0, 2.0, -1.0, 1.0]], [[0.0, 2.0, 3.0, 0.5]]])
    assert read_answer(scores, 2, (1, 4), (1, 4)).labels().tolist() == [[0, 1, 2, 1]]
    assert read_answer(scores > 0, 2, (1, 4), (1, 4)).labels().tolist() == [[0, 1, 2, 1]]
    with pytest.raises(BadAnswerError, match="NaN"):
        read_answer(scores * float("nan"), 2, (1, 4), (1, 4)).labels()


def test_too_many_classes_together_are_refused() -> None:
    lists = made_up("wide", tuple((f"i{c}", c) for c in range(255)), 255)
    with pytest.raises(FsbenchError, match="255 classes asked together: at most 254 can be"):
        draw(lists, "f", PROTOCOLS["fsbench-multi-v1"], 0, 0)
