"""What every page of the site shares: what it is made from, where pages lie, and the environment that escapes all text.

A page is a path, a template and its values; the modules beside this one yield pages, ``build`` writes them. All text of
records goes through ``visible`` and then Jinja's autoescape, whatever a template does; nothing is marked safe but what
a template itself wrote.
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
from leaderboard.results import Results
from leaderboard.text import visible, web_link


@dataclass(frozen=True)
class Page:
    """One file of the site. ``path`` from its root, with ``/``; ``values``: what the template is given."""

    path: str
    template: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Site:
    """What the site is made from: ``boards`` as ``make_boards`` gives them."""

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
        """(name, revision, config8) -> where the model stands, in the boards' order; models by name."""
        found: dict[tuple[str, str, str], list[tuple[Board, Row]]] = {}
        for board in self.boards:
            for row in board.rows:
                found.setdefault(model_key(row), []).append((board, row))
        return dict(sorted(found.items()))

    def published(self, benchmark: str) -> list[PublishedRow]:
        """The published rows that are shown on a benchmark's page."""
        return published_for(benchmark) if self.with_published else []


def model_key(row: Row) -> tuple[str, str, str]:
    """Name, revision and config8: what tells two models apart."""
    model = row.record.model
    return model.name, model.revision, model.config8


def benchmark_path(name: str) -> str:
    """Where the page of a benchmark lies."""
    return f"benchmark/{_slug(name)}.html"


def model_path(key: tuple[str, str, str]) -> str:
    """Where the page of a model lies."""
    return f"model/{_slug(' '.join(key))}.html"


def _slug(text: str) -> str:
    """A file name that no text can escape from or share with another."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
    return f"{plain or 'x'}-{sha256_text(text)[:8]}"


def environment() -> Environment:
    """Jinja as all pages use it: autoescape on, nothing undefined, every value made visible first.

    Templates are given ``link(page, target)``, the way from one page to another, and ``web_link``.
    """
    made = Environment(
        loader=PackageLoader("leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"link": link, "web_link": web_link}
    return made


def _finalize(value: Any) -> Any:
    return value if isinstance(value, Markup) else "" if value is None else visible(value)


def link(page: str, target: str) -> str:
    """The relative address of ``target`` on ``page``, both paths from the site's root.

    >>> link("model/a.html", "style.css"), link("index.html", "model/a.html")
    ('../style.css', 'model/a.html')
    """
    return relpath(target, page.rpartition("/")[0] or ".")
