"""The site in real Chromium, from the disk: sorting, filters, dark mode, print, a phone, the keyboard, no JavaScript.

Every text has the contrast of WCAG AA as painted, and no untrusted text runs or reaches for the network.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.render.badge import badge, text_width
from leaderboard.site import board_page
from leaderboard.site.pages import benchmark_path
from tests.leaderboard.built_site import BuiltSite, build
from tests.leaderboard.conftest import Open
from tests.leaderboard.sample_records import write

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Locator, Page, expect

WIDTH = 375
"""Of a phone, in pixels."""
MANY = 40
BOARDS = benchmark_path("made-up")
OTHER_PATHS = ["index.html", "models.html", "compare.html"]
PATHS = [*OTHER_PATHS, BOARDS, benchmark_path("pascal-5i"), benchmark_path("mosaic4-classes")]

Show = Callable[..., Page]


@pytest.fixture
def show(open_page: Open, all_boards: BuiltSite) -> Show:
    """Opens a page of ``all_boards`` by its path."""
    return lambda path=BOARDS, **context: open_page(all_boards.address(path), **context)


def board(page: Page, shots: int = 0) -> Locator:
    return page.locator(f'section.of-board[data-shots="{shots}"] table.board').first


def names(table: Locator, body: str = "ranked") -> list[str]:
    return table.locator(f"tbody.{body} th.model a").all_inner_texts()


def head(table: Locator, text: str) -> Locator:
    return table.locator("thead th", has_text=re.compile(f"^{text}")).first


def sort(table: Locator, text: str) -> str | None:
    """Click a column's head; the order it then has."""
    head(table, text).locator("button").click()
    return head(table, text).get_attribute("aria-sort")


def test_a_click_sorts_numbers_as_numbers_and_missing_ones_last(show: Show) -> None:
    page = show()
    table = board(page)
    assert sort(table, "Total") == "ascending"
    assert names(table) == ["beta", "alpha-2", "alpha-10", "gamma"]
    assert sort(table, "Total") == "descending"
    assert names(table) == ["alpha-10", "alpha-2", "beta", "gamma"]
    assert sort(table, "Model") == "ascending"
    assert head(table, "Total").get_attribute("aria-sort") is None
    assert names(table) == ["alpha-2", "alpha-10", "beta", "gamma"]
    sort(table, "Model")
    assert names(table) == ["gamma", "beta", "alpha-10", "alpha-2"]
    sort(table, "Shots")  # equal ones keep the order of ranks
    assert names(table) == ["alpha-2", "alpha-10", "beta", "gamma"]
    assert sort(table, "mIoU") == "descending"
    assert names(table, "unranked") == ["told", "toy-example", "half"]
    sort(table, "mIoU")
    assert names(table, "unranked") == ["toy-example", "told", "half"]
    assert table.locator("tbody").evaluate_all("all => all.map(b => b.className)") == ["ranked", "unranked"]
    assert table.locator("tbody.unranked tr").first.get_attribute("class") == "part"
    other = board(page, 1)
    assert names(other) == ["mask-a", "mask-b"]
    assert head(other, "mIoU").get_attribute("aria-sort") is None


FILTERS = {
    ("shots", "1"): ["mask-a", "mask-b"],
    ("prompts", "mask"): ["mask-a", "mask-b"],
    ("prompts", "text"): ["alpha-2", "alpha-10", "told"],
    ("training", "laion"): ["alpha-2"],
    ("model", "ALPHA"): ["alpha-2", "alpha-10"],
    ("protocol", "fsbench-v1"): None,
}


