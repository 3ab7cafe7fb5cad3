"""Whatever a record is turned into, a check of it ends with a report: no traceback, no line that is not one line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from fsbench.index.benchmark import Benchmark
from fsbench.records.counts import read_counts, write_counts
from tests.fsbench.sample_models import Bright
from tests.leaderboard.submissions import check, copied, evaluated

VALUES: list[Any] = [None, 0, 1, -1, 2**62, 0.5, "", "0", "x" * 64, "0" * 64, [], {}, [0.1, 0.2], ["0"], True, "\u202e"]
ROUNDS = 35


def mutated(said: Any, generator: random.Random) -> None:
    """Replace, remove, or double one value somewhere below ``said``."""
    while True:
        places = list(said) if isinstance(said, dict) else list(range(len(said)))
        if not places:
            return
        place = generator.choice(places)
        inner = said[place]
        if isinstance(inner, dict | list) and inner and generator.random() < 0.85:
            said = inner
            continue
        what = generator.random()
        if what < 0.2:
            del said[place]
        elif what < 0.3 and isinstance(said, list):
            said.append(inner)
        elif what < 0.5 and isinstance(inner, int | float) and not isinstance(inner, bool):
            said[place] = inner + generator.choice([1, -1])
        else:
            said[place] = generator.choice(VALUES)
        return


@pytest.mark.parametrize("known", [True, False], ids=["local", "unknown"])
def test_any_record_gets_a_report(known: bool, small: Benchmark, tmp_path: Path) -> None:
    honest = evaluated(Bright(), small, tmp_path / "honest")
    text, rows = honest.read_text(), read_counts(honest.parent / "counts.parquet")
    path = copied(honest, tmp_path / "new")
    generator = random.Random(11)
    faulty = 0
    for _ in range(ROUNDS):
        said = json.loads(text)
        for _ in range(generator.randint(0, 3)):
            mutated(said, generator)
        path.write_text(json.dumps(said))
        other = list(rows)
        for _ in range(generator.randint(0, 2)):
            place = generator.randrange(len(other))
            name = generator.choice(other[place]._fields[:9])
            values: list[Any] = ["0", "9", "x"] if name in ("fold", "query", "image") else [0, 5, 999]
            other[place] = other[place]._replace(**{name: generator.choice(values)})
        write_counts(path.parent / "counts.parquet", other)
        report = check(path, small if known else None)
        assert all(line.isprintable() for line in (*report.faults, *report.notes))
        faulty += bool(report.faults)
    assert faulty > ROUNDS // 2
