"""What ``mosaic4-v1`` asks, against a plain reading of the specification."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest

from fsbench import FsbenchError
from fsbench.episodes.draws import draw
from fsbench.episodes.manifest import Manifest
from fsbench.episodes.protocols import PROTOCOLS, default_protocol, protocol_named
from fsbench.index.fold_lists import FoldLists
from mosaic4.benchmark import mosaic_lists, published_lists
from mosaic4.build import recipe_of_classes
from mosaic4.recipe import Recipe, class_of
from mosaic4.synonyms import GROUPS, near
from tests.refusals import refusal

OFFICIAL = {
    0: "ce19272fc20ad6bf55f9631bf34bc1d82768d2508f75d36524cf3208f91215a5",
    1: "6297989a2b55ad01fc1bf9da4122cbe62e4937ac67f65698d5e82eba315c148c",
    5: "121ed215d79a81b9d98d0bc1a9b8b39635612774de1f9118f98a9f12c4549040",
}
"""Shots -> SHA-256 of the official manifest at seed 0, as ``fsbench episodes mosaic4 -k K | sha256sum`` prints it."""

OWN = tuple(f"thing_{n}" for n in range(9))


published = cache(published_lists)


@cache
def official(shots: int) -> Manifest:
    """The questions of the official Mosaic-4 at seed 0."""
    return asked(published(), shots)


def asked(lists: FoldLists, shots: int = 0, seed: int = 0) -> Manifest:
    return draw(lists, "test", default_protocol(lists), shots, seed)


def naive_lines(recipe: Recipe, benchmark: str, shots: int, seed: int) -> str:
    """The manifest, written down from the specification."""
    classes = sorted({class_of(sample) for sample in recipe.samples}, key=str.encode)
    samples = {key: [f"{key}/{n}" for n in range(1, 11) if (key, n) != ("peregine_falcon", 8)] for key in classes}
    lines = []
    for i, tiles in enumerate(recipe.mosaics):
        present = [class_of(tile) for tile in tiles]
        counted = {*present}.union(*(group for group in GROUPS for key in present if key in group))
        ranked = sorted(
            (sha256(f"{recipe.name}|{recipe.seed}|absent|{i}|{key}".encode()).hexdigest(), key)
            for key in classes
            if key not in counted
        )
        for key in present + [key for _, key in ranked[:1]]:
            class_id, query = classes.index(key), f"{i:06d}"
            pool = samples[key]
            supports: list[str] = []
            t = 0
            while len(supports) < shots:
                text = f"{recipe.name}|{seed}|{benchmark}|test|{class_id}|{query}|{t}"
                sample = pool[int(sha256(text.encode()).hexdigest(), 16) % len(pool)]
                t += 1
                if sample not in supports and sample not in tiles:
                    supports.append(sample)
            lines.append(" ".join([query, str(class_id), *supports]))
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("shots", [0, 1, 5])
def test_official_manifest(shots: int) -> None:
    assert (published().name, published().title, len(official(shots).questions)) == ("mosaic4", "Mosaic-4", 11995)
    assert official(shots).sha256 == OFFICIAL[shots]
    if shots == 1:
        assert official(shots).text() == naive_lines(recipe_of_classes(), "mosaic4", shots, 0)


@pytest.mark.parametrize(("grid", "seed"), [(2, 3), (3, 0)])
def test_other_seeds_grids_and_classes(grid: int, seed: int) -> None:
    """The recipe's seed draws the absent classes, the evaluation's the supports."""
    recipe = recipe_of_classes((*OWN, "eagle", "hawk"), seed, grid)
    lists = mosaic_lists(recipe)
    assert asked(lists, 2, seed=8).text() == naive_lines(recipe, f"mosaic{grid**2}-classes", 2, 8)
    assert asked(lists, 2, seed=8).protocol == f"mosaic{grid**2}-v1"


def test_no_mosaic_holds_its_supports_or_its_absent_class() -> None:
    scenes = published().scenes
    assert scenes is not None
    keys = [c.key for c in published().classes]
    absent = 0
    for question in official(5).questions:
        tiles = scenes.tiles[question.query]
        assert not {*question.supports[0]} & {*tiles}
        assert len({*question.supports[0]}) == 5
        assert all(class_of(s) == keys[question.class_ids[0]] for s in question.supports[0])
        if question.absent:
            absent += 1
            assert not near(keys[question.class_ids[0]]) & {class_of(tile) for tile in tiles}
        else:
            assert question.source in tiles
            assert class_of(str(question.source)) == keys[question.class_ids[0]]
    assert absent == 2399


def test_a_mosaic_of_all_classes_asks_for_no_absent_one() -> None:
    lists = mosaic_lists(recipe_of_classes(("ant", "bee", "cow", "doe")))
    assert len(asked(lists).questions) == 4 * 40
    assert lists.scenes is not None
    assert not lists.scenes.absent


def test_near_names_are_official_classes_and_symmetric() -> None:
    named = {key for group in GROUPS for key in group}
    assert named <= {c.key for c in published().classes}
    assert all(len(group) >= 2 for group in GROUPS)
    assert all(a in near(b) for a in named for b in near(a))
    assert near("swan") == {"swan"}


def test_too_many_shots_and_other_benchmarks_are_refused() -> None:
    assert "class abe's_flyingfish has 10 images, but the query" in refusal(official, 10)
    with pytest.raises(FsbenchError, match="mosaic4-v1 is defined for mosaic4, mosaic4-classes, not for"):
        PROTOCOLS["mosaic4-v1"].check("pascal-5i", 0)
    with pytest.raises(FsbenchError, match="has one fold, so no class is seen"):
        draw(published(), "test", protocol_named("fsbench-general-v1"), 0, 0)


def test_fsbench_multi_asks_each_mosaic_for_all_classes() -> None:
    lists = mosaic_lists(recipe_of_classes(OWN))
    together = draw(lists, "test", protocol_named("fsbench-multi-v1"), 0, 0)
    assert [q.query for q in together.questions] == [f"{i:06d}" for i in range(90)]
    assert together.questions[0].class_ids == tuple(range(9))


def test_the_lists_digest_depends_on_the_recipe() -> None:
    digests = {mosaic_lists(recipe_of_classes(OWN, seed)).digest() for seed in range(3)}
    assert len(digests) == 3
    assert published().digest() == "8f7d2cc432f9f9d906689bbe8898c58c2433896d62a97121d79055fe2b8ba32e"
