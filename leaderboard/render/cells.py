"""Tables before any format: heads, cells, and the notes below them.

Markdown and LaTeX differ in columns and escaping, never in ranks, intervals and marks. Texts are as records have them:
renderers escape every one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fsbench.records.remarks import benchmark_lines
from fsbench.scoring.scenes import FALSE_ALARMS
from fsbench.tables.cells import parameters_text
from fsbench.tables.scene_table import HEADS, MUST_FIND, REMARKS, must_find
from fsbench.tables.table import SEVERAL_CLASSES
from leaderboard.boards import MODIFIED, PARTIAL, Board, Row, Score
from leaderboard.tables import SEEN, evidence, hardware, ms_per_episode, seen, training_data

MOST_COLUMNS = 10
"""Of a table in a paper."""

NONE = "–"
"""A missing number."""

DAGGER = "the best, and every row not separable from the best at 95 %, uncorrected for the number of rows."
RANKS = (
    "In brackets at a rank, or beneath it: the range of the rank in 95 % of the bootstrap replicates (paired: all rows "
    "are drawn the same query images)."
)
INTERVALS = (
    "Scores in %, with 95 % intervals (none where its ends print alike). An interval covers the sampling of query "
    "images only, given supports, weights and classes; not other supports, nor another training."
)
SEEN_MEANS = (
    "seen: whether a model has seen, in any way, test images, or masks, boxes, image labels or image-text pairs of the "
    "classes it is tested on; unknown is not no."
)
EVIDENCE_MEANS = (
    "evidence: counts (every score follows from per-episode counts), predictions (counted again from the masks), rerun "
    "(run again by a maintainer)."
)
NOT_RANKED = "Rows without a rank are not ranked, for the reason in their marks."
SCORE_HEADS = {
    "with_background": "with\nbackground",
    "seen": "seen\nclasses",
    **HEADS,
}
SHORT = dict(zip(SEEN, ("test images", "masks", "boxes", "labels", "image-text"), strict=True))


class Cell(NamedTuple):
    """``below``: small print, mostly an interval; ``dagger``: whether ``DAGGER`` holds for the row."""

    text: str
    below: str = ""
    dagger: bool = False
    url: str | None = None


@dataclass(frozen=True)
class Table:
    """A table. ``is_text``: of each column, whether it holds text, not numbers; ``rule``: rows above a rule, if any."""

    title: str
    heads: tuple[str, ...]
    is_text: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    rule: int = 0


Column = tuple[str, bool, list[Cell]]
"""Head, whether it holds text, and its cells."""


def table_of(title: str, columns: Sequence[Column], notes: Sequence[str], rule: int = 0) -> Table:
    """The table of ``columns``."""
    return Table(
        title=title,
        heads=tuple(head for head, _, _ in columns),
        is_text=tuple(is_text for _, is_text, _ in columns),
        rows=tuple(zip(*(cells for _, _, cells in columns), strict=True)),
        notes=tuple(notes),
        rule=rule,
    )


def board_table(board: Board) -> Table:
    """A board with everything that a person chooses a model by."""
    columns = [*_who(board), *_scores(board), *_others(board), *_choices(board)]
    if any(row.marks for row in board.rows):
        columns.append(("marks", True, [Cell("; ".join(row.marks)) for row in board.rows]))
    notes = [*board_notes(board), *score_notes(board), *_training_notes(board)]
    return table_of(board.title, columns, notes, rule=len(board.ranked))


def paper_tables(board: Board) -> list[Table]:
    """A board for a paper: marks below names; scores other than the mIoU in a second table if they are many."""
    rank, (head, is_text, names) = _who(board)
    marked = [
        cell._replace(below="; ".join(filter(None, (cell.below, *row.marks))))
        for cell, row in zip(names, board.rows, strict=True)
    ]
    first, others = [rank, (head, is_text, marked), *_scores(board)], _others(board)
    title, notes, rule = board.title, board_notes(board), len(board.ranked)
    if len(first) + len(others) < MOST_COLUMNS:
        return [table_of(title, [*first, *others, _trained(board)], [*notes, *score_notes(board)], rule)]
    return [
        table_of(title, [*first, _trained(board)], notes, rule),
        table_of(f"{title} · other scores", [(head, is_text, marked), *others], score_notes(board), rule),
    ]


def _who(board: Board) -> list[Column]:
    return [
        ("rank", False, [Cell(str(row.rank or NONE), "–".join(map(str, row.rank_range or ()))) for row in board.rows]),
        ("model", True, model_cells(board.rows)),
    ]


def _scores(board: Board) -> list[Column]:
    columns: list[Column] = []
    if len(board.folds) > 1:
        for fold in board.folds:
            columns.append((f"fold {fold}", False, [score_cell(row.folds[fold]) for row in board.rows]))
    mean = "mean" if len(board.folds) > 1 else "mIoU"
    columns.append((mean, False, [score_cell(row.miou)._replace(dagger=row.from_best is False) for row in board.rows]))
    columns.append(("FB-IoU", False, [score_cell(row.fb_iou) for row in board.rows]))
    return columns


def _others(board: Board) -> list[Column]:
    names = dict.fromkeys(name for row in board.rows for name in row.other)
    return [(SCORE_HEADS.get(name, name), False, [_other(row, name) for row in board.rows]) for name in names]


def _trained(board: Board) -> Column:
    models = [row.record.model for row in board.rows]
    cells = [Cell(parameters_text(m.trained_parameters), f"of {parameters_text(m.total_parameters)}") for m in models]
    return "trained parameters", False, cells


def _choices(board: Board) -> list[Column]:
    rows = board.rows
    times = [Cell(f"{ms:.1f}", hardware(r.record)) if (ms := ms_per_episode(r)) else Cell(NONE) for r in rows]
    models = [row.record.model for row in rows]
    parameters = [f"{parameters_text(m.trained_parameters)} / {parameters_text(m.total_parameters)}" for m in models]
    return [
        ("prompts", True, [Cell(model.prompts) for model in models]),
        ("trained / all parameters", False, list(map(Cell, parameters))),
        ("ms / episode", False, times),
        ("seen", True, [Cell(seen_text(row)) for row in rows]),
        ("licence", True, [Cell(model.licence) for model in models]),
        ("evidence", True, [Cell(evidence(row)) for row in rows]),
    ]


def model_cells(rows: Sequence[Row]) -> list[Cell]:
    """The names of models, with revision and configuration where several have one name."""
    models = [row.record.model for row in rows]
    names = Counter(m.name for m in models)
    return [Cell(m.name, f"{m.revision}-{m.config8}" if names[m.name] > 1 else "", url=m.url) for m in models]


def _other(row: Row, name: str) -> Cell:
    """Alarms of a model that must find something stand in brackets."""
    cell = score_cell(row.other.get(name, Score(None)))
    return Cell(f"({cell.text})") if name in FALSE_ALARMS and must_find(row.record) else cell


def percent(score: float | None) -> str:
    """A fraction in %, to one decimal."""
    return NONE if score is None else f"{100 * score:.1f}"


def below(score: Score) -> str:
    """A score's deviation over runs, or its interval if the ends print as two numbers, in %."""
    if score.deviation is not None:
        return f"± {100 * score.deviation:.1f}"
    ends = list(dict.fromkeys(map(percent, score.ci95 or ())))
    return "–".join(ends) if len(ends) == 2 else ""


