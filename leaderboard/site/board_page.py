"""A benchmark's page: one table a board, never a column that mixes questions; what is no main board stands apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from leaderboard.boards import PARTIAL, Board, known_lists
from leaderboard.known_issues import issues_of
from leaderboard.render.cells import EVIDENCE_MEANS, INTERVALS, SEEN_MEANS, board_notes, score_notes
from leaderboard.site.cells import Axis, Drawn, axis_of
from leaderboard.site.columns import GROUPS, Column, columns_of
from leaderboard.site.links import comparable, compare_link
from leaderboard.site.pages import Page, Site, benchmark_path, model_key, model_path
from leaderboard.site.published_view import Printed, printed
from leaderboard.tables import training_data

LONG = 200
"""Tables of more rows are laid out row by row, so that a browser skips the rows that are out of sight."""

MOST_TRAININGS = 100
"""How many different texts on training data are offered as suggestions."""


@dataclass(frozen=True)
class ShownRow:
    """A row: its cells in the order of the columns. ``standing``: best, close, or nothing; see ``standing_of``."""

    rank: int | None
    rank_range: str
    standing: str
    name: str
    path: str
    version: str
    marks: tuple[str, ...]
    drawn: Drawn | None
    cells: tuple[tuple[str, str, str | None, str], ...]
    prompts: str
    training: str


@dataclass(frozen=True)
class Section:
    """A board, ready for the template. ``label``, ``off``, ``key``: see ``label``, ``apart``, ``keys``."""

    board: Board
    anchor: str
    label: str
    off: tuple[str, ...]
    key: str
    csv: str
    columns: tuple[Column, ...]
    axis: Axis | None
    ranked: tuple[ShownRow, ...]
    unranked: tuple[ShownRow, ...]
    remarks: tuple[str, ...]
    issues: tuple[str, ...]
    questions: Mapping[str, str]

    @property
    def compare(self) -> str | None:
        """The compare page with its first two rows, None where there are no two."""
        return compare_link(self.board, *self.board.rows[:2]) if comparable(self.board) else None

    @property
    def long(self) -> bool:
        """Whether its rows are laid out one by one."""
        return len(self.board.rows) > LONG

    @property
    def groups(self) -> dict[str, str]:
        """The groups of columns that it has, by key."""
        there = {column.group for column in self.columns}
        return {key: text for key, text in GROUPS.items() if key in there}

    @property
    def alone(self) -> bool:
        """Whether every ranked row but the first can be told from it."""
        return all(row.from_best for row in self.board.ranked[1:])


def pages(site: Site) -> Iterator[Page]:
    """One page a benchmark."""
    for name, boards in site.benchmarks.items():
        path = benchmark_path(name)
        title, told = benchmark_name(name, boards), keys(boards)
        sections = [section(board, label(board, title), told[board.key]) for board in boards]
        published = printed(site.published(name))
        yield Page(
            path,
            "benchmark.html",
            {
                "page": path,
                "heading": title,
                "crumbs": [("Overview", "index.html"), (title, None)],
                "main": [s for s in sections if not s.board.off],
                "off": [s for s in sections if s.board.off],
                "published": published,
                "models": len({model_key(row) for board in boards for row in board.rows}),
                "filters": _filters(sections, published),
                "means": [_sentence(text) for text in (SEEN_MEANS, EVIDENCE_MEANS)],
                "groups": {key: text for s in sections for key, text in s.groups.items()},
            },
        )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def benchmark_name(name: str, boards: Sequence[Board]) -> str:
    """The benchmark as a heading has it: what is at hand of it is said with each board."""
    lists = known_lists(name)
    if lists is not None:
        return lists.title
    titles = {board.benchmark.title for board in boards}
    return titles.pop() if len(titles) == 1 else name


def anchor(board: Board) -> str:
    """The board's id on its page."""
    return f"b-{board.key}"


def label(board: Board, heading: str) -> str:
    """The board's questions below a heading, with the benchmark's title where that is another than the heading."""
    return board.questions if board.benchmark.title.startswith(heading) else board.title


def apart(board: Board) -> list[str]:
    """Why a board is no main board, in few words; of a part, how large it is."""
    said = board.benchmark
    return [f"{why} {said.present}/{said.total}" if why == PARTIAL else why for why in board.off]


