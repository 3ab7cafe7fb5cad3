"""The site in real Chromium, from a disk as a reader has it: sorted, filtered, dark, printed, on a phone, by keyboard.

Also: without JavaScript everything is there, colours have the contrast of WCAG AA as they are painted, and nothing that
a stranger wrote runs or reaches for the network.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leaderboard.boards import make_boards
from leaderboard.results import read_results
from leaderboard.site.build import build_site
from leaderboard.site.pages import Site, benchmark_path
from tests.leaderboard.built_site import write_results
from tests.leaderboard.hostile import ugly_records
from tests.leaderboard.sample_records import write

pytest.importorskip("playwright", reason="playwright is not installed: the site is not tried in a browser")
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: the site is not tried in one")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDTH = 375
"""Of a phone, in pixels."""
MANY = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of all kinds of boards."""
    return build(write_results(tmp_path_factory.mktemp("browser") / "results"))


def build(results: Path) -> Path:
    read = read_results(results)
    assert not read.refused
    out = results.parent / "site"
    build_site(Site(read, make_boards(read.entries), with_published=True), out)
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def opened(browser: Browser, folder: Path, path: str, **context: Any) -> Page:
    """A page with its own storage; whatever goes wrong on it is kept in ``FAULTS``."""
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda message: FAULTS.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: FAULTS.append(str(error)))
    page.on("requestfailed", lambda request: FAULTS.append(request.url))
    page.goto((folder / path).as_uri())
    return page


FAULTS: list[str] = []


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    FAULTS.clear()
    yield
    assert FAULTS == []


@pytest.fixture(autouse=True)
def no_pages_left(browser: Browser) -> Iterator[None]:
    yield
    for context in browser.contexts:
        context.close()


BOARDS = benchmark_path("made-up")


def board(page: Page, shots: int = 0) -> Locator:
    return page.locator(f'section.of-board[data-shots="{shots}"] table.board').first


def names(table: Locator, body: str = "ranked") -> list[str]:
    return table.locator(f"tbody.{body} th.model a").all_inner_texts()


def head(table: Locator, text: str) -> Locator:
    return table.locator("thead th", has_text=re.compile(f"^{text}")).first


def test_a_click_on_a_head_sorts_numbers_as_numbers_and_missing_last(browser: Browser, folder: Path) -> None:
    table = board(opened(browser, folder, BOARDS))
    total = head(table, "Total")
    total.locator("button").click()
    assert total.get_attribute("aria-sort") == "ascending"
    assert names(table) == ["beta", "alpha-2", "alpha-10", "gamma"]
    total.locator("button").click()
    assert total.get_attribute("aria-sort") == "descending"
    assert names(table) == ["alpha-10", "alpha-2", "beta", "gamma"]
    score = head(table, "mIoU")
    score.locator("button").click()
    assert score.get_attribute("aria-sort") == "descending"
    assert total.get_attribute("aria-sort") is None
    assert names(table) == ["alpha-2", "alpha-10", "beta", "gamma"]
    model = head(table, "Model")
    model.locator("button").click()
    assert names(table) == ["alpha-2", "alpha-10", "beta", "gamma"]
    model.locator("button").click()
    assert names(table) == ["gamma", "beta", "alpha-10", "alpha-2"]


def test_equal_values_keep_the_order_of_ranks_and_rows_without_a_rank_stay_beneath(
    browser: Browser, folder: Path
) -> None:
    table = board(opened(browser, folder, BOARDS))
    before = names(table, "unranked")
    head(table, "Shots").locator("button").click()
    assert names(table) == ["alpha-2", "alpha-10", "beta", "gamma"]
    head(table, "mIoU").locator("button").click()
    head(table, "mIoU").locator("button").click()
    assert names(table) == ["gamma", "beta", "alpha-10", "alpha-2"]
    assert names(table, "unranked") == ["toy-example", "told", "half"]
    assert before == ["told", "toy-example", "half"]
    assert table.locator("tbody").evaluate_all("all => all.map(b => b.className)") == ["ranked", "unranked"]
    assert table.locator("tbody.unranked tr").first.get_attribute("class") == "part"


def test_sorting_one_board_leaves_the_others(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, BOARDS)
    head(board(page), "Rank").locator("button").click()
    head(board(page), "Rank").locator("button").click()
    assert names(board(page))[0] == "gamma"
    assert names(board(page, 1)) == ["mask-a", "mask-b"]
    assert head(board(page, 1), "Rank").get_attribute("aria-sort") is None


