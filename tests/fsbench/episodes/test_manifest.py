"""The manifest's text is what digests are made of: every character of it is promised."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import chain

import hypothesis.strategies as st
from hypothesis import given

from fsbench.episodes.manifest import Manifest, Question

ONE_SHOT = Question("2007_000033", (0,), (("2010_001174",),))
THREE_SHOT = Question("2007_000033", (19,), (("2010_001174", "2008_000001", "2010_001174"),))
NO_SHOT = Question("val2014/COCO_val2014_000000429717", (72,), ((),))
TOGETHER = Question("abe's_flyingfish/1", (3, 0, 17), (("a/1", "a/2"), ("b/1", "b/2"), ("c/1", "c/2")))
TOGETHER_NO_SHOT = Question("ü/1", (3, 0), ((), ()))
LINES = (
    (ONE_SHOT, "2007_000033 0 2010_001174"),
    (THREE_SHOT, "2007_000033 19 2010_001174 2008_000001 2010_001174"),
    (NO_SHOT, "val2014/COCO_val2014_000000429717 72"),
    (TOGETHER, "abe's_flyingfish/1 3,0,17 a/1,a/2 b/1,b/2 c/1,c/2"),
    (TOGETHER_NO_SHOT, "ü/1 3,0"),
)


def manifest(*questions: Question) -> Manifest:
    return Manifest("b", "0", "p", 1, 0, questions, drawn=len(questions) + 1)


def parsed(line: str) -> Question:
    """A line read back by the rule in the specification."""
    query, ids, *rest = line.split(" ")
    class_ids = tuple(map(int, ids.split(",")))
    if len(class_ids) == 1:
        return Question(query, class_ids, (tuple(rest),))
    supports = tuple(tuple(of_class.split(",")) for of_class in rest)
    return Question(query, class_ids, supports or ((),) * len(class_ids))


def test_a_line_is_query_classes_supports() -> None:
    for question, line in LINES:
        assert question.line() == line
        assert parsed(line) == question
    assert manifest(*(question for question, _ in LINES)).text() == "".join(f"{line}\n" for _, line in LINES)


def test_the_digest_is_of_the_utf_8_text_alone() -> None:
    assert manifest().sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert manifest(ONE_SHOT).sha256 == sha256(b"2007_000033 0 2010_001174\n").hexdigest()
    assert manifest(TOGETHER_NO_SHOT).sha256 == sha256(b"\xc3\xbc/1 3,0\n").hexdigest()
    other = Manifest("other", "3", "q", 5, 9, (ONE_SHOT, TOGETHER), drawn=2)
    assert other.sha256 == manifest(ONE_SHOT, TOGETHER).sha256 != manifest(TOGETHER, ONE_SHOT).sha256


ids = st.text("abc012_/'ü-", min_size=1, max_size=4)


@st.composite
def questions(draw: st.DrawFn, shots: int) -> Question:
    class_ids = draw(st.lists(st.integers(0, 999), min_size=1, max_size=3, unique=True))
    supports = [tuple(draw(st.lists(ids, min_size=shots, max_size=shots))) for _ in class_ids]
    return Question(draw(ids), tuple(class_ids), tuple(supports))


@given(st.integers(0, 3).flatmap(lambda shots: st.lists(questions(shots), max_size=5)))
def test_the_text_can_be_read_back(asked: list[Question]) -> None:
    text = manifest(*asked).text()
    assert [parsed(line) for line in text.split("\n")[:-1]] == asked
    assert all(question.samples() == [question.query, *chain(*question.supports)] for question in asked)
    assert "  " not in text


def test_jsonl_has_an_object_per_episode() -> None:
    text = manifest(ONE_SHOT, TOGETHER, TOGETHER_NO_SHOT).jsonl([f"klass ß {n}" for n in range(20)])
    assert text.endswith("}\n")
    assert "ß" in text
    rows = [json.loads(line) for line in text.splitlines()]
    keys = ("episode", "fold", "run", "query", "class_ids", "classes", "supports")
    assert rows == [
        dict(zip(keys, (number, "0", 0, *values), strict=True))
        for number, values in enumerate(
            [
                ("2007_000033", [0], ["klass ß 0"], [["2010_001174"]]),
                (
                    "abe's_flyingfish/1",
                    [3, 0, 17],
                    ["klass ß 3", "klass ß 0", "klass ß 17"],
                    [["a/1", "a/2"], ["b/1", "b/2"], ["c/1", "c/2"]],
                ),
                ("ü/1", [3, 0], ["klass ß 3", "klass ß 0"], [[], []]),
            ]
        )
    ]
    assert manifest().jsonl([]) == ""


def test_limited_keeps_the_first_episodes_and_makes_a_digest_of_its_own() -> None:
    whole = manifest(ONE_SHOT, THREE_SHOT, NO_SHOT)
    assert whole.sha256  # computed and kept before it is limited
    for limit in (1, 2):
        limited = whole.limited(limit)
        assert limited == Manifest("b", "0", "p", 1, 0, whole.questions[:limit], drawn=4)
        assert limited.sha256 == sha256(limited.text().encode()).hexdigest() != whole.sha256
    assert whole.limited(None) is whole
    assert whole.limited(3) == whole.limited(99) == whole
