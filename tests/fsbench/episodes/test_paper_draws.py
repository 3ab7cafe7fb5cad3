"""The papers' draws against the original code, and the ones of which only the rule can be had.

The digests are of episode lists that the published code of HSNet and LSeg produced; the naive replays are written after
that code and use numpy's global generator, as it does.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.episodes.draws import draw
from fsbench.episodes.manifest import Manifest
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import FoldLists
from fsbench.index.image_order import image_order
from fsbench.index.published import published_lists
from tests.fsbench.episodes.test_draws import global_generator, naive_supports

REFERENCE = {
    ("hsnet", "pascal-5i", "0", 1): "73b99911505d5585d492389718ba11accfd8268c9cd3c5c9db115e6662711310",
    ("lseg", "pascal-5i", "0", 0): "65047a4687c589088e69308933d77629901d8dde53fc6c8189ed7d6034ff0df0",
    ("hsnet", "coco-20i", "0", 1): "53ae0dc7abf01220db425a39eb15a4f7da2caf02f28c1dcadc69ed5d9e263b3e",
    ("hsnet", "fss-1000", "test", 1): "82980416a1bebee4e506e90eee18b80e890c608cfab12f8cf2dac8c7208f3e49",
    ("lseg", "coco-20i", "0", 0): "387b087d8cb7f9e8f5821d48e287c8b6f9d6af0d1f4c2dba1bee4fa3b2a70b61",
    ("lseg", "fss-1000", "test", 0): "208ed7891bbb8ef84d8963727fbd7e2e1b7222bf2682cfc1e870da6449ee53d5",
}
"""(protocol, benchmark, fold, shots) -> SHA-256 at seed 0, of the original code."""


def lists_of(name: str) -> FoldLists:
    lists = published_lists(name)
    assert lists is not None
    return lists


def asked(protocol: str, lists: FoldLists, fold: str, shots: int, seed: int = 0, run: int = 0) -> Manifest:
    return draw(lists, fold, PROTOCOLS[protocol], shots, seed, run=run)


@pytest.mark.parametrize("key", REFERENCE, ids=lambda key: f"{key[0]}-{key[1]}")
def test_the_digests_of_the_original_code(key: tuple[str, str, str, int]) -> None:
    protocol, name, fold, shots = key
    manifest = asked(protocol, lists_of(name), fold, shots)
    assert manifest.sha256 == REFERENCE[key]
    assert manifest.drawn == (2400 if name == "fss-1000" else 1000)


def naive_coco(text: str, fold: int, shots: int, seed: int) -> str:
    """HSNet's ``DatasetCOCO`` in the main process; ``text`` is the published list of the fold."""
    class_ids = [4 * v + fold for v in range(20)]
    metadata: dict[int, list[str]] = {class_id: [] for class_id in range(80)}
    for line in text.splitlines():
        image, class_id = line.split("\t")
        metadata[int(class_id)].append(image.removesuffix(".jpg"))
    episodes = ""
    with global_generator(seed):
        for _ in range(1000):
            sampled = int(np.random.choice(class_ids, 1, replace=False)[0])  # noqa: NPY002
            query = str(np.random.choice(metadata[sampled], 1, replace=False)[0])  # noqa: NPY002
            episodes += " ".join([query, str(sampled), *naive_supports(metadata[sampled], query, shots)]) + "\n"
    return episodes


@pytest.mark.parametrize(("fold", "shots", "seed"), [(1, 1, 0), (2, 3, 7), (3, 0, 0)])
def test_coco_agrees_with_a_naive_replay(fold: int, shots: int, seed: int) -> None:
    text = coco_lists.published_text(f"val-fold{fold}")
    protocol = "hsnet" if shots else "lseg"
    assert asked(protocol, lists_of("coco-20i"), str(fold), shots, seed).text() == naive_coco(text, fold, shots, seed)


def naive_fss(names: list[str], shots: int, seed: int) -> str:
    """HSNet's ``DatasetFSS`` in the main process: every image of the sorted classes, files sorted as strings."""
    episodes = ""
    files = sorted(f"{n}.jpg" for n in range(1, 11))
    with global_generator(seed):
        for place, name in enumerate(sorted(names)):
            for file in files:
                query, images = f"{name}/{file[:-4]}", [f"{name}/{n}" for n in range(1, 11)]
                episodes += " ".join([query, str(760 + place), *naive_supports(images, query, shots)]) + "\n"
    return episodes


@pytest.mark.parametrize(("shots", "seed"), [(3, 0), (1, 3)])
def test_fss_agrees_with_a_naive_replay(shots: int, seed: int) -> None:
    lists = lists_of("fss-1000")
    names = [c.key for c in lists.classes if c.id >= 760]
    assert asked("hsnet", lists, "test", shots, seed).text() == naive_fss(names, shots, seed)


