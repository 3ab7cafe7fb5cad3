"""Writes the site atomically: all pages, the tables as CSV, pictures, and static files.

The new site is written next to ``out`` and then moved there, so that a killed build leaves the old site as it was. Each
site has a list of its files: only a folder that holds nothing else is ever replaced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import Environment

from fsbench.errors import FsbenchError
from fsbench.io.locks import lock_file, locked
from leaderboard.render.csv_text import csv_text
from leaderboard.site import board_page, compare_page, model_page, overview
from leaderboard.site.galleries import Galleries
from leaderboard.site.pages import COMPARE, Page, Site, environment

MARKER = ".fsbench-site"
"""The list of a site's files, after a line with its schema."""
_FIRST_LINE = "fsbench-site/1"


@dataclass(frozen=True)
class Built:
    """A built site: the number of its pages and files, and its size in bytes."""

    pages: int
    files: int
    size: int


def one_build(out: Path) -> AbstractContextManager[None]:
    """Lock the site ``out``; raises FsbenchError where another build holds the lock."""
    return locked(lock_file(out), out, remove=True)


def check_target(out: Path, results: Path) -> None:
    """Raises FsbenchError where ``out`` holds anything but a site, or holds the records."""
    place = out.resolve()
    if results.resolve().is_relative_to(place):
        raise FsbenchError(f"{out}: holds the records of {results}: choose an --out beside them")
    if place.exists() and not place.is_dir():
        raise FsbenchError(f"{out}: is no folder: choose another --out")
    foreign = next(_foreign(place), None) if place.exists() else None
    if foreign is not None:
        raise FsbenchError(f"{out}: holds {foreign}, which no build wrote: choose another --out, or move it away")


def build_site(
    site: Site, out: Path, advance: Callable[[int], None] = lambda n: None, galleries: Galleries | None = None
) -> Built:
    """Write the site to ``out``; ``advance`` is called with 1 after each page, ``galleries`` makes the pictures.

    Raises FsbenchError where ``out`` cannot be written or holds anything else.
    """
    place = out.resolve()
    new, old = (place.with_name(f".{place.name}.{end}") for end in ("new", "old"))
    with one_build(out):
        check_target(out, site.results.folder)
        try:
            _restore(old, place)
            _clear(new)
            _clear(old)
            built = _write(site, new, advance, galleries or Galleries())
            if place.exists():
                place.replace(old)
            new.replace(place)
            _clear(old)
        except OSError as error:
            raise FsbenchError(f"{out}: cannot be written ({error.strerror or error}): choose another --out") from error
        finally:
            _restore(old, place)
            with suppress(OSError):
                _clear(new)
        return built


def _restore(old: Path, place: Path) -> None:
    """Put the old site back where a build was stopped between the two moves."""
    if (old / MARKER).is_file() and not place.exists():
        old.replace(place)


def _clear(folder: Path) -> None:
    """Remove the rest of a killed build or a replaced site, but nothing that no build wrote."""
    if folder.exists():
        marker = folder / MARKER
        others = [path for path in folder.iterdir() if path != marker]
        if others and not marker.is_file():
            raise FsbenchError(f"{folder}: is in the way and no build wrote it: move it away")
        for path in others:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        marker.unlink(missing_ok=True)  # last, so that a killed clearing can be resumed
        folder.rmdir()


def page_count(site: Site) -> int:
    """The number of pages of a site."""
    return len(site.benchmarks) + len(site.models) + 3


def _write(site: Site, folder: Path, advance: Callable[[int], None], galleries: Galleries) -> Built:
    jinja = environment()
    jinja.globals |= shared(site)
    sizes: dict[str, int] = {}
    _put(folder, MARKER, [f"{_FIRST_LINE}\n".encode()])
    of_boards = chain(overview.pages(site), board_page.pages(site))
    for page in chain(of_boards, model_page.pages(site, galleries), compare_page.pages(site)):
        sizes[page.path] = _put(folder, page.path, _rendered(jinja, page))
        advance(1)
    pages = len(sizes)
    for path, data in _assets(site, galleries):
        sizes[path] = _put(folder, path, [data])
    listed = "\n".join([_FIRST_LINE, *sorted(sizes)]) + "\n"
    return Built(pages, len(sizes), sum(sizes.values()) + _put(folder, MARKER, [listed.encode()]))


def shared(site: Site) -> Mapping[str, Any]:
    """What every page is given: the links of its head and the line of its foot."""
    nav = [("Overview", overview.OVERVIEW), ("Models", overview.MODELS), ("Compare", COMPARE)]
    records = len(site.results.entries)
    return {"nav": nav, "made_by": f"Made by fsbench {version('fsbench')} from {records:,} records."}


def _assets(site: Site, galleries: Galleries) -> Iterator[tuple[str, bytes]]:
    for board in site.boards:
        yield board_page.csv_path(board), csv_text([board]).encode()
    yield from compare_page.assets(site)
    yield from galleries.assets()
    static = files("leaderboard.site") / "static"
    for file in sorted(static.iterdir(), key=lambda file: file.name):
        yield f"static/{file.name}", file.read_bytes()


def _rendered(jinja: Environment, page: Page) -> Iterator[bytes]:
    stream = jinja.get_template(page.template).stream(**page.values)
    stream.enable_buffering(500)
    return map(str.encode, stream)


def _put(folder: Path, path: str, parts: Any) -> int:
    """Write one file; how many bytes. The folder is moved into place as a whole, so no file needs to be."""
    at = folder / PurePosixPath(path)
    at.parent.mkdir(parents=True, exist_ok=True)
    with at.open("wb") as file:
        return sum(file.write(part) for part in parts)


def _foreign(place: Path) -> Iterator[str]:
    """The files of a folder that no build wrote."""
    marker = place / MARKER
    known: set[str] = {MARKER}
    if marker.is_file() and not marker.is_symlink():
        first, *names = marker.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        known |= set(names) if first == _FIRST_LINE else set()
    for parent, folders, names in os.walk(place):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in sorted([*names, *links]):
            path = (Path(parent) / name).relative_to(place).as_posix()
            if path not in known:
                yield path
