"""The draws against second implementations that are written naively, and what becomes of missing samples."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal.pascal5i import published_lists
from fsbench.episodes.draws import draw
from fsbench.episodes.manifest import Manifest, Question
from fsbench.episodes.protocols import ANY, PROTOCOLS, Protocol, protocol_named
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import ClassName, FoldLists, Pair

PASCAL = published_lists()
FOLDS = tuple(PASCAL.folds)
PAIRS = {"0": 346, "1": 451, "2": 725, "3": 346}
OURS = {
    "0": "5adfe6131bf1fdb05a88431d438e894160211f7fe4338ab77432b6f6485b4864",
    "1": "8fce8dd5248dc3d213ac269d9ec6273f807e147e14fe1bc26557a3b04319b6ed",
    "2": "a77dc568382f3461f0d33289188c029ba89675dfdbbd16c3ac22f75cbcf967a3",
    "3": "13dc0539bb957f7780987a6001dc58ec78f6aeab653cd3a715bf2e48ef42662b",
}
"""SHA-256 of fsbench-v1's manifests on PASCAL-5i, 1 shot, seed 0. A published protocol never changes: nor do these."""


def asked(
    protocol: str,
    fold: str,
    shots: int,
    seed: int = 0,
    *,
    lists: FoldLists = PASCAL,
    present: frozenset[str] | None = None,
    draw_from_present: bool = False,
) -> Manifest:
    named = protocol_named(protocol)
    return draw(lists, fold, named, shots, seed, present=present, draw_from_present=draw_from_present)


def made_up(name: str, pairs: tuple[Pair, ...], classes: int) -> FoldLists:
    """Lists with one fold, ``f``, that holds these pairs."""
    return FoldLists(
        name=name,
        title=name,
        partition="all",
        mask_rule="none",
        classes=tuple(ClassName(n, f"key{n}", f"name {n}") for n in range(classes)),
        folds={"f": tuple(range(classes))},
        val={"f": pairs},
        train={},
    )


@contextmanager
def global_generator(seed: int) -> Iterator[None]:
    """numpy's global generator seeded, and left as it was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def naive_supports(images: Sequence[str], query: str, shots: int) -> list[str]:
    """Supports as HSNet draws them, from the global generator."""
    supports: list[str] = []
    while len(supports) < shots:
        support = str(np.random.choice(images, 1, replace=False)[0])  # noqa: NPY002
        if query != support:
            supports.append(support)
    return supports


def naive_hsnet(text: str, shots: int, seed: int) -> str:
    """HSNet's ``DatasetPASCAL`` in the main process, seeded as its test script does; ``text`` is the published file."""
    metadata = [(line.split("__")[0], int(line.split("__")[1]) - 1) for line in text.split("\n")[:-1]]
    classwise: dict[int, list[str]] = {class_id: [] for class_id in range(20)}
    for name, class_id in metadata:
        classwise[class_id] += [name]
    episodes = ""
    with global_generator(seed):
        for index in range(1000):
            query, class_id = metadata[index % len(metadata)]
            episodes += " ".join([query, str(class_id), *naive_supports(classwise[class_id], query, shots)]) + "\n"
    return episodes


def naive_ours(name: str, fold: str, pairs: tuple[Pair, ...], shots: int, seed: int) -> str:
    """fsbench-v1 as the specification spells it."""
    episodes = ""
    for query, class_id in pairs:
        members = [sample for sample, of_class in pairs if of_class == class_id]
        line = f"{query} {class_id}"
        taken = {query}
        t = 0
        while len(taken) < shots + 1:
            text = "|".join(["fsbench-v1", str(seed), name, fold, str(class_id), query, str(t)])
            candidate = members[int.from_bytes(sha256(text.encode("utf-8")).digest(), "big") % len(members)]
            if candidate not in taken:
                taken.add(candidate)
                line += f" {candidate}"
            t += 1
        episodes += line + "\n"
    return episodes


@pytest.mark.parametrize(("fold", "shots", "seed"), [("0", 1, 2**32 - 1), ("1", 5, 0), ("2", 1, 0), ("3", 2, 7)])
def test_hsnet_replays_numpys_global_generator(fold: str, shots: int, seed: int) -> None:
    text = pascal_lists.text(PASCAL.val[fold])
    assert asked("hsnet", fold, shots, seed).text() == naive_hsnet(text, shots, seed)


def test_variants_of_hsnet_differ_in_size_alone() -> None:
    original = protocol_named("hsnet")
    for size in (417, 473, 518):
        variant = protocol_named(f"hsnet@{size}")
        assert replace(original, id=variant.id, size=size, who=variant.who, about=variant.about) == variant
    assert asked("hsnet@473", "2", 1, 3).text() == asked("hsnet", "2", 1, 3).text()