def visible(page: Page) -> list[str]:
    return page.locator("table.board th.model a:visible").all_inner_texts()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("shots", "1", ["mask-a", "mask-b"]),
        ("prompts", "mask", ["mask-a", "mask-b"]),
        ("prompts", "text", ["alpha-2", "alpha-10", "told"]),
        ("training", "laion", ["alpha-2"]),
        ("model", "ALPHA", ["alpha-2", "alpha-10"]),
        ("protocol", "fsbench-v1", None),
    ],
)
def test_each_filter(browser: Browser, folder: Path, name: str, value: str, expected: list[str] | None) -> None:
    page = opened(browser, folder, BOARDS)
    everything = visible(page)
    field = page.locator(f'[name="{name}"]')
    if field.evaluate("field => field.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)
    assert visible(page) == (everything if expected is None else expected)
    expect(page.locator("output")).to_have_text(f"{len(visible(page))} of {len(everything)} measured rows shown")
    assert page.locator("nav.boards li:visible").count() == page.locator("section.of-board:visible").count()
    for heading in page.locator("tr.part:visible").all():
        assert heading.locator("xpath=following-sibling::tr").locator("visible=true").count() > 0


def test_filters_join_and_published_rows_follow_shots_and_protocol(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, benchmark_path("pascal-5i"))
    shown = page.locator("section[data-published]:visible")
    assert shown.count() > 5
    page.select_option('[name="protocol"]', "hsnet")
    page.select_option('[name="shots"]', "5")
    expect(shown).to_have_count(1)
    assert shown.locator("h3").inner_text().startswith("5-shot, protocol hsnet")
    expect(page.locator("output")).to_have_text("0 of 1 measured rows shown")


def test_columns_are_hidden_and_shown_by_group(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, BOARDS)
    fold = head(board(page), "Fold 0")
    assert fold.is_visible()
    page.get_by_label("Folds").uncheck()
    assert not fold.is_visible()
    assert board(page).locator("td.g-folds:visible").count() == 0
    assert head(board(page), "mIoU").is_visible()
    page.get_by_label("Folds").check()
    assert fold.is_visible()


def test_everything_works_by_keyboard_and_focus_is_seen(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, BOARDS)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]
    button = head(board(page), "mIoU").locator("button")
    button.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert button.evaluate("b => b === document.activeElement && getComputedStyle(b).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert head(board(page), "mIoU").get_attribute("aria-sort") == "ascending"
    assert button.evaluate("b => b === document.activeElement")


def test_without_javascript_every_row_and_column_is_there(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, BOARDS, java_script_enabled=False)
    assert page.locator("table.board tbody th.model").count() == 10
    assert page.locator("table.board tbody th.model:visible").count() == 10
    assert (
        page.locator("table.board th:visible, table.board td:visible").count()
        == page.locator("table.board th, table.board td").count()
    )
    assert names(board(page)) == ["alpha-2", "alpha-10", "beta", "gamma"]
    assert not page.locator("#controls").is_visible()
    assert not page.locator("#theme").is_visible()
    assert page.locator("button:visible").count() == 0


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


LIGHT, DARK = "rgb(248, 248, 246)", "rgb(20, 23, 26)"


def test_dark_and_light_follow_the_system_and_then_the_reader(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, BOARDS, color_scheme="dark")
    assert ground(page) == DARK
    page.locator("#theme").click()
    assert ground(page) == LIGHT
    page.goto((folder / "index.html").as_uri())
    assert ground(page) == LIGHT
    assert page.locator("#theme").inner_text() == "Dark"
    page.locator("#theme").click()
    assert ground(page) == DARK
    assert ground(opened(browser, folder, BOARDS, color_scheme="light")) == LIGHT


def test_the_choice_of_colours_works_where_nothing_can_be_stored(browser: Browser, folder: Path) -> None:
    page = browser.new_context(color_scheme="light").new_page()
    page.on("pageerror", lambda error: FAULTS.append(str(error)))
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    )
    page.goto((folder / BOARDS).as_uri())
    page.locator("#theme").click()
    assert ground(page) == DARK


CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return Array.from(canvas.getImageData(0, 0, 1, 1).data);
    };
    const luminance = (colour) => colour.slice(0, 3).map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const text = rgba(element instanceof SVGElement ? style.fill : style.color);
        const pair = [luminance(text), luminance(behind(element))].sort((a, b) => b - a);
        found.push([(pair[0] + 0.05) / (pair[1] + 0.05), walker.currentNode.data.trim().slice(0, 40)]);
    }
    return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["index.html", "models.html", BOARDS, benchmark_path("pascal-5i")])
def test_every_text_has_the_contrast_of_wcag_aa(browser: Browser, folder: Path, scheme: str, path: str) -> None:
    found = opened(browser, folder, path, color_scheme=scheme).evaluate(CONTRAST)
    assert len(found) > 30
    assert found[0][0] >= 4.5, found[:3]


PATHS = ["index.html", "models.html", BOARDS, benchmark_path("pascal-5i"), benchmark_path("mosaic4-classes")]


