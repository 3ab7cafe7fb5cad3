"""The compare page in real Chromium, from the disk: its numbers are those that Python computes, for any two rows.

It also works without JavaScript, a link carries the choice, no untrusted text runs, and it fits a phone.
"""

from __future__ import annotations

import json
import random
from base64 import b64decode

import numpy as np
import pytest

from fsbench.scoring.intervals import paired_interval
from leaderboard.boards import Board, Row
from leaderboard.site import compare_page
from leaderboard.site.compare_page import IN_MATRIX, packed, points
from leaderboard.site.pages import compare_link, row_id
from tests.fsbench.results.saved_records import Episode, write_stored
from tests.leaderboard.built_site import BuiltSite, build
from tests.leaderboard.conftest import Open

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Page, expect

CLASSES = {"0": (0, 1, 2), "1": (3, 4, 5)}
MANY = 16
"""Models on the board; with 15 the page offers a filter."""


def answers(model: int, fold: str) -> list[Episode]:
    """Counts that are the same questions for every model; class 5 has so few images that replicates lose it."""
    drawn = random.Random(f"{model} {fold}")
    found = []
    for n in range(40):
        class_id = CLASSES[fold][n % 3]
        if class_id != 5 or n < 6:
            found.append((f"image{n}", class_id, drawn.randrange(13), 15, 12, 100))
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """Three boards: of many models, of two whose replicates often lose a class, and of one model alone."""
    results = tmp_path_factory.mktemp("compare") / "results"
    for model in range(MANY):
        asked = {fold: answers(model, fold) for fold in CLASSES}
        run = ["0"] if model == 3 else None
        write_stored(results / f"m{model}", asked, CLASSES, model=f"model-{model}", run=run)
    drawn = random.Random(0)
    for name in ("few-a", "few-b"):
        many = [(f"image{n}", n % 2, drawn.randrange(13), 15, 12, 100) for n in range(10, 40)]
        few = [(f"image{n}", class_id, drawn.randrange(13), 15, 12, 100) for n in (1, 2, 3) for class_id in (0, 1)]
        asked = {"0": [*many, *few], "1": [("image0", 2, drawn.randrange(13), 15, 12, 100)]}
        write_stored(results / name, asked, {"0": (0, 1), "1": (2,)}, model=name)
    write_stored(results / "alone", {"0": answers(1, "0"), "1": answers(2, "1")}, CLASSES, model="alone", seed=9)
    return build(results)


@pytest.fixture(scope="module")
def boards(built: BuiltSite) -> list[Board]:
    """The boards, the one with most rows first."""
    found = sorted(built.site.boards, key=lambda board: -len(board.rows))
    assert [len(board.rows) for board in found] == [MANY, 2, 1]
    return found


def interval_of(a: Row, b: Row) -> tuple[float, float]:
    assert a.replicates is not None
    assert b.replicates is not None
    found = paired_interval(a.replicates, b.replicates)
    assert found is not None
    return found


def test_packed_replicates_are_off_by_less_than_a_hundred_thousandth() -> None:
    draws = np.random.RandomState(0).beta(3, 5, 10_000)
    draws[::7] = np.nan
    code = packed(draws)
    codes = np.frombuffer(b64decode(code["codes"]), "<u2")
    found = np.where(codes == 65535, np.nan, code["low"] + codes.astype(float) * code["step"])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(draws))
    assert np.nanmax(abs(found - draws)) < 1e-5
    equal = packed(np.full(10, 0.25))
    assert (equal["low"], equal["step"]) == (0.25, 0)


def test_scripts_are_ascii_that_ends_no_script(ugly_site: BuiltSite) -> None:
    scripts = dict(compare_page.assets(ugly_site.site))
    boards = [board for board in ugly_site.site.boards if len(board.rows) > 1]
    assert len(scripts) == sum(1 + len(board.rows) for board in boards)
    for path, data in scripts.items():
        text = data.decode("ascii")
        assert not set("<>") & set(text)
        function, _, rest = text.partition("(")
        assert function == ("fsbenchRow" if path.count("/") == 2 else "fsbenchBoard")
        json.loads(rest.removesuffix(");\n"))
    of_rows = [len(data) for path, data in scripts.items() if path.count("/") == 2]
    assert sum(of_rows) / len(of_rows) < 40_000


def test_boards_of_one_row_are_not_offered(built: BuiltSite, boards: list[Board]) -> None:
    assert boards[-1].key not in (built.folder / "compare.html").read_text()
    assert not (built.folder / "data" / f"{boards[-1].key}.js").exists()


def compared(tab: Page, a: Row, b: Row) -> None:
    """The page compares ``a`` and ``b``: the difference and its interval are Python's."""
    head = tab.locator("table.sides thead a")
    expect(head.nth(0)).to_have_text(a.record.model.name)
    expect(head.nth(1)).to_have_text(b.record.model.name)
    expected, verdict = interval_of(a, b), tab.locator("#verdict")
    assert a.miou.score is not None
    assert b.miou.score is not None
    assert f"A − B = {points(a.miou.score - b.miou.score)} points of mIoU" in verdict.inner_text()
    for name, end in zip(("data-low", "data-high"), expected, strict=True):
        assert float(verdict.get_attribute(name) or "nan") == pytest.approx(100 * end, abs=0.01)
    assert ("not separable" in verdict.inner_text()) == (expected[0] <= 0 <= expected[1])