def score_cell(score: Score) -> Cell:
    """A score in %, with ``below``."""
    return Cell(percent(score.score), below(score))


def seen_text(row: Row) -> str:
    """What the model has seen, in few is_text.

    ``unknown: test images; no: masks, boxes, labels, image-text``, or one word where it holds for all.
    """
    answers = {name: seen(row.record, name) for name in SEEN}
    if len(set(answers.values())) == 1:
        return next(iter(answers.values()))
    groups = {answer: [SHORT[n] for n in SEEN if answers[n] == answer] for answer in ("yes", "unknown", "no")}
    return "; ".join(f"{answer}: {', '.join(names)}" for answer, names in groups.items() if names)


def board_notes(board: Board) -> list[str]:
    """The notes that a reader of this board needs."""
    first = board.rows[0].record
    notes = [f"No main board ({'; '.join(board.off)}): {_why_off(board)}."] if board.off else []
    if board.protocol.rule_only:
        notes.append(f"{board.protocol.id} (rule only): the published draws cannot be replayed, only their rule.")
    if board.protocol.runs > 1:
        notes.append(
            f"Mean and sample standard deviation over {board.protocol.runs} runs of other episodes: there is no "
            "interval, and rows are not shown to be separable."
        )
    if any(row.marks for row in board.rows):
        notes.append(NOT_RANKED)
    left_out = [f"{key} (fold {fold})" for fold, run in first.folds.items() for key in run.left_out]
    if left_out:
        notes.append(f"Classes with no sample, left out of the mean: {', '.join(left_out)}.")
    return [*notes, *benchmark_lines(first), *(line for row in board.rows for line in row.remarks)]


def _training_notes(board: Board) -> list[str]:
    """What the models were trained on, which is too long for a column."""
    found: dict[str, list[str]] = {}
    for cell, row in zip(model_cells(board.rows), board.rows, strict=True):
        found.setdefault(training_data(row.record), []).append(" ".join(filter(None, cell[:2])))
    return [f"Training data of {', '.join(names)}: {text}." for text, names in found.items()]


def score_notes(board: Board) -> list[str]:
    """What its other scores mean."""
    notes = [SEVERAL_CLASSES[board.protocol.id]] if board.protocol.id in SEVERAL_CLASSES else []
    if any("imagewise" in row.other for row in board.rows):
        notes.append("imagewise: the mean of per-episode IoU, a reduction of its own; not an mIoU.")
    if board.protocol.tiles is not None:
        notes += REMARKS
        notes += [MUST_FIND] if any(must_find(row.record) for row in board.rows) else []
    return notes


def _why_off(board: Board) -> str:
    known = {
        PARTIAL: f"{board.benchmark.present} of {board.benchmark.total} samples were at hand",
        MODIFIED: f"not asked as {board.protocol.id} asks",
    }
    why = [known.get(reason.partition(":")[0], "other samples are asked under the same name") for reason in board.off]
    return f"{'; '.join(why)}; its scores are not comparable with those of the whole benchmark and its protocol"


def has_daggers(tables: Sequence[Table]) -> bool:
    """Whether any cell has a dagger, so that it has to be explained."""
    return any(cell.dagger for table in tables for row in table.rows for cell in row)