def test_each_filter(show: Show) -> None:
    page = show()

    def visible() -> list[str]:
        return page.locator("table.board th.model a:visible").all_inner_texts()

    everything = visible()
    for (name, value), expected in FILTERS.items():
        field = page.locator(f'[name="{name}"]')
        choose = field.select_option if name in ("shots", "prompts", "protocol") else field.fill
        choose(value)
        assert visible() == (expected or everything)
        expect(page.locator("output")).to_have_text(f"{len(visible())} of {len(everything)} measured rows shown")
        assert page.locator("nav.boards li:visible").count() == page.locator("section.of-board:visible").count()
        for heading in page.locator("tr.part:visible").all():
            assert heading.locator("xpath=following-sibling::tr").locator("visible=true").count() > 0
        choose("")
        assert visible() == everything


def test_filters_combine_and_cover_published_rows(show: Show) -> None:
    page = show(benchmark_path("pascal-5i"))
    published = page.locator("section[data-published]:visible")
    assert published.count() > 5
    page.select_option('[name="protocol"]', "hsnet")
    page.select_option('[name="shots"]', "5")
    expect(published).to_have_count(1)
    assert published.locator("h3").inner_text().startswith("5-shot, protocol hsnet")
    expect(page.locator("output")).to_have_text("0 of 1 measured rows shown")


def test_the_keyboard_reaches_everything_and_columns_hide_by_group(show: Show) -> None:
    page = show()
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
    fold = head(board(page), "Fold 0")
    page.get_by_label("Folds").uncheck()
    assert not fold.is_visible()
    assert board(page).locator("td.g-folds:visible").count() == 0
    assert head(board(page), "mIoU").is_visible()
    page.get_by_label("Folds").check()
    assert fold.is_visible()


def test_everything_is_there_without_javascript(show: Show) -> None:
    page = show(java_script_enabled=False)
    assert page.locator("table.board tbody th.model:visible").count() == 10
    cells = page.locator("table.board th, table.board td")
    assert cells.count() == page.locator("table.board th:visible, table.board td:visible").count()
    assert names(board(page)) == ["alpha-2", "alpha-10", "beta", "gamma"]
    assert page.locator("#controls:visible, #theme:visible, button:visible").count() == 0


LIGHT, DARK, WHITE = "rgb(248, 248, 246)", "rgb(20, 23, 26)", "rgb(255, 255, 255)"


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_colour_scheme_follows_the_system_until_the_reader_chooses(show: Show, all_boards: BuiltSite) -> None:
    page = show(color_scheme="dark")
    assert ground(page) == DARK
    page.locator("#theme").click()
    assert ground(page) == LIGHT
    page.goto(all_boards.address("index.html"))
    assert (ground(page), page.locator("#theme").inner_text()) == (LIGHT, "Dark")
    page.locator("#theme").click()
    assert ground(page) == DARK
    page = show("models.html", color_scheme="light")
    assert ground(page) == LIGHT
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    )
    page.reload()
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