def compared_in_folds_and_classes(tab: Page, a: Row, b: Row) -> None:
    expected = {}
    for fold, of_a in a.record.folds.items():
        of_b = b.record.folds[fold]
        row = tab.locator("table.sides tbody tr", has_text=f"mIoU, fold {fold}")
        assert row.locator("td").nth(2).inner_text() == points((of_a.miou or 0) - (of_b.miou or 0))
        for key, c in of_a.classes.items():
            iou = of_b.classes[key].iou
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


def test_any_two_rows_are_compared_as_in_python(built: BuiltSite, boards: list[Board], open_page: Open) -> None:
    many, few, _ = boards
    tab = open_page(built.address("compare.html"))
    tab.select_option("#board", many.key)
    tab.locator("#a option").nth(MANY - 1).wait_for(state="attached")
    for a, b in [(many.ranked[0], many.ranked[1]), (many.ranked[-1], many.ranked[5])]:
        tab.select_option("#a", row_id(a))
        tab.select_option("#b", row_id(b))
        compared(tab, a, b)
        compared_in_folds_and_classes(tab, a, b)
    tab.fill("#filter", "MODEL-1")
    shown = many.ranked[-1].record.model.name
    names = [row.record.model.name for row in many.rows]
    assert tab.locator("#a option").count() == sum("model-1" in name or name == shown for name in names)
    lost = few.rows[0].replicates
    assert lost is not None
    assert 1000 < np.isnan(lost).sum() < 9000
    tab.select_option("#board", few.key)
    compared(tab, *few.rows)


def test_a_link_carries_the_choice(built: BuiltSite, boards: list[Board], open_page: Open) -> None:
    board = boards[0]
    a, b = board.ranked[6], board.ranked[3]
    tab = open_page(built.address(compare_link(board, a, b)))
    compared(tab, a, b)
    tab.click("#swap")
    compared(tab, b, a)
    head = tab.locator("table.sides thead a").nth(0)
    head.click()
    assert tab.locator("h1").inner_text() == b.record.model.name
    tab.locator(".links a", has_text="Compare").first.click()
    expect(head).to_have_text(b.record.model.name)
    part = next(row for row in board.rows if row.record.model.name == "model-3")
    tab.goto(built.address(compare_link(board, board.ranked[0], part)))
    expect(tab.locator(".verdict")).to_contain_text("No benchmark mean to compare")
    assert tab.locator("table.sides .tag").inner_text() == "no fold 1"
    assert tab.locator("ul.differences li").count() == 3
    tab.goto(built.address("compare.html#board=nothing&a=<script>&b=%00"))
    expect(tab.locator("#verdict")).to_be_visible()


def test_without_javascript_the_best_stand_in_a_matrix(built: BuiltSite, boards: list[Board], open_page: Open) -> None:
    tab = open_page(built.address("compare.html"), java_script_enabled=False)
    assert not tab.locator("#choice").is_visible()
    rows = boards[0].rows[:IN_MATRIX]
    matrix = tab.locator("details.matrix", has_text=f"{MANY} models")
    if matrix.get_attribute("open") is None:
        matrix.locator("summary").click()
    lines = matrix.locator("tbody tr").all()
    assert len(lines) == IN_MATRIX
    for place, line in enumerate(lines):
        cells = line.locator("td").all_inner_texts()
        for before, cell in zip(rows[:place], cells[1:], strict=False):
            low, high = interval_of(rows[place], before)
            difference = points((rows[place].miou.score or 0) - (before.miou.score or 0))
            mark = "" if low <= 0 <= high else "● "
            texts = [f"{mark}{difference}", f"{points(low)} to {points(high)}"]
            assert [part.strip() for part in cell.split("\n")] == texts
    first, second = (row.entries[0].place for row in rows[:2])
    assert f"fsbench compare {first}/record.json {second}/record.json" in matrix.locator("pre.command").inner_text()
    matrix.locator("a").first.click()
    assert tab.locator("h1").inner_text() == rows[0].record.model.name


def test_no_untrusted_text_runs(ugly_site: BuiltSite, open_page: Open) -> None:
    texts = {f"ugly-{name}" for name in ("script", "image", "closing", "template", "controls", "long")}
    boards = [b for b in ugly_site.site.boards if texts & {row.record.model.name for row in b.rows}]
    assert len(boards) == len(texts)
    tab = open_page(ugly_site.address("compare.html"))
    for board in boards:
        tab.goto(ugly_site.address(compare_link(board, *board.rows[:2])))
        expect(tab.locator("table.sides thead a").nth(0)).to_have_text(board.rows[0].record.model.name)
        expect(tab.locator("#verdict")).to_be_visible()
        assert tab.evaluate("window.pwned") is None
        assert "pwned" not in tab.title()
        assert tab.locator("main img, main script, iframe, a[href^='javascript' i]").count() == 0
        assert tab.evaluate("[...document.scripts].every(s => s.src.startsWith('file:') && s.text === '')")


def test_no_page_is_wider_than_a_phone(built: BuiltSite, boards: list[Board], open_page: Open) -> None:
    tab = open_page(built.address(compare_link(boards[0], *boards[0].rows[:2])), viewport={"width": 375, "height": 700})
    model = next((built.folder / "model").glob("model-7-*.html"))
    for address in (tab.url, model.as_uri()):
        tab.goto(address)
        tab.locator("details").evaluate_all("all => all.forEach(element => { element.open = true; })")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375
        assert tab.locator("svg rect").first.is_visible()
