"""The compare page in real Chromium, from a disk as a reader has it: its numbers are those that Python computes.

Also: it works without JavaScript, a link can carry the choice, nothing that a stranger wrote runs, and neither it nor a
model's page is wider than a phone.
"""

from __future__ import annotations

import json
import random
import shutil
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fsbench.scoring.intervals import paired_interval
from leaderboard.boards import Board, Row, make_boards
from leaderboard.results import read_results
from leaderboard.site import compare_page
from leaderboard.site.build import build_site
from leaderboard.site.compare_page import IN_MATRIX, packed, points
from leaderboard.site.links import compare_link, row_id
from leaderboard.site.pages import Site
from tests.fsbench.results.saved_records import Episode, write_stored
from tests.leaderboard.hostile import altered, ugly_records

pytest.importorskip("playwright", reason="playwright is not installed: the pages are not tried in a browser")
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: the pages are not tried in one")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDTH = 375
"""Of a phone, in pixels."""
CLASSES = {"0": (0, 1, 2), "1": (3, 4, 5)}
MANY = 20


def answers(model: int, fold: str) -> list[Episode]:
    """Counts that are the same questions for every model; class 5 has so few images that replicates lose it."""
    drawn = random.Random(f"{model} {fold}")
    found = []
    for n in range(40):
        class_id = CLASSES[fold][n % 3]
        if class_id != 5 or n < 6:
            found.append((f"image{n}", class_id, drawn.randrange(13), 15, 12, 100))
    return found


