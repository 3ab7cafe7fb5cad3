"""The first page, and the list of all models: where to look, and who leads where, said with its doubt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leaderboard.boards import Board, Row, Score
from leaderboard.render.cells import percent
from leaderboard.site.board_page import LONG, anchor, apart, benchmark_name, keys, label, standing_of
from leaderboard.site.cells import Axis, Drawn, amount, axis_of, beneath
from leaderboard.site.pages import Page, Site, benchmark_path, model_key, model_path

OVERVIEW, MODELS = "index.html", "models.html"


@dataclass(frozen=True)
class Leader:
    """A board in one line. ``close``: how many ranked rows cannot be told from the best."""

    board: Board
    anchor: str
    label: str
    off: tuple[str, ...]
    key: str
    best: Row | None
    path: str
    score: str
    interval: str
    drawn: Drawn | None
    close: int


@dataclass(frozen=True)
class Shelf:
    """A benchmark: its main boards and the others. ``published``: how many published rows are on its page."""

    title: str
    path: str
    published: int
    main: tuple[Leader, ...]
    off: tuple[Leader, ...]
    axis: Axis | None


@dataclass(frozen=True)
class Listed:
    """A model in the list of all. ``boards``: on how many it stands; ``marks``: those of any of its rows."""

    name: str
    version: str
    path: str
    prompts: str
    trained: str
    total: str
    trained_value: str
    total_value: str
    licence: str
    boards: int
    benchmarks: str


def pages(site: Site) -> Iterator[Page]:
    """The overview and the list of models."""
    shelves = [_shelf(name, boards, len(site.published(name))) for name, boards in site.benchmarks.items()]
    values = {
        "page": OVERVIEW,
        "heading": "Few-shot and zero-shot segmentation, measured",
        "shelves": shelves,
        "models": len(site.models),
        "records": sum(len(row.entries) for board in site.boards for row in board.rows),
        "boards": len(site.boards),
        "refused": len(site.results.refused),
        "published": site.with_published,
        "models_page": MODELS,
    }
    yield Page(OVERVIEW, "overview.html", values)
    listed = _listed(site)
    values = {"page": MODELS, "heading": "Models", "models": listed, "long": len(listed) > LONG}
    yield Page(MODELS, "models.html", values)


def _shelf(name: str, boards: list[Board], published: int) -> Shelf:
    best = {board.key: _best(board) for board in boards}
    axis = axis_of(row.miou for row in best.values() if row is not None)
    title, told = benchmark_name(name, boards), keys(boards)
    leaders = [_leader(board, label(board, title), told[board.key], best[board.key], axis) for board in boards]
    return Shelf(
        title=title,
        path=benchmark_path(name),
        published=published,
        main=tuple(leader for leader in leaders if not leader.board.off),
        off=tuple(leader for leader in leaders if leader.board.off),
        axis=axis,
    )


def _best(board: Board) -> Row | None:
    return next(iter(board.ranked), None)


def _leader(board: Board, said: str, key: str, best: Row | None, axis: Axis | None) -> Leader:
    score = Score(None) if best is None else best.miou
    return Leader(
        board=board,
        anchor=anchor(board),
        label=said,
        off=tuple(apart(board)),
        key=key,
        best=best,
        path="" if best is None else model_path(model_key(best)),
        score=percent(score.score),
        interval=beneath(score),
        drawn=None if axis is None else axis.draw(score),
        close=sum(standing_of(board, place) == "close" for place in range(len(board.rows))),
    )


def _listed(site: Site) -> list[Listed]:
    found = []
    for key, standings in site.models.items():
        model = standings[0][1].record.model
        on = dict.fromkeys(board.benchmark.name for board, _ in standings)
        found.append(
            Listed(
                name=model.name,
                version=f"{model.revision} · {model.config8}",
                path=model_path(key),
                prompts=model.prompts,
                trained=amount(model.trained_parameters),
                total=amount(model.total_parameters),
                trained_value="" if model.trained_parameters is None else str(model.trained_parameters),
                total_value="" if model.total_parameters is None else str(model.total_parameters),
                licence=model.licence,
                boards=len({board.key for board, _ in standings}),
                benchmarks=", ".join(on),
            )
        )
    return found
