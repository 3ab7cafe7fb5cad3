"""Damaged files: the score is right, or one line names the file.

Every mutation has a number of its own, from which it can be drawn again.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from fsbench.errors import FsbenchError
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import Target, make_targets
from tests.hostile_files import KINDS, check_refused, sparse

SHORT = 300


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> list[Target]:
    return make_targets(tmp_path_factory.mktemp("fuzz"))


def outcome(target: Target, expected: object, what: str) -> str:
    """How the reader of a damaged file ended; fails, saying ``what`` was done, for any other end."""
    try:
        found = target.read()
    except FsbenchError as error:
        message = str(error)
        assert "\n" not in message, f"{what}: {message!r} is not one line"
        assert str(target.file) in message, f"{what}: {message!r} does not name the file"
        return "refused"
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    if found == expected:
        return "right"
    assert target.fresh, f"{what}: was read as something else, silently"
    return "other input"


def fuzz(targets: list[Target], mutations: int) -> Counter[tuple[str, str]]:
    """Mutate every target in turn; how often each ended in which way."""
    ends: Counter[tuple[str, str]] = Counter()
    for place, target in enumerate(targets):
        whole, expected = target.file.read_bytes(), target.read()
        for number in range(place, mutations, len(targets)):
            change, data = mutated(whole, random.Random(f"{target.name} {number}"), is_json=target.is_json)
            target.file.write_bytes(data)
            ends[target.name, outcome(target, expected, f"{target.name}, mutation {number} ({change})")] += 1
        target.file.write_bytes(whole)
        assert target.read() == expected
    return ends


def test_pipes_devices_folders_and_sparse_files_are_refused(targets: list[Target]) -> None:
    for target in targets:
        # of a sparse log, the whole lines are kept and the zeros are dropped
        last = () if target.name == "partial log" else (sparse,)
        check_refused(target.file, target.read, kinds=(*KINDS[:3], *last))


@pytest.mark.parametrize("mutations", [SHORT, pytest.param(10_000, marks=pytest.mark.long)])
def test_damaged_files(targets: list[Target], mutations: int) -> None:
    ends = fuzz(targets, mutations)
    print(ends)
    assert sum(ends.values()) == mutations
    assert {name for name, _ in ends} == {target.name for target in targets}


def test_the_fuzz_finds_a_reader_that_believes_everything(tmp_path: Path) -> None:
    """It can fail: bytes are read as they are, with no check, and a digest's key is asked for that may be gone."""
    path = tmp_path / "numbers"
    path.write_bytes(bytes(range(200)))
    with pytest.raises(AssertionError, match=r"believing, mutation \d+ \(\w+\): was read as something else, silently"):
        fuzz([Target("believing", path, lambda: sum(path.read_bytes()))], SHORT)
    path.write_bytes(b"7")
    with pytest.raises(AssertionError, match=r"trusting, mutation \d+ \(\w+\): ValueError"):
        fuzz([Target("trusting", path, lambda: int(path.read_bytes()), fresh=True)], SHORT)