@dataclass(frozen=True)
class Made:
    """A site that was built: its folder, what it was made from, and its one board of many models."""

    folder: Path
    site: Site
    board: Board

    def at(self, path: str) -> str:
        """The address of a page from the disk."""
        path, hash_, rest = path.partition("#")
        return (self.folder / path).as_uri() + hash_ + rest


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("compare")
    for model in range(MANY):
        asked = {fold: answers(model, fold) for fold in CLASSES}
        write_stored(
            folder / "results" / f"m{model}", asked, CLASSES, model=f"model-{model}", run=["0"] if model == 3 else None
        )
    other = {"0": answers(1, "0"), "1": answers(2, "1")}
    write_stored(folder / "results" / "alone", other, CLASSES, model="alone", seed=9)
    results = read_results(folder / "results")
    assert not results.refused
    site = Site(results, make_boards(results.entries))
    build_site(site, folder / "site")
    board, _ = sorted(site.boards, key=lambda board: -len(board.rows))
    assert len(board.rows) == MANY
    return Made(folder / "site", site, board)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A tab in which any error, and any request that is not of the disk, fails the test."""
    opened = browser.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("request", lambda asked: None if asked.url.startswith("file:") else wrong.append(asked.url))
    opened.on("dialog", lambda dialog: wrong.append(dialog.message))
    yield opened
    opened.close()
    assert not wrong


def interval_of(a: Row, b: Row) -> tuple[float, float] | None:
    of_a, of_b = a.entries[0].draws, b.entries[0].draws
    return None if of_a is None or of_b is None else paired_interval(of_a, of_b)


def test_packed_replicates_are_off_by_less_than_a_hundred_thousandth() -> None:
    draws = np.random.RandomState(0).beta(3, 5, 10_000)
    draws[::7] = np.nan
    said = packed(draws)
    codes = np.frombuffer(b64decode(said["codes"]), "<u2")
    found = np.where(codes == 65535, np.nan, said["low"] + codes.astype(float) * said["step"])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(draws))
    assert np.nanmax(abs(found - draws)) < 1e-5
    equal = packed(np.full(10, 0.25))
    assert (equal["low"], equal["step"]) == (0.25, 0)


def test_scripts_are_ascii_that_ends_no_script(tmp_path: Path) -> None:
    pairs_of_ugly(tmp_path)
    results = read_results(tmp_path)
    site = Site(results, make_boards(results.entries))
    scripts = dict(compare_page.assets(site))
    assert len(scripts) == sum(1 + len(board.rows) for board in site.boards if len(board.rows) > 1)
    for path, data in scripts.items():
        text = data.decode("ascii")
        assert not set("<>") & set(text)
        function, _, rest = text.partition("(")
        assert function == ("fsbenchRow" if path.count("/") == 2 else "fsbenchBoard")
        json.loads(rest.removesuffix(");\n"))
    total = sum(len(data) for path, data in scripts.items() if path.count("/") == 2)
    assert total / sum(path.count("/") == 2 for path in scripts) < 40_000


def test_boards_of_one_row_are_not_offered(made: Made) -> None:
    alone = next(board for board in made.site.boards if len(board.rows) == 1)
    assert alone.key not in (made.folder / "compare.html").read_text()
    assert not (made.folder / "data" / f"{alone.key}.js").exists()


@needs_chromium
def test_any_two_rows_are_compared_as_python_does(made: Made, tab: Page) -> None:
    tab.goto(made.at("compare.html"))
    ranked = made.board.ranked
    tab.locator("#a option").nth(MANY - 1).wait_for(state="attached")
    for a, b in [(ranked[0], ranked[1]), (ranked[4], ranked[2]), (ranked[-1], ranked[5])]:
        tab.select_option("#a", row_id(a))
        tab.select_option("#b", row_id(b))
        expected = interval_of(a, b)
        assert expected is not None
        assert a.miou.score is not None
        assert b.miou.score is not None
        head = tab.locator("table.sides thead")
        expect(head.locator("a").nth(1)).to_have_text(b.record.model.name)
        expect(head.locator("a").nth(0)).to_have_text(a.record.model.name)
        verdict = tab.locator("#verdict")
        said = verdict.inner_text()
        assert f"A − B = {points(a.miou.score - b.miou.score)} points of mIoU" in said
        for name, end in zip(("data-low", "data-high"), expected, strict=True):
            assert abs(float(verdict.get_attribute(name) or "nan") - 100 * end) < 0.01
        separable = not expected[0] <= 0 <= expected[1]
        assert ("not separable" in said) is not separable
        check_folds_and_classes(tab, a, b)


def check_folds_and_classes(tab: Page, a: Row, b: Row) -> None:
    for fold, of_a in a.record.folds.items():
        score_b = b.record.folds[fold].miou
        assert of_a.miou is not None
        assert score_b is not None
        row = tab.locator("table.sides tbody tr", has_text=f"mIoU, fold {fold}")
        assert row.locator("td").nth(2).inner_text() == points(of_a.miou - score_b)
    expected = {}
    for fold in CLASSES:
        for key, c in a.record.folds[fold].classes.items():
            iou = b.record.folds[fold].classes[key].iou
            if c.iou is not None and iou is not None:
                expected[f"{key} (fold {fold})"] = c.iou - iou
    shown = tab.locator("ul.differences li").evaluate_all(
        "list => list.map(line => [...line.children].slice(0, 3).map(e => e.textContent || e.outerHTML))"
    )
    ordered = sorted(expected.items(), key=lambda item: (-item[1], item[0]))
    assert [(key, value) for key, _, value in shown] == [
        (key, f"{100 * d:+.1f}".replace("-", "−") if round(100 * d, 1) else "0.0") for key, d in ordered
    ]
    wins, losses = (sum(sign * d > 0 for d in expected.values()) for sign in (1, -1))
    assert f"A is better in {wins}, B in {losses} of {len(expected)} classes" in tab.locator("#wins").inner_text()
    widths = tab.locator("ul.differences rect").evaluate_all(
        "bars => bars.map(bar => Number(bar.getAttribute('width')))"
    )
    most = max(abs(d) for d in expected.values())
    assert widths == pytest.approx([50 * abs(d) / most for _, d in ordered], abs=0.006)


@needs_chromium
def test_replicates_without_a_score_are_left_out(tmp_path: Path, tab: Page) -> None:
    drawn = random.Random(0)
    for model in ("a", "b"):
        many = [(f"image{n}", n % 2, drawn.randrange(13), 15, 12, 100) for n in range(10, 40)]
        few = [(f"image{n}", class_id, drawn.randrange(13), 15, 12, 100) for n in (1, 2, 3) for class_id in (0, 1)]
        asked = {"0": [*many, *few], "1": [("image0", 2, drawn.randrange(13), 15, 12, 100)]}
        write_stored(tmp_path / "results" / model, asked, {"0": (0, 1), "1": (2,)}, model=model)
    results = read_results(tmp_path / "results")
    (board,) = make_boards(results.entries)
    a, b = board.rows
    draws = a.entries[0].draws
    assert draws is not None
    assert 1000 < np.isnan(draws).sum() < 9000
    build_site(Site(results, [board]), tmp_path / "site")
    tab.goto((tmp_path / "site").as_uri() + "/" + compare_link(board, a, b))
    expected = interval_of(a, b)
    assert expected is not None
    for name, end in zip(("data-low", "data-high"), expected, strict=True):
        assert abs(float(tab.locator("#verdict").get_attribute(name) or "nan") - 100 * end) < 0.01


@needs_chromium
def test_a_link_carries_the_choice(made: Made, tab: Page) -> None:
    a, b = made.board.ranked[6], made.board.ranked[3]
    tab.goto(made.at(compare_link(made.board, a, b)))
    head = tab.locator("table.sides thead a")
    expect(head.nth(0)).to_have_text(a.record.model.name)
    expect(head.nth(1)).to_have_text(b.record.model.name)
    tab.click("#swap")
    expect(head.nth(0)).to_have_text(b.record.model.name)
    head.nth(0).click()
    assert tab.locator("h1").inner_text() == b.record.model.name
    tab.locator(".links a", has_text="Compare").first.click()
    expect(tab.locator("table.sides thead a").nth(0)).to_have_text(b.record.model.name)
    tab.goto(made.at("compare.html#board=nothing&a=<script>&b=%00"))
    expect(tab.locator("#verdict")).to_be_visible()


@needs_chromium
def test_a_missing_fold_leaves_no_mean_but_folds(made: Made, tab: Page) -> None:
    partly = next(row for row in made.board.rows if row.record.model.name == "model-3")
    tab.goto(made.at(compare_link(made.board, made.board.ranked[0], partly)))
    expect(tab.locator(".verdict")).to_contain_text("No benchmark mean to compare")
    assert tab.locator("table.sides .tag").inner_text() == "no fold 1"
    assert tab.locator("ul.differences li").count() == 3


@needs_chromium
def test_models_are_found_by_a_part_of_their_name(made: Made, tab: Page) -> None:
    tab.goto(made.at("compare.html"))
    tab.fill("#filter", "MODEL-1")
    names = tab.locator("#a option").all_inner_texts()
    found = [row.record.model.name for row in made.board.rows]
    chosen = tab.locator("table.sides thead a").nth(0).inner_text()
    assert len(names) == sum("model-1" in name or name == chosen for name in found)


@needs_chromium
def test_without_javascript_the_best_stand_in_a_matrix(made: Made, browser: Browser) -> None:
    plain = browser.new_context(java_script_enabled=False)
    tab = plain.new_page()
    tab.goto(made.at("compare.html"))
    assert not tab.locator("#choice").is_visible()
    rows = made.board.rows[:IN_MATRIX]
    for place, line in enumerate(tab.locator("table.matrix tbody tr").all()):
        cells = line.locator("td").all_inner_texts()
        for before, cell in zip(rows[:place], cells[1:], strict=False):
            found = interval_of(rows[place], before)
            assert found is not None
            low, high = map(points, found)
            difference = points((rows[place].miou.score or 0) - (before.miou.score or 0))
            mark = "" if found[0] <= 0 <= found[1] else "● "
            assert cell.split("\n")[0].strip() == f"{mark}{difference}"
            assert cell.split("\n")[1].strip() == f"{low} to {high}"
    assert tab.locator("table.matrix tbody tr").count() == IN_MATRIX
    first, second = (row.entries[0].place for row in rows[:2])
    assert f"fsbench compare {first}/record.json {second}/record.json" in tab.locator("pre.command").inner_text()
    tab.locator("table.matrix a").first.click()
    assert tab.locator("h1").inner_text() == rows[0].record.model.name
    plain.close()


def pairs_of_ugly(folder: Path) -> None:
    """Ugly records, and each once more under another name, so that its board has two rows."""
    for number, path in enumerate(ugly_records(folder)):
        again = folder / "again" / str(number)
        shutil.copytree(path.parent, again)
        altered(again / "record.json", lambda said: said["model"].update(name=said["model"]["name"] + "-again"))


@needs_chromium
def test_nothing_of_a_stranger_runs(tmp_path: Path, tab: Page) -> None:
    pairs_of_ugly(tmp_path / "results")
    results = read_results(tmp_path / "results")
    site = Site(results, make_boards(results.entries))
    build_site(site, tmp_path / "site")
    for page in sorted((tmp_path / "site" / "model").glob("ugly-*.html")):
        tab.goto(page.as_uri())
        check_untouched(tab)
    compared = 0
    for board in site.boards:
        if len(board.rows) > 1:
            a, b = board.rows[:2]
            tab.goto(
                (tmp_path / "site" / "compare.html").as_uri() + compare_link(board, a, b).removeprefix("compare.html")
            )
            tab.reload()
            expect(tab.locator("#verdict")).to_be_visible()
            check_untouched(tab)
            compared += 1
    assert compared >= 10


def check_untouched(tab: Page) -> None:
    assert tab.evaluate("window.pwned") is None
    assert "pwned" not in tab.title()
    assert tab.locator("main img, main script, iframe, a[href^='javascript' i]").count() == 0
    assert tab.evaluate("[...document.scripts].every(s => s.src.startsWith('file:') && s.text === '')")


@needs_chromium
def test_no_page_is_wider_than_a_phone(made: Made, browser: Browser) -> None:
    phone = browser.new_context(viewport={"width": WIDTH, "height": 700})
    tab = phone.new_page()
    model = next((made.folder / "model").glob("model-7-*.html"))
    for address in (made.at(compare_link(made.board, *made.board.rows[:2])), model.as_uri()):
        tab.goto(address)
        for details in tab.locator("details").all():
            details.evaluate("element => { element.open = true; }")
        assert tab.evaluate("document.documentElement.scrollWidth") <= WIDTH
        assert tab.locator("svg rect").first.is_visible()
    phone.close()
