"""What all pages share: the site they are made from, paths and links, and a Jinja environment that escapes all text.

A page is a path, a template and its values; the other modules yield pages, and ``build`` writes them. All text goes
through ``visible`` and Jinja's autoescape, whatever a template does; only templates mark their own output as safe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from posixpath import relpath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fsbench.io.files import sha256_text
from leaderboard.boards import Board, Row
from leaderboard.published import PublishedRow, published_for, published_rows
from leaderboard.render.cells import below, percent
from leaderboard.results import Results
from leaderboard.site.cells import amount
from leaderboard.tables import evidence, training_data
from leaderboard.text import visible, web_link

COMPARE = "compare.html"


@dataclass(frozen=True)
class Page:
    """A page: ``path`` from the site's root, with ``/``; ``values`` of the template."""

    path: str
    template: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Site:
    """What the site is made from; ``boards`` in the order of ``make_boards``."""

    results: Results
    boards: Sequence[Board]
    with_published: bool = False

    @cached_property
    def benchmarks(self) -> dict[str, list[Board]]:
        """Name -> its boards, in order; with published rows also the benchmarks that have no others, at the end."""
        found: dict[str, list[Board]] = {}
        for board in self.boards:
            found.setdefault(board.benchmark.name, []).append(board)
        if self.with_published:
            found |= {name: [] for name in sorted({row.benchmark for row in published_rows()} - found.keys())}
        return found

    @cached_property
    def models(self) -> dict[tuple[str, str, str], list[tuple[Board, Row]]]:
        """(name, revision, config8) -> the model's rows, in the boards' order; models by name."""
        found: dict[tuple[str, str, str], list[tuple[Board, Row]]] = {}
        for board in self.boards:
            for row in board.rows:
                found.setdefault(model_key(row), []).append((board, row))
        return dict(sorted(found.items()))

    def published(self, benchmark: str) -> list[PublishedRow]:
        """The published rows on a benchmark's page."""
        return published_for(benchmark) if self.with_published else []


def model_key(row: Row) -> tuple[str, str, str]:
    """Name, revision and config8, which identify a model."""
    model = row.record.model
    return model.name, model.revision, model.config8


def benchmark_path(name: str) -> str:
    """The path of a benchmark's page."""
    return f"benchmark/{_slug(name)}.html"


def model_path(row: Row) -> str:
    """The path of the page of a row's model."""
    return f"model/{_slug(' '.join(model_key(row)))}.html"


def row_id(row: Row) -> str:
    """Hex digits that identify a row on its board, independent of where its record is."""
    return sha256_text(" ".join([*model_key(row), *(entry.record.counts_sha256 for entry in row.entries)]))[:12]


def comparable(board: Board) -> bool:
    """Whether a board has two rows to compare."""
    return len(board.rows) > 1


def compare_link(board: Board, a: Row, b: Row | None = None) -> str:
    """The compare page with a choice made; without ``b`` the best other row is chosen there."""
    return f"{COMPARE}#board={board.key}&a={row_id(a)}" + ("" if b is None else f"&b={row_id(b)}")


def _slug(text: str) -> str:
    """A file name that no text can escape from or share with another."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
    return f"{plain or 'x'}-{sha256_text(text)[:8]}"


def environment() -> Environment:
    """Jinja for all pages: autoescape on, undefined values are errors, every value passes ``visible`` first."""
    jinja = Environment(
        loader=PackageLoader("leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions = (amount, below, evidence, link, model_path, percent, training_data, web_link)
    jinja.globals |= {function.__name__: function for function in functions}
    return jinja


def _finalize(value: Any) -> Any:
    return value if isinstance(value, Markup) else "" if value is None else visible(value)


def link(page: str, target: str) -> str:
    """The relative address of ``target`` on ``page``, both paths from the site's root.

    >>> link("model/a.html", "style.css"), link("index.html", "model/a.html")
    ('../style.css', 'model/a.html')
    """
    return relpath(target, page.rpartition("/")[0] or ".")
