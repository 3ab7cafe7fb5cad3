"""Boards: records that answer the same questions. Only rows of one board are ever ranked against each other.

Two records share a board where benchmark, masks, protocol, what was modified, shots, seed and manifests are equal; the
photographs' files may differ (re-encoded copies), and so may machines. The runs of a protocol that is drawn several
times are one row per model. A board of a part of a benchmark, of a modified protocol, or of lists that are not the
published ones is no main board. A row of a contaminated model, of an offline example, or with folds, runs or
replicates missing has no rank.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from statistics import fmean, stdev

from fsbench.episodes.protocols import ANY, PROTOCOLS, Protocol
from fsbench.index.published import published_lists
from fsbench.io.files import sha256_text
from fsbench.records.record import FoldRecord, OtherScore, Record, RecordedBenchmark
from fsbench.records.remarks import remark_lines
from fsbench.scoring.intervals import FloatArray
from leaderboard.ranking import rank_ranges, ranks, separable
from leaderboard.results import Entry
from leaderboard.text import visible

CONTAMINATED, OFFLINE_EXAMPLE, NO_REPLICATES = "contaminated", "offline example", "no replicates kept beside it"
PARTIAL, MODIFIED, OTHER_LISTS = "partial", "modified", "lists are not the published ones"
OTHER_EPISODES = "other episodes than the published lists have"


@dataclass(frozen=True)
class Score:
    """A score, a fraction, and its 95 % interval; ``deviation``: sample standard deviation over runs, if several."""

    score: float | None
    ci95: tuple[float, float] | None = None
    deviation: float | None = None


@dataclass(frozen=True)
class Row:
    """A model on a board. ``entries``: its record, or one a run, by run.

    ``marks``: why it has no rank, none where it has; ``rank``: 1 the best; ``rank_range``: see ``ranking``;
    ``from_best``: whether it is separable from the best ranked row, None if unknown.
    """

    entries: tuple[Entry, ...]
    marks: tuple[str, ...]
    folds: dict[str, Score]
    miou: Score
    fb_iou: Score
    other: dict[str, Score]
    rank: int | None = None
    rank_range: tuple[int, int] | None = None
    from_best: bool | None = None

    @property
    def record(self) -> Record:
        """The record, or that of the first run."""
        return self.entries[0].record

    @property
    def replicates(self) -> FloatArray | None:
        """The replicates of its mIoU; None where they are missing or runs are averaged."""
        return self.entries[0].replicates if len(self.entries) == 1 else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks of its records on the answers, one sentence each."""
        return tuple(dict.fromkeys(line for entry in self.entries for line in remark_lines(entry.record)))


@dataclass(frozen=True)
class Board:
    """``rows``: ranked ones first, best first; then those without a rank. ``key``: hex digits that name the questions.

    ``benchmark``: as its first record has it (title: as tables print it); ``off``: why it is no main board, none where
    it is one.
    """

    key: str
    benchmark: RecordedBenchmark
    protocol: Protocol
    protocol_title: str
    modified: tuple[str, ...]
    shots: int
    seed: int
    rows: tuple[Row, ...]
    off: tuple[str, ...]

    @property
    def questions(self) -> str:
        """The protocol, shots and seed as tables print them."""
        return f"{self.protocol_title} · {self.shots}-shot · seed {self.seed}"

    @property
    def title(self) -> str:
        """The benchmark and the questions as tables print them."""
        return f"{self.benchmark.title} · {self.questions}"

    @property
    def folds(self) -> tuple[str, ...]:
        """All folds of the benchmark."""
        return self.benchmark.folds

    @cached_property
    def ranked(self) -> tuple[Row, ...]:
        """The rows with a rank."""
        return tuple(row for row in self.rows if row.rank is not None)


