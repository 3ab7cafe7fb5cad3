"""A benchmark's page: one table a board, so that no column mixes questions; boards off the main ranking come last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from leaderboard.boards import PARTIAL, Board, Row, known_lists
from leaderboard.known_issues import issues_of
from leaderboard.published import by_protocol, folds_of
from leaderboard.render.cells import EVIDENCE_MEANS, INTERVALS, SEEN_MEANS, board_notes, score_notes
from leaderboard.render.published import benchmark_title
from leaderboard.site.cells import axis_of
from leaderboard.site.columns import GROUPS, columns_of
from leaderboard.site.pages import Page, Site, benchmark_path, comparable, compare_link, model_key
from leaderboard.tables import training_data

LONG = 200
"""Tables of more rows are laid out row by row, so that a browser skips the rows that are out of sight."""

MOST_TRAININGS = 100
"""How many different texts on training data are offered as suggestions."""


def pages(site: Site) -> Iterator[Page]:
    """One page a benchmark."""
    for name, boards in site.benchmarks.items():
        path, title, keys = benchmark_path(name), benchmark_name(name, boards), short_keys(boards)
        sections = [_section(board, title, keys[board.key]) for board in boards]
        published = [(rows, folds_of(rows)) for rows in by_protocol(site.published(name))]
        rows = [row for board in boards for row in board.rows]
        protocols = [board.protocol.id for board in boards] + [row.protocol for (row, *_), _ in published]
        yield Page(
            path,
            "benchmark.html",
            {
                "page": path,
                "heading": title,
                "crumbs": [("Overview", "index.html"), (title, None)],
                "main": [section for section in sections if not section["board"].off],
                "off": [section for section in sections if section["board"].off],
                "published": published,
                "models": len(set(map(model_key, rows))),
                "filters": {
                    "shots": sorted({b.shots for b in boards} | {row.shots for (row, *_), _ in published}),
                    "protocol": dict.fromkeys(filter(None, protocols)),
                    "prompts": sorted({row.record.model.prompts for row in rows}),
                    "training": sorted({training_data(row.record) for row in rows})[:MOST_TRAININGS],
                },
                "means": [_sentence(text) for text in (SEEN_MEANS, EVIDENCE_MEANS)],
                "groups": {key: text for section in sections for key, text in section["groups"].items()},
            },
        )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def benchmark_name(name: str, boards: Sequence[Board]) -> str:
    """The benchmark's heading, without the part that a board has of it."""
    titles = {board.benchmark.title for board in boards}
    return titles.pop() if len(titles) == 1 and known_lists(name) is None else benchmark_title(name)


def heading_of(board: Board, title: str, key: str) -> dict[str, Any]:
    """How a board is named on its benchmark's page, whose heading is ``title``, and on the overview.

    ``off``: why it is no main board, with the size of a part; ``key``: see ``short_keys``.
    """
    benchmark = board.benchmark
    return {
        "board": board,
        "label": board.questions if benchmark.title.startswith(title) else board.title,
        "off": [f"{why} {benchmark.present}/{benchmark.total}" if why == PARTIAL else why for why in board.off],
        "key": key,
    }


def short_keys(boards: Sequence[Board]) -> dict[str, str]:
    """Board key -> the digits that tell the board from others of the same title, empty where its title does."""
    titles = Counter((board.title, board.off) for board in boards)
    return {board.key: board.key[:8] if titles[board.title, board.off] > 1 else "" for board in boards}


def csv_path(board: Board) -> str:
    """The path of the board's CSV."""
    name = f"{board.benchmark.name}-{board.protocol.id}-{board.shots}shot-s{board.seed}".replace("@", "-at-")
    return f"csv/{name}-{board.key}.csv"


def _section(board: Board, title: str, key: str) -> dict[str, Any]:
    notes = [INTERVALS] if board.protocol.runs == 1 else []
    columns = columns_of(board)
    groups = {column.group for column in columns}
    return heading_of(board, title, key) | {
        "csv": csv_path(board),
        "columns": columns,
        "groups": {key: text for key, text in GROUPS.items() if key in groups},
        "axis": axis_of(row.miou for row in board.rows),
        "unranked": [row for row in board.rows if row.rank is None],
        "notes": [_sentence(text) for text in [*notes, *board_notes(board), *score_notes(board)]],
        "issues": issues_of(board.rows[0].record),
        "questions": _questions(board),
        "compare": compare_link(board, *board.rows[:2]) if comparable(board) else None,
        "long": len(board.rows) > LONG,
        "all_separable": all(row.from_best for row in board.ranked[1:]),
    }


def not_separable(board: Board) -> list[Row]:
    """The ranked rows after the best that cannot be separated from it at 95 %, uncorrected."""
    return [row for row in board.ranked if row.rank != 1 and row.from_best is False]


def _questions(board: Board) -> dict[str, str]:
    protocol, benchmark = board.protocol, board.benchmark
    records = [entry.record for row in board.rows for entry in row.entries]
    size = "the photograph's own size" if protocol.size is None else f"{protocol.size} × {protocol.size}"
    manifests = "Manifests (first run)" if protocol.runs > 1 else "Manifests"
    return {
        "Protocol": f"{protocol.title}, as used by {protocol.who}: {protocol.about}",
        **({"Modified": ", ".join(board.modified)} if board.modified else {}),
        "Compared at": size,
        "A class with no sample": {"drop": "left out of the mean, and named", "zero": "counted as 0"}[protocol.empty],
        "Benchmark": f"{benchmark.title}: {benchmark.present:,} of {benchmark.total:,} val samples at hand",
        "Partition, masks": f"{benchmark.partition}, {benchmark.mask_rule}",
        "Board": board.key,
        "Lists": benchmark.lists_sha256[:16],
        "Masks": benchmark.masks_sha256[:16],
        manifests: ", ".join(f"fold {fold} {sha256[:12]}" for fold, sha256 in records[0].manifests_sha256.items()),
        "fsbench": ", ".join(sorted({record.environment.fsbench for record in records})),
    }
