"""Runs all checks on a record, the cheap ones first, and says of each: ok, its faults, or why it could not be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.records.record import read_record
from fsbench.records.remarks import remark_lines
from leaderboard.checking import card, folder_layout, masks, pixels, questions, scores
from leaderboard.checking.submission import Desk, NotCheckableError, Submission
from leaderboard.known_issues import issues_of
from leaderboard.text import visible

SHOWN = 100
"""Faults of one check that are listed."""

Check = Callable[[Submission], Iterator[str]]

CHECKS: dict[str, tuple[Check, str]] = {
    "record": (folder_layout.check_record, "schema, and folds that agree"),
    "place": (folder_layout.check_place, "lies where its content says"),
    "files": (folder_layout.check_files, "record, counts and replicates, nothing else"),
    "modified": (folder_layout.check_modified, "says all in which it differs from its protocol"),
    "benchmark": (questions.check_benchmark, "digests of lists and class names known"),
    "questions": (questions.check_questions, "manifests drawn anew are the same"),
    "counts": (pixels.check_counts, "counts are those of the record"),
    "episodes": (questions.check_episodes, "every episode once, as it was asked"),
    "pixels": (pixels.check_pixels, "counts that masks can have"),
    "confusion": (pixels.check_confusion, "agrees with the counts"),
    "scores": (scores.check_scores, "every score and interval follows from the counts"),
    "replicates": (scores.check_replicates, "replicates drawn anew are the same"),
    "truths": (masks.check_truths, "true and valid pixels are those of the benchmark's masks"),
    "predictions": (masks.check_predictions, "predictions counted again give the same counts"),
    "timings": (folder_layout.check_timings, "speed follows from episodes and seconds"),
    "card": (card.check_card, "says what was trained, and on what"),
    "training": (card.check_training, "training classes against tested ones"),
    "evidence": (card.check_evidence, "claims no more than was proved"),
}
"""Name -> the check, and what is said where it passes; in this order, as later ones rest on earlier ones."""


@dataclass(frozen=True)
class Outcome:
    """One check: whether it was ``ok``; ``faults``, one line each; ``skipped``: what could not be checked, and why."""

    name: str
    said: str
    faults: tuple[str, ...] = ()
    skipped: str | None = None

    @property
    def ok(self) -> bool:
        """Whether all was checked and nothing found."""
        return not self.faults and self.skipped is None


@dataclass(frozen=True)
class Report:
    """All that was found on one record; ``notes``: what a reader of it has to know, no faults."""

    record: str
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]

    @property
    def faults(self) -> list[str]:
        """All faults, each with the name of its check."""
        return [f"{outcome.name}: {fault}" for outcome in self.outcomes for fault in outcome.faults]


def check_submission(path: Path, desk: Desk) -> Report:
    """Check one ``record.json``. Nothing is raised for what is wrong with it; every line is harmless to print."""
    try:
        record = read_record(path)
    except FsbenchError as error:
        return _unreadable(path, str(error))
    if record.protocol not in PROTOCOLS:
        return _unreadable(path, f"is of protocol {record.protocol}, which is not known here: update fsbench")
    sub = Submission(path, record, desk)
    outcomes = []
    for name in CHECKS:
        if (name == "confusion" and sub.one_class) or (name == "predictions" and desk.predictions is None):
            continue
        outcome = _run(sub, name)
        if outcome.faults or (name == "predictions" and outcome.skipped):
            sub.failed.add(name)
        outcomes.append(outcome)
    notes = [f"known issue: {said}" for said in issues_of(record)]
    notes += [*card.notes(sub), *remark_lines(record)]
    twin, name = desk.seen.setdefault(record.counts_sha256, (sub.path, record.model.name))
    if name != record.model.name:
        notes.append(f"the counts are those of {twin}, to the last pixel")
    return Report(str(path), tuple(outcomes), tuple(map(visible, notes)))


def _unreadable(path: Path, said: str) -> Report:
    outcome = Outcome("record", CHECKS["record"][1], (visible(said.removeprefix(f"{path}: ")),))
    return Report(str(path), (outcome,), ())


def _run(sub: Submission, name: str) -> Outcome:
    check, said = CHECKS[name]
    faults: list[str] = []
    skipped = None
    found = check(sub)
    try:
        faults += islice(found, SHOWN)
        more = sum(1 for _ in found)
        if more:
            faults.append(f"and {more} more")
    except NotCheckableError as why:
        skipped = visible(why)
        if name == "predictions":  # a proof that proves nothing is a fault
            faults.append(f"they cannot be counted again: {why}")
    except FsbenchError as error:
        faults.append(str(error).replace(f"{sub.path.parent}/", ""))
    return Outcome(name, said, tuple(map(visible, faults)), skipped)