def make_boards(entries: Sequence[Entry]) -> list[Board]:
    """The boards of ``entries``: by benchmark, main boards first, then by protocol (ours first), shots and seed."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_key(entry.record), []).append(entry)
    boards = [_board(key, of_board) for key, of_board in groups.items()]
    order = list(PROTOCOLS)
    return sorted(
        boards,
        key=lambda b: (b.benchmark.name, bool(b.off), order.index(b.protocol.id), b.shots, b.seed, b.title, b.key),
    )


def benchmark_title(benchmark: RecordedBenchmark) -> str:
    """The name as tables print it, with the part that was evaluated, whatever a record claims."""
    lists = known_lists(benchmark.name)
    part = f" [partial {benchmark.present}/{benchmark.total}]" if _is_part(benchmark) else ""
    if lists is not None:
        return lists.title + part
    title = visible(benchmark.title)
    return title if part in title else title + part


known_lists = lru_cache(maxsize=64)(published_lists)
"""The published lists of a benchmark by name, None where there are none."""


@lru_cache(maxsize=256)
def _digest_of(benchmark: str, mask_rule: str) -> str | None:
    lists = known_lists(benchmark)
    return None if lists is None else replace(lists, mask_rule=mask_rule).digest()


def _is_part(benchmark: RecordedBenchmark) -> bool:
    return benchmark.partial or benchmark.present != benchmark.total


def _key(record: Record) -> str:
    b = record.benchmark
    several = PROTOCOLS[record.protocol].runs > 1
    questions = [
        *(b.name, b.partition, b.mask_rule, b.class_names_sha256, b.lists_sha256, b.masks_sha256),
        [_is_part(b), b.present, b.total, list(b.folds), record.protocol, list(record.modified)],
        *(record.shots, record.seed, None if several else sorted(record.manifests_sha256.items())),
    ]
    return sha256_text(json.dumps(questions))[:16]


def _asks_all(record: Record, protocol: Protocol) -> bool:
    """Whether a record that claims the whole benchmark has all its episodes; ``check`` draws them again."""
    lists = known_lists(record.benchmark.name)
    rule = protocol.rules.get(record.benchmark.name) or protocol.rules.get(ANY)
    if rule is None:
        return False
    pairs = rule.draw == "every-pair" and not protocol.per_class
    return all(
        fold.asked == fold.drawn and (not pairs or lists is None or fold.drawn == len(lists.val.get(name, ())))
        for name, fold in record.folds.items()
    )


def _board(key: str, entries: Sequence[Entry]) -> Board:
    first = entries[0].record
    protocol = PROTOCOLS[first.protocol]
    off = [PARTIAL] if _is_part(first.benchmark) else []
    off += [f"{MODIFIED}: {', '.join(map(visible, first.modified))}"] if first.modified else []
    known = _digest_of(first.benchmark.name, first.benchmark.mask_rule)
    off += [OTHER_LISTS] if known not in (None, first.benchmark.lists_sha256) else []
    off += [OTHER_EPISODES] if not off and known and not _asks_all(first, protocol) else []
    return Board(
        key=key,
        benchmark=first.benchmark.model_copy(update={"title": benchmark_title(first.benchmark)}),
        protocol=protocol,
        protocol_title=first.protocol_title,
        modified=first.modified,
        shots=first.shots,
        seed=first.seed,
        rows=tuple(_ranked([_row(of_model, protocol) for of_model in _by_model(entries, protocol)])),
        off=tuple(off),
    )


def _by_model(entries: Sequence[Entry], protocol: Protocol) -> list[tuple[Entry, ...]]:
    """Each record alone, or a model's runs together, one of each."""
    if protocol.runs == 1:
        return [(entry,) for entry in entries]
    found: dict[tuple[str, str, str], dict[int, Entry]] = {}
    for entry in entries:
        model = entry.record.model
        found.setdefault((model.name, model.revision, model.config8), {}).setdefault(entry.record.run, entry)
    return [tuple(of_run[run] for run in sorted(of_run)) for of_run in found.values()]


def _row(entries: tuple[Entry, ...], protocol: Protocol) -> Row:
    records = [entry.record for entry in entries]
    first = records[0]
    marks = [CONTAMINATED] if any(record.model.contaminated for record in records) else []
    marks += [OFFLINE_EXAMPLE] if any(record.model.example for record in records) else []
    if any(record.miou is None for record in records):
        missing = [fold for fold in first.benchmark.folds if any(fold not in r.folds for r in records)]
        marks.append(f"no fold {', '.join(map(visible, missing))}" if missing else "a fold has no score")
    elif protocol.runs == 1 and entries[0].replicates is None:
        marks.append(NO_REPLICATES)
    if len(entries) < protocol.runs:
        marks.append(f"{len(entries)} of {protocol.runs} runs")
    return Row(
        entries,
        tuple(marks),
        folds={fold: _over_runs([_score(r.folds.get(fold)) for r in records]) for fold in first.benchmark.folds},
        miou=_over_runs([_score(record) for record in records]),
        fb_iou=_over_runs([Score(entry.record.fb_iou, entry.fb_ci95) for entry in entries]),
        other={name: _over_runs([_score(r.other.get(name)) for r in records]) for name in first.other},
    )


def _score(said: Record | FoldRecord | OtherScore | None) -> Score:
    if said is None:
        return Score(None)
    return Score(said.score if isinstance(said, OtherScore) else said.miou, said.ci95)


def _over_runs(scores: Sequence[Score]) -> Score:
    """The one, or mean and sample standard deviation over runs, as papers report them; none where a run has none."""
    if len(scores) == 1:
        return scores[0]
    there = [score.score for score in scores if score.score is not None]
    return Score(fmean(there), None, stdev(there)) if len(there) == len(scores) else Score(None)


def _ranked(rows: Sequence[Row]) -> list[Row]:
    def order(row: Row) -> tuple[float, str, str]:
        return -(row.miou.score if row.miou.score is not None else -1.0), row.record.model.name, row.entries[0].place

    able = sorted((row for row in rows if not row.marks and row.miou.score is not None), key=order)
    rest = sorted((row for row in rows if row.marks or row.miou.score is None), key=order)
    known = [
        row.replicates for row in able if row.replicates is not None
    ]  # of all rows, or, where runs are averaged, of none
    ranges = rank_ranges(known)
    found = []
    for place, rank in enumerate(ranks([row.miou.score or 0.0 for row in able])):
        row = replace(able[place], rank=rank)
        if ranges:
            low, high = ranges[place]
            ends = min(low, rank), max(high, rank)
            row = replace(row, rank_range=ends, from_best=rank > 1 and separable(known[0], known[place]))
        found.append(row)
    return [*found, *rest]