def keys(boards: Sequence[Board]) -> dict[str, str]:
    """A board's key -> the digits that tell it from another of the same title, none where its title does."""
    titles = Counter((board.title, board.off) for board in boards)
    return {board.key: board.key[:8] if titles[board.title, board.off] > 1 else "" for board in boards}


def csv_path(board: Board) -> str:
    """Where the board's numbers lie as a file."""
    said = f"{board.benchmark.name}-{board.protocol.id}-{board.shots}shot-s{board.seed}".replace("@", "-at-")
    return f"csv/{said}-{board.key}.csv"


def section(board: Board, said: str, key: str) -> Section:
    """A board with everything that its table prints."""
    columns = columns_of(board)
    axis = axis_of(row.miou for row in board.rows)
    shown = [_row(board, place, columns, axis) for place in range(len(board.rows))]
    return Section(
        board=board,
        anchor=anchor(board),
        label=said,
        off=tuple(apart(board)),
        key=key,
        csv=csv_path(board),
        columns=columns,
        axis=axis,
        ranked=tuple(row for row in shown if row.rank is not None),
        unranked=tuple(row for row in shown if row.rank is None),
        remarks=tuple(_remarks(board)),
        issues=tuple(issues_of(board.rows[0].record)),
        questions=_questions(board),
    )


def _remarks(board: Board) -> Iterator[str]:
    """What a reader of the board's table has to know."""
    notes = [INTERVALS] if board.protocol.runs == 1 else []
    yield from map(_sentence, [*notes, *board_notes(board), *score_notes(board)])


def _row(board: Board, place: int, columns: Sequence[Column], axis: Axis | None) -> ShownRow:
    row = board.rows[place]
    model = row.record.model
    low, high = row.rank_range or (None, None)
    return ShownRow(
        rank=row.rank,
        rank_range="" if low is None else f"{low}" if low == high else f"{low}–{high}",
        standing=standing_of(board, place),
        name=model.name,
        path=model_path(model_key(row)),
        version=f"{model.revision} · {model.config8}",
        marks=row.marks,
        drawn=None if axis is None else axis.draw(row.miou),
        cells=tuple((*column.cell(row), column.css) for column in columns),
        prompts=model.prompts,
        training=training_data(row.record),
    )


def standing_of(board: Board, place: int) -> str:
    """``best``: first of several; ``close``: not separable from it at 95 %, uncorrected; else nothing."""
    row = board.rows[place]
    if row.rank is None or len(board.ranked) < 2:
        return ""
    return "best" if row.rank == 1 else "close" if row.from_best is False else ""


def _questions(board: Board) -> dict[str, str]:
    """What was asked, exactly."""
    protocol, said = board.protocol, board.benchmark
    records = [entry.record for row in board.rows for entry in row.entries]
    size = "the photograph's own size" if protocol.size is None else f"{protocol.size} × {protocol.size}"
    empty = {"drop": "left out of the mean, and named", "zero": "counted as 0"}[protocol.empty]
    manifests = {fold: digest for record in records[:1] for fold, digest in record.manifests_sha256.items()}
    several = " (first run)" if protocol.runs > 1 else ""
    return {
        "Protocol": f"{protocol.title}, as used by {protocol.who}: {protocol.about}",
        **({"Modified": ", ".join(board.modified)} if board.modified else {}),
        "Compared at": size,
        "A class with no sample": empty,
        "Benchmark": f"{said.title}: {said.present:,} of {said.total:,} val samples at hand",
        "Partition, masks": f"{said.partition}, {said.mask_rule}",
        "Board": board.key,
        "Lists": said.lists_sha256[:16],
        "Masks": said.masks_sha256[:16],
        f"Manifests{several}": ", ".join(f"fold {fold} {digest[:12]}" for fold, digest in manifests.items()),
        "fsbench": ", ".join(sorted({record.environment.fsbench for record in records})),
    }


def _filters(sections: Sequence[Section], published: Sequence[Printed]) -> dict[str, list[str]]:
    """What can be chosen among, by filter."""
    shown = [row for s in sections for row in (*s.ranked, *s.unranked)]
    shots = {s.board.shots for s in sections} | {p.shots for p in published}
    protocols = [s.board.protocol.id for s in sections] + [p.protocol for p in published if p.protocol]
    return {
        "shots": [str(number) for number in sorted(shots)],
        "protocol": list(dict.fromkeys(protocols)),
        "prompts": sorted({row.prompts for row in shown}),
        "training": sorted({row.training for row in shown})[:MOST_TRAININGS],
    }