@pytest.mark.parametrize("path", PATHS)
def test_every_text_has_the_contrast_of_wcag_aa_and_no_page_is_wider_than_a_phone(show: Show, path: str) -> None:
    page = show(path, color_scheme="light")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = page.evaluate(CONTRAST)
        assert len(found) > 30
        assert found[0][0] >= 4.5, (scheme, found[:3])
    page.set_viewport_size({"width": WIDTH, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == WIDTH
    for scroll in page.locator("section.of-board .scroll").all():
        scroll.evaluate("element => element.scrollLeft = 400")
        box, model = scroll.bounding_box(), scroll.locator("tbody th.model").first.bounding_box()
        assert box is not None
        assert model is not None
        assert box["width"] <= WIDTH
        if scroll.evaluate("element => element.scrollLeft"):
            assert model["x"] == pytest.approx(box["x"], abs=2)


def test_print_shows_all_rows_in_light_and_no_controls(show: Show) -> None:
    page = show(color_scheme="dark")
    page.emulate_media(media="print")
    assert ground(page) == WHITE
    assert page.locator("#controls:visible, #theme:visible").count() == 0
    assert page.locator("table.board tbody th.model:visible").count() == 10
    assert page.evaluate(CONTRAST)[0][0] >= 4.5
    scroll = page.locator("section.of-board .scroll").first
    assert scroll.evaluate("element => getComputedStyle(element).overflowX") == "visible"
    assert len(page.pdf()) > 10_000


def test_a_long_board_is_laid_out_in_columns_sorts_and_prints(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_page, "LONG", MANY - 1)
    first = write(tmp_path / "results", "model-0", 0.5)
    text = first.read_text(encoding="utf-8")
    for number in range(1, MANY):
        folder = first.parent.with_name(f"model-{number}")
        folder.mkdir()
        record = text.replace('"model-0"', f'"model-{number}"')
        record = record.replace('"total_parameters": null', f'"total_parameters": {number * 7 % MANY}')
        (folder / "record.json").write_text(record, encoding="utf-8")
        for name in ("counts.parquet", "bootstrap.parquet"):
            (folder / name).hardlink_to(first.parent / name)
    page = open_page(build(tmp_path / "results").address(BOARDS))
    table = page.locator("table.board.long")
    rows = table.locator("tbody tr[data-prompts]")
    assert rows.count() == MANY
    left = "all => all.map(cell => Math.round(cell.getBoundingClientRect().left))"
    heads = table.locator("thead th").evaluate_all(left)
    assert rows.nth(0).locator("th, td").evaluate_all(left) == heads
    assert rows.nth(3).locator("th, td").evaluate_all(left) == heads
    sort(table, "Total")
    values = table.locator("tbody").evaluate(
        "body => [...body.rows].map(row => row.querySelectorAll('td.g-cost')[1].dataset.value)"
    )
    assert [int(value) for value in values if value] == list(range(MANY))[1:]
    assert values[-1] == ""
    page.emulate_media(media="print")
    assert rows.last.evaluate("row => getComputedStyle(row).contentVisibility") == "visible"


def test_no_untrusted_text_runs(open_page: Open, ugly_site: BuiltSite) -> None:
    folder = ugly_site.folder
    models = [next(folder.glob(f"model/ugly-{name}-1-*")) for name in ("script", "image", "closing", "template")]
    page = open_page(ugly_site.address("index.html"))
    for path in [folder / "models.html", *folder.glob("benchmark/*"), *models]:
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('table.board thead button').forEach(button => button.click())")
        for field in page.locator('[name="model"], [name="training"]').all():
            field.fill("<script>window.pwned=1</script>")
        assert page.evaluate("window.pwned") is None
        assert "pwned" not in page.title()
        scripts = page.evaluate("[...document.scripts].map(script => script.getAttribute('src'))")
        assert all(re.fullmatch(r"(\.\./)?static/[a-z]+\.js", script or "") for script in scripts)
        links = page.evaluate("[...document.links].map(link => link.protocol)")
        assert set(links) <= {"file:", "https:", "http:"}
        bad = "main img, main script, iframe, [onload], [onerror], [onmouseover], [style]"
        assert page.locator(bad).count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_the_text_of_a_badge_lies_within_its_half(open_page: Open, all_boards: BuiltSite, tmp_path: Path) -> None:
    board = next(board for board in all_boards.site.boards if board.off)
    (tmp_path / "badge.html").write_text(badge(board, board.rows[0]), encoding="utf-8")
    page = open_page((tmp_path / "badge.html").as_uri())
    left, right, name, score = page.evaluate(
        "[...document.querySelectorAll('text, g rect')].map(e => e.getBBox()).map(b => [b.x, b.x + b.width])"
    )
    assert left[0] < name[0] < name[1] < left[1] == right[0] < score[0] < score[1] < right[1]
    natural = page.evaluate(
        "[...document.querySelectorAll('text')].map(e => {e.removeAttribute('textLength');"
        "e.style.fontFamily = 'DejaVu Sans'; return [e.textContent, e.getComputedTextLength()]})"
    )
    for text, width in natural:
        assert text_width(text) == pytest.approx(width, rel=0.25)  # DejaVu Sans itself where it is installed