def test_lseg_on_fss_at_one_shot_supports_with_the_first_image() -> None:
    manifest = asked("lseg", lists_of("fss-1000"), "test", 1)
    assert manifest.drawn == 2160
    for question in manifest.questions:
        folder, _, number = question.query.rpartition("/")
        assert question.supports == ((f"{folder}/1",),)
        assert number != "1"
    with pytest.raises(FsbenchError, match="protocol lseg is defined for at most 1 shots on fss-1000, not 5"):
        asked("lseg", lists_of("fss-1000"), "test", 5)


def test_fusioner_takes_the_first_thousand_of_the_sorted_pairs() -> None:
    lists = lists_of("coco-20i")
    pairs = [(q.query, q.class_ids[0]) for q in asked("fusioner", lists, "2", 0).questions]
    assert pairs == sorted(set(lists.val["2"]))[:1000]


@pytest.mark.parametrize(("name", "episodes"), [("pascal-5i", 5001), ("coco-20i", 20001)])
def test_pfenet_walks_through_the_images(name: str, episodes: int) -> None:
    lists = lists_of(name)
    manifest = asked("pfenet", lists, "1", 5)
    assert manifest.drawn == len(manifest.questions) == episodes
    listed = set(lists.val["1"])
    images = image_order(lists.val["1"])
    for number, question in enumerate(manifest.questions):
        (class_id,), (supports,) = question.class_ids, question.supports
        assert question.query == images[number % len(images)]
        assert all((sample, class_id) in listed for sample in (question.query, *supports))
        assert len({question.query, *supports}) == 6
    asked_classes = Counter(question.class_ids[0] for question in manifest.questions)
    assert set(asked_classes) == set(lists.folds["1"])
    if name == "pascal-5i":
        assert manifest.sha256 != asked("pfenet", lists, "1", 5, seed=1).sha256
        assert asked("pfenet@1000", lists, "1", 5).questions == manifest.questions[:1000]


@pytest.mark.parametrize(("name", "variant"), [("pascal-5i", "fusioner"), ("coco-20i-contiguous", "published")])
def test_panet_draws_from_the_train_pool_in_runs(name: str, variant: str) -> None:
    lists = lists_of(name)
    runs = [asked("panet", lists, "2", 1, run=run) for run in range(5)]
    assert len({manifest.sha256 for manifest in runs}) == 5
    pool = set(lists.train[variant]["2"])
    for manifest in runs:
        assert len(manifest.questions) == 1000
        for question in manifest.questions:
            samples = question.samples()
            assert len(set(samples)) == 2
            assert {(sample, question.class_ids[0]) for sample in samples} <= pool
    shares = Counter(question.class_ids[0] for manifest in runs for question in manifest.questions)
    expected = 5000 / len(lists.folds["2"])
    assert all(abs(number - expected) < 6 * expected**0.5 for number in shares.values())
    assert '"run": 3' in runs[3].jsonl([c.key for c in lists.classes])
    assert asked("panet", lists, "2", 1, seed=4, run=1).questions == asked("panet", lists, "2", 1, seed=5).questions
    with pytest.raises(FsbenchError, match="run 5: protocol panet has the runs 0 to 4"):
        asked("panet", lists, "2", 1, run=5)


def test_the_order_of_images_agrees_with_the_shipped_one() -> None:
    """Only images that no chain of classes ties to one another may change places."""
    shipped = {image: place for place, image in enumerate(coco_lists.image_order("val"))}
    for fold in "0123":
        pairs = coco_lists.val(fold)
        merged = image_order(pairs)
        assert set(merged) == {image for image, _ in pairs}
        places = np.array([shipped[image] for image in merged])
        ranks = np.argsort(np.argsort(places))
        assert np.abs(ranks - np.arange(len(ranks))).mean() < 0.05 * len(ranks)


@given(st.permutations(range(8)), st.lists(st.sets(st.integers(0, 7), min_size=1), min_size=1, max_size=5))
def test_a_merged_order_keeps_the_order_of_every_class(order: list[int], classes: list[set[int]]) -> None:
    pairs = [(f"i{i}", c) for c, members in enumerate(classes) for i in order if i in members]
    merged = image_order(pairs)
    assert sorted(merged) == sorted({image for image, _ in pairs})
    for c in range(len(classes)):
        of_class = [image for image, class_id in pairs if class_id == c]
        assert [image for image in merged if image in of_class] == of_class


def test_classes_that_disagree_have_no_order() -> None:
    with pytest.raises(FsbenchError, match="its classes disagree about the order of a"):
        image_order([("a", 0), ("b", 0), ("b", 1), ("a", 1)])
