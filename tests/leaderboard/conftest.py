"""Benchmarks, results folders and sites that several tests read, each made once, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import fsbench
from fsbench.index.benchmark import Benchmark
from tests.fsbench.sample_models import Bright
from tests.fsbench.small_benchmark import small_benchmark
from tests.leaderboard import built_site, export_run
from tests.leaderboard.built_site import BuiltSite, build
from tests.leaderboard.hostile import TEXTS, broken_records, ugly_records
from tests.leaderboard.sample_records import altered

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[..., "Page"]

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
ABORTED = "net::ERR_ABORTED"  # a request under way when its page is left or closed; a missing file fails otherwise


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four folds of two classes, ten samples each; not to be damaged."""
    return small_benchmark(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def with_masks(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results: one 1-shot record on ``small`` that keeps its predictions."""
    out = tmp_path_factory.mktemp("with-masks")
    fsbench.evaluate(Bright(), small, shots=1, threads=1, save_predictions=True, out=out)
    return out


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results: the records behind the goldens."""
    return export_run.write_results(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def all_boards(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """A site of all kinds of boards, with published rows."""
    return build(built_site.write_results(tmp_path_factory.mktemp("site") / "results"), with_published=True)


@pytest.fixture(scope="session")
def ugly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results: ``ugly_records``, those with ugly texts once more under another name, so that each board has a pair."""
    folder = tmp_path_factory.mktemp("ugly") / "results"
    for path, name in zip(ugly_records(folder), TEXTS, strict=False):
        again = folder / "again" / name
        shutil.copytree(path.parent, again)
        altered(again / "record.json", lambda record: record["model"].update(name=record["model"]["name"] + "-again"))
    return folder


@pytest.fixture(scope="session")
def ugly_site(ugly: Path) -> BuiltSite:
    """The site of ``ugly``."""
    return build(ugly)


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``broken_records``: what is wrong -> the ``record.json``."""
    return broken_records(tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; not for the session, since a running playwright lets no other test start an event loop."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens an address, with storage of its own; a test fails by any error, dialog, or request that is no file's."""
    faults: list[str] = []

    def open_(address: str, **context: Any) -> Page:
        page = browser.new_context(**context).new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.on("request", lambda request: None if request.url.startswith("file:") else faults.append(request.url))
        page.on("requestfailed", lambda request: None if request.failure == ABORTED else faults.append(request.url))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        return page

    yield open_
    for context in browser.contexts:
        context.close()
    assert faults == []