@pytest.mark.parametrize("path", PATHS)
def test_no_page_is_wider_than_a_phone(browser: Browser, folder: Path, path: str) -> None:
    page = opened(browser, folder, path, viewport={"width": WIDTH, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == WIDTH
    for scroll in page.locator("section.of-board .scroll").all():
        assert scroll.bounding_box()["width"] <= WIDTH  # type: ignore[index]
        scroll.evaluate("element => element.scrollLeft = 400")
        scrolled = scroll.evaluate("element => element.scrollLeft")
        box, model = scroll.bounding_box(), scroll.locator("tbody th.model").first.bounding_box()
        assert box is not None
        assert model is not None
        assert not scrolled or model["x"] == pytest.approx(box["x"], abs=2)


def test_print_shows_all_rows_in_light_and_no_controls(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, BOARDS, color_scheme="dark")
    page.emulate_media(media="print")
    assert ground(page) == "rgb(255, 255, 255)"
    assert not page.locator("#controls").is_visible()
    assert not page.locator("#theme").is_visible()
    assert page.locator("table.board tbody th.model:visible").count() == 10
    assert page.evaluate(CONTRAST)[0][0] >= 4.5
    scroll = page.locator("section.of-board .scroll").first
    assert scroll.evaluate("element => getComputedStyle(element).overflowX") == "visible"
    assert len(page.pdf()) > 10_000


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with one board of many rows."""
    results = tmp_path_factory.mktemp("long") / "results"
    first = write(results, "model-0", 0.5)
    text = first.read_text(encoding="utf-8")
    for number in range(1, MANY):
        folder = first.parent.with_name(f"model-{number}")
        folder.mkdir()
        said = text.replace('"model-0"', f'"model-{number}"')
        said = said.replace('"total_parameters": null', f'"total_parameters": {number * 7 % MANY}')
        (folder / "record.json").write_text(said, encoding="utf-8")
        for name in ("counts.parquet", "bootstrap.parquet"):
            (folder / name).hardlink_to(first.parent / name)
    return build(results)


def test_a_long_board_is_laid_out_in_columns_and_sorts(browser: Browser, long: Path) -> None:
    page = opened(browser, long, BOARDS)
    table = page.locator("table.board.long")
    rows = table.locator("tbody tr[data-prompts]")
    assert rows.count() == MANY
    for row in (rows.nth(0), rows.nth(3)):
        heads = table.locator("thead th").evaluate_all(
            "all => all.map(c => Math.round(c.getBoundingClientRect().left))"
        )
        cells = row.locator("th, td").evaluate_all("all => all.map(c => Math.round(c.getBoundingClientRect().left))")
        assert cells == heads
    page.evaluate("""() => {
        const table = document.querySelector("table.board.long");
        [...table.querySelectorAll("th button")].find((b) => b.textContent.startsWith("Total")).click();
    }""")
    values = table.locator("tbody").evaluate(
        "body => [...body.rows].map(row => row.querySelectorAll('td.g-cost')[1].dataset.value)"
    )
    assert [int(value) for value in values if value] == list(range(MANY))[1:]
    assert values[-1] == ""


def test_a_long_board_prints_every_row(browser: Browser, long: Path) -> None:
    page = opened(browser, long, BOARDS)
    page.emulate_media(media="print")
    last = page.locator("table.board.long tbody tr").last
    assert last.evaluate("row => getComputedStyle(row).contentVisibility") == "visible"


def test_nothing_that_a_stranger_wrote_runs(browser: Browser, tmp_path: Path) -> None:
    ugly_records(tmp_path / "results")
    folder = build(tmp_path / "results")
    page = browser.new_context().new_page()
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append("dialog"), dialog.dismiss()))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(folder.as_uri()) else said.append(request.url))
    for path in ["index.html", "models.html", *(p.relative_to(folder).as_posix() for p in folder.glob("benchmark/*"))]:
        page.goto((folder / path).as_uri())
        for button in page.locator("table.board thead button").all()[:40]:
            button.click()
        for field in ("model", "training"):
            if page.locator(f'[name="{field}"]').count():
                page.locator(f'[name="{field}"]').fill("<script>window.pwned=1</script>")
        assert page.evaluate("window.pwned") is None
        assert "pwned" not in page.title()
        scripts = page.evaluate("[...document.scripts].map(script => script.getAttribute('src'))")
        assert all(re.fullmatch(r"(\.\./)?static/[a-z]+\.js", script or "") for script in scripts)
        links = page.evaluate("[...document.links].map(link => link.protocol)")
        assert set(links) <= {"file:", "https:", "http:"}
        assert (
            page.evaluate("document.querySelectorAll('[onload], [onerror], [onmouseover], [style], iframe').length")
            == 0
        )
        assert page.evaluate("document.documentElement.scrollWidth") == 1280
    assert said == []