@pytest.mark.parametrize(("fold", "shots", "seed"), [("0", 1, 0), ("1", 5, 0), ("2", 2, 7), ("3", 1, 4294967295)])
def test_fsbench_v1_is_its_specification(fold: str, shots: int, seed: int) -> None:
    manifest = asked("fsbench-v1", fold, shots, seed)
    assert manifest.text() == naive_ours("pascal-5i", fold, PASCAL.val[fold], shots, seed)
    assert (manifest.benchmark, manifest.fold, manifest.protocol) == ("pascal-5i", fold, "fsbench-v1")
    assert (manifest.shots, manifest.seed, manifest.drawn) == (shots, seed, PAIRS[fold])


@pytest.mark.parametrize("fold", FOLDS)
def test_fsbench_v1_never_changes(fold: str) -> None:
    assert asked("fsbench-v1", fold, 1).sha256 == OURS[fold]


sample_ids = st.text("abcXYZ0123456789_/-", min_size=1, max_size=6)


@st.composite
def some_lists(draw_: st.DrawFn, name: str = "made-up") -> tuple[FoldLists, int]:
    """One fold with up to 4 classes, shuffled pairs, images that show several classes; and the most shots it allows."""
    classes = draw_(st.integers(1, 4))
    of_class = draw_(
        st.lists(st.lists(sample_ids, min_size=2, max_size=9, unique=True), min_size=classes, max_size=classes)
    )
    pairs = [(sample, class_id) for class_id, samples in enumerate(of_class) for sample in samples]
    return made_up(name, tuple(draw_(st.permutations(pairs))), classes), min(map(len, of_class)) - 1


@settings(max_examples=50, deadline=None)
@given(some_lists(), st.data(), st.integers(0, 2**32 - 1))
def test_supports_are_distinct_of_the_class_and_never_the_query(
    lists_and_most: tuple[FoldLists, int], data: st.DataObject, seed: int
) -> None:
    lists, most = lists_and_most
    shots = data.draw(st.integers(0, most))
    manifest = asked("fsbench-v1", "f", shots, seed, lists=lists)
    assert [(q.query, *q.class_ids) for q in manifest.questions] == list(lists.val["f"])
    for question in manifest.questions:
        ((class_id,), (supports,)) = question.class_ids, question.supports
        assert len({question.query, *supports}) == shots + 1
        assert all((support, class_id) in lists.val["f"] for support in supports)
    assert manifest.text() == naive_ours("made-up", "f", lists.val["f"], shots, seed)


@pytest.mark.parametrize(("protocol", "shots", "enough"), [("fsbench-v1", 3, 4), ("hsnet", 5, 2)])
def test_too_few_images_name_the_class(protocol: str, shots: int, enough: int) -> None:
    plenty: tuple[Pair, ...] = tuple((f"a{n}", 0) for n in range(9))
    few: tuple[Pair, ...] = tuple((f"b{n}", 1) for n in range(enough))
    asked(protocol, "f", shots, lists=made_up("pascal-5i", plenty + few, 2))
    with pytest.raises(
        FsbenchError, match=f"fold f: class key1 has {enough - 1} images, but .* need {enough} different"
    ) as caught:
        asked(protocol, "f", shots, lists=made_up("pascal-5i", plenty + few[1:], 2))
    assert "key0" not in str(caught.value)


@pytest.mark.parametrize("protocol", ["fsbench-v1", "fsbench-v1-50"])
def test_a_class_with_too_few_images_present_is_not_asked(protocol: str) -> None:
    horses = [sample for sample, class_id in PASCAL.val["2"] if class_id == 12]
    present = frozenset(sample for pairs in PASCAL.val.values() for sample, _ in pairs) - frozenset(horses[5:])
    partial = asked(protocol, "2", 5, present=present)
    assert {question.class_ids for question in partial.questions} == {(10,), (11,), (13,), (14,)}
    assert (12,) in {question.class_ids for question in asked(protocol, "2", 4, present=present).questions}
    if protocol == "fsbench-v1":
        not_asked = [pair for pair in PASCAL.val["2"] if pair[0] in present and pair[1] == 12]
        assert partial.drawn == len(partial.questions) + len(not_asked)


