"""How to run a record again: the exact command, built from the record alone.

Every word is untrusted, so it is quoted for a POSIX shell, and there is no command where a word has characters that
cannot be seen (control or bidirectional ones). ``fsbench evaluate`` reads the options back as they were given.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.records.record import OTHER_MASKS, PRESENT, Record
from leaderboard.boards import Row
from leaderboard.text import visible

LIMITS = {"batch_size": 10**6, "threads": 1024}
"""The largest numbers that ``fsbench evaluate`` takes (``fsbench.engine.plan.RANGES``, which needs torch)."""


@dataclass(frozen=True)
class Rerun:
    """``words``: the command, none where there can be none; ``python``: what to call for a model made in Python.

    ``check``: the command that proves the record, None where its place cannot be typed.
    """

    words: tuple[str, ...]
    python: str | None
    check: str | None
    remarks: tuple[str, ...]

    @property
    def command(self) -> str | None:
        """The words as they are typed."""
        return shlex.join(self.words) if self.words else None


def rerun(row: Row) -> Rerun:
    """How to make the records of a row again, and how to check its (first) record."""
    first = row.record
    words, remarks = _command(row)
    spec = first.model.spec
    if spec is None:
        remarks.append("The record names no --model: the model was made in Python.")
    elif words and (spec.startswith("predictions:") or "/" in spec):
        remarks.append("Places in it are those of whoever ran it; config8 may differ where yours are others.")
    remarks += [
        f"The benchmark has to be built with masks of the rule {rule.removeprefix(OTHER_MASKS)}."
        for rule in first.modified
        if rule.startswith(OTHER_MASKS)
    ]
    if first.benchmark.partial:
        of_all = f"{first.benchmark.present} of {first.benchmark.total}"
        remarks.append(f"Only {of_all} val samples were at hand: the same ones are needed for the same numbers.")
    if first.environment.git_dirty:
        remarks.append("It was run with uncommitted changes to fsbench.")
    python = None if spec is not None else _python(first)
    check = command_of("fsbench", "leaderboard", "check", record_at(row.entries[0].place))
    return Rerun(tuple(words), python, check, tuple(remarks))


def record_at(place: str) -> str:
    """The ``record.json`` of a place, never to be taken for an option."""
    path = "record.json" if place == "." else f"{place}/record.json"
    return f"./{path}" if path.startswith("-") else path


def command_of(*words: str) -> str | None:
    """Words as they are typed, None where one of them holds what cannot be seen."""
    return None if any(visible(word) != word for word in words) else shlex.join(words)


def _command(row: Row) -> tuple[list[str], list[str]]:
    """The words, none where there can be none, and remarks."""
    first = row.record
    spec, where = first.model.spec, first.environment
    if spec is None:
        return [], []
    words = ["fsbench", "evaluate", "-m", spec, "-b", first.benchmark.name]
    folds = [fold for fold in first.benchmark.folds if fold in first.folds]
    if len(folds) < len(first.benchmark.folds):
        words += ["-f", ",".join(folds)]
    words += ["--protocol", first.protocol, "-k", str(first.shots), "--seed", str(first.seed)]
    if len(row.entries) < PROTOCOLS[first.protocol].runs:
        words += ["--run", str(first.run)]
    for key, value in sorted(first.model.options.items()):
        if not key or "=" in key or ":" in key:
            return [], [f"No command can give the option {visible(key)!r}: --option takes key=value."]
        words += ["--option", f"{key}={value}"]
    words += ["--draw-from", "present"] if PRESENT in first.modified else []
    words += ["--limit", str(first.limit)] if first.limit is not None else []
    for name, number in (("batch_size", where.batch_size), ("threads", where.threads)):
        words += [f"--{name.replace('_', '-')}", str(number)] if 1 <= number <= LIMITS[name] else []
    device = re.match(r"(cpu|mps|cuda(:\d+)?)(?= |$)", where.device)
    words += ["--device", device[0]] if device else []
    words += ["--contaminated"] if first.model.contaminated else []
    if any(visible(word) != word for word in words):
        return [], ["The record holds characters that cannot be seen, so that no command is shown."]
    return words, []


def _python(record: Record) -> str:
    where = record.environment
    folds = [fold for fold in record.benchmark.folds if fold in record.folds]
    values: dict[str, object] = {
        "folds": folds if len(folds) < len(record.benchmark.folds) else "all",
        "protocol": record.protocol,
        "shots": record.shots,
        "seed": record.seed,
        "run": record.run,
        "batch_size": where.batch_size,
        "threads": where.threads,
        "draw_from": "present" if PRESENT in record.modified else "published",
        "contaminated": record.model.contaminated,
    }
    arguments = ", ".join(f"{name}={value!r}" for name, value in values.items())
    return f"fsbench.evaluate(model, {record.benchmark.name!r}, {arguments})"