EVERY = sorted({sample for pairs in PASCAL.val.values() for sample, _ in pairs})
PRESENT = frozenset(random.Random(4).sample(EVERY, len(EVERY) * 3 // 5))


@pytest.mark.parametrize(("protocol", "shots"), [("fsbench-v1", 0), ("fsbench-v1", 2), ("hsnet", 1), ("lseg", 0)])
def test_draw_from_present_draws_on_the_samples_present(protocol: str, shots: int) -> None:
    partial = asked(protocol, "1", shots, present=PRESENT, draw_from_present=True)
    filtered = replace(PASCAL, val={"1": tuple(pair for pair in PASCAL.val["1"] if pair[0] in PRESENT)})
    assert partial == asked(protocol, "1", shots, lists=filtered)
    assert partial.drawn == len(partial.questions)
    assert partial.text() != asked(protocol, "1", shots).text()
    if protocol == "fsbench-v1":  # ours filter the list first anyway
        assert asked(protocol, "1", shots, present=PRESENT) == partial
    else:
        assert len(partial.questions) == 1000


@given(some_lists("pascal-5i"), st.data())
@settings(max_examples=10, deadline=None)
def test_nothing_missing_is_ever_asked(lists_and_most: tuple[FoldLists, int], data: st.DataObject) -> None:
    lists, _ = lists_and_most
    every = sorted({sample for sample, _ in lists.val["f"]})
    present = frozenset(data.draw(st.sets(st.sampled_from(every))))
    for protocol, shots in (("fsbench-v1", 0), ("hsnet", 1), ("lseg", 0), ("fusioner", 0)):
        full = asked(protocol, "f", shots, lists=lists)
        partial = asked(protocol, "f", shots, lists=lists, present=present)
        assert list(partial.questions) == [q for q in full.questions if present.issuperset(q.samples())]
        assert partial.drawn == (full.drawn if protocol != "fsbench-v1" else len(partial.questions))
        assert asked(protocol, "f", shots, lists=lists, present=frozenset(every)) == full


def test_fusioner_stops_at_1000() -> None:
    pairs: tuple[Pair, ...] = tuple((f"s{n:04d}", n % 3) for n in range(1203))
    lists = made_up("pascal-5i", pairs, 3)
    manifest = asked("fusioner", "f", 0, lists=lists)
    assert [(q.query, *q.class_ids) for q in manifest.questions] == list(pairs[:1000])
    without_first = frozenset(sample for sample, _ in pairs[1:])
    dropped = asked("fusioner", "f", 0, lists=lists, present=without_first)
    assert (dropped.questions, dropped.drawn) == (manifest.questions[1:], 1000)
    redrawn = asked("fusioner", "f", 0, lists=lists, present=without_first, draw_from_present=True)
    assert [q.query for q in redrawn.questions] == [sample for sample, _ in pairs[1:1001]]


@pytest.mark.parametrize(
    ("protocol", "shots", "message"),
    [
        ("hsnet", 0, "protocol hsnet is defined for 1 shots or more, not 0 .*lseg.*-k"),
        ("lseg", 1, "protocol lseg is defined for at most 0 shots on pascal-5i, not 1: use -k"),
        ("fusioner@224", 5, "protocol fusioner@224 is defined for at most 0 shots on pascal-5i, not 5"),
        ("fsbench-v1", -1, "protocol fsbench-v1 is defined for 0 shots or more, not -1"),
    ],
)
def test_shots_a_protocol_is_not_defined_for_are_refused(protocol: str, shots: int, message: str) -> None:
    with pytest.raises(FsbenchError, match=message):
        asked(protocol, "0", shots)


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS.values() if ANY not in p.rules], ids=lambda p: p.id)
def test_a_papers_protocol_is_refused_on_another_benchmark(protocol: Protocol) -> None:
    lists = made_up("toy", (("a", 0), ("b", 0)), 1)
    message = f"protocol {protocol.id} is defined for {', '.join(protocol.rules)}, not for toy: try fsbench-v1"
    with pytest.raises(FsbenchError, match=re.escape(message)):
        asked(protocol.id, "f", 1, lists=lists)
    assert asked("fsbench-v1", "f", 1, lists=lists).drawn == 2


def test_unknown_folds_protocols_and_seeds_are_refused() -> None:
    for fold in ("4", "", "00", "all"):
        with pytest.raises(FsbenchError, match=f"pascal-5i has no fold '{fold}': choose one of 0, 1, 2, 3"):
            asked("fsbench-v1", fold, 0)
    with pytest.raises(FsbenchError, match=r"no protocol 'hsnet@401': choose one of fsbench-v1, fsbench-v1-50, "):
        protocol_named("hsnet@401")
    for seed in (-1, 2**32):
        with pytest.raises(FsbenchError, match=f"seed {seed}: must be from 0 to 4294967295"):
            asked("hsnet", "0", 1, seed)


def test_no_draw_touches_a_global_generator_or_depends_on_one() -> None:
    def drawn() -> list[tuple[Question, ...]]:
        return [
            asked(p.id, "3", p.rule("pascal-5i").least_shots, 2).questions
            for p in PROTOCOLS.values()
            if {"pascal-5i", ANY} & set(p.rules)
        ]

    before = drawn()
    with global_generator(123):
        states = repr(np.random.get_state()), random.getstate()  # noqa: NPY002
        assert drawn() == before
        assert (repr(np.random.get_state()), random.getstate()) == states  # noqa: NPY002
