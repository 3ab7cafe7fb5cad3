"""The badge: exactly, honest about what it shows, harmless, and as wide in a browser as it says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fsbench.cli.main import main
from fsbench.errors import FsbenchError
from leaderboard.boards import Board, Row, make_boards
from leaderboard.render.badge import MAIN, MARKED, badge, text_width
from leaderboard.results import read_results
from tests.leaderboard.export_run import write_results
from tests.leaderboard.hostile import TEXTS, ugly_records
from tests.leaderboard.sample_records import part, write

GOLDEN = Path(__file__).parent / "goldens" / "badge.svg"
CHROMIUM = shutil.which("chromium")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("badge"))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main(["leaderboard", "badge", *map(str, arguments)])
    assert isinstance(left.value.code, int)
    return left.value.code


def only(folder: Path) -> tuple[Board, Row]:
    (board,) = make_boards(read_results(folder).entries)
    return board, board.rows[0]


def parts(svg: str) -> tuple[str, str, str]:
    """Left text, right text, title."""
    root = ElementTree.fromstring(svg)
    left, right = (element.text or "" for element in root.iter(f"{SVG}text"))
    return left, right, root.findtext(f"{SVG}title") or ""


def test_the_badge_is_the_golden(results: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(results, "-b", "made-up", "-m", "good", "--out", tmp_path / "badge.svg") == 0
    assert (tmp_path / "badge.svg").read_bytes() == GOLDEN.read_bytes()
    assert run(results, "-b", "made-up", "-m", "good", "-k", "0", "--protocol", "fsbench-v1") == 0
    assert capfdbinary.readouterr().out == GOLDEN.read_bytes()


def test_what_a_plain_badge_says(results: Path) -> None:
    board = make_boards(read_results(results).entries)[0]
    left, right, title = parts(badge(board, board.rows[0]))
    assert left == "made-up 0-shot"
    assert right == f"{100 * (board.rows[0].miou.score or 0):.1f} mIoU"
    assert "95 % interval 68.7 to 75.2 over query images, given supports, weights and classes" in title
    assert title.startswith("good 1-00000000 on made-up · fsbench-v1 · 0-shot · seed 0: mIoU 72.0 %")


MARKS: list[tuple[Any, str, str]] = [
    (part, "[partial 7/9]", ""),
    (lambda said: said.update(modified=["draw-from=present"]), "fsbench-v1(modified)", ""),
    (lambda said: said["model"].update(contaminated=True), "", "contaminated"),
    (lambda said: said["model"].update(example=True), "", "offline example"),
    (lambda said: said["benchmark"].update(name="pascal-5i"), "(lists are not the published ones)", ""),
    (lambda said: said.update(protocol="fsbench-v1-50"), "fsbench-v1-50", ""),
]


@pytest.mark.parametrize(("change", "left", "right"), MARKS)
def test_what_must_be_said_is_in_the_text(change: Any, left: str, right: str, tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, change)
    svg = badge(*only(tmp_path))
    said = parts(svg)
    assert left in said[0]
    assert right in said[1]
    clean = "fsbench-v1-50" in left
    assert (MAIN in svg, MARKED in svg) == (clean, not clean)
    assert "mIoU" in said[1]


def test_a_protocol_of_a_paper_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, protocol="hsnet")
    assert parts(badge(*only(tmp_path)))[0] == "made-up hsnet 0-shot"


def test_runs_are_said_with_their_deviation(tmp_path: Path) -> None:
    for run_number in range(5):
        change = {"run": run_number}
        write(
            tmp_path, "a", 0.3 + 0.05 * run_number, lambda said, c=change: said.update(c),
            place=str(run_number), protocol="panet",
        )  # type: ignore[misc]  # fmt: skip
    left, _, title = parts(badge(*only(tmp_path)))
    assert left == "made-up panet (rule only) 0-shot"
    assert "over 5 runs" in title
    assert "interval" not in title


def test_no_mean_is_no_badge(tmp_path: Path) -> None:
    write(tmp_path, "half", 0.5, run=["1"])
    with pytest.raises(FsbenchError, match=r"half on made-up .* has no mIoU \(no fold 0\): run all folds"):
        badge(*only(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "4 models match, expected one: choose of good, fair, told, part"),
        (["-m", "best"], "has no model 'best' there: it has good, fair, told, part"),
        (["-m", "good", "-k", "1"], "has no board of made-up with -k 1"),
    ],
)
def test_one_board_and_one_model_must_match(
    arguments: list[str], said: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(results, "-b", "made-up", *arguments) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_the_boards_are_named_where_several_match(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a", 0.5)
    write(tmp_path, "a", 0.5, lambda said: said.update(shots=1), place="one")
    assert run(tmp_path, "-b", "made-up") == 2
    said = capsys.readouterr().err
    assert "2 boards match" in said
    assert "made-up · fsbench-v1 · 0-shot · seed 0, made-up · fsbench-v1 · 1-shot · seed 0" in said
    assert run(tmp_path, "-b", "made-up", "-k", "1") == 0


def test_models_of_one_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        write(tmp_path, "a", 0.3 * number, lambda s, n=number: s["model"].update(config8=f"{n:08}"), place=str(number))  # type: ignore[misc]
    assert run(tmp_path, "-b", "made-up", "-m", "a") == 2
    assert "a/1-00000002, a/1-00000001" in capsys.readouterr().err
    assert run(tmp_path, "-b", "made-up", "-m", "a/1-00000002") == 0
    assert "a 1-00000002 on made-up" in capsys.readouterr().out


def test_nothing_of_a_stranger_is_markup(tmp_path: Path) -> None:
    ugly_records(tmp_path)
    seen = 0
    for board in make_boards(read_results(tmp_path).entries):
        for row in board.rows:
            root = ElementTree.fromstring(badge(board, row))
            names = [element.tag.removeprefix(SVG) for element in root.iter()]
            assert names == ["svg", "title", "clipPath", "rect", "g", "rect", "rect", "g", "text", "text"]
            assert not any(name.startswith("on") or name.endswith("href") for e in root.iter() for name in e.attrib)
            assert all((element.text or "").strip().isprintable() for element in root.iter())
            assert int(root.attrib["width"]) < 1500
            seen += 1
    assert seen >= len(TEXTS)


def test_the_golden_needs_nothing_else() -> None:
    text = GOLDEN.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not any(word in text for word in ("http", "script", "style", "@import", "href", "<image"))
    assert 'role="img"' in text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: the badge is not looked at in one")
def test_text_lies_within_its_half_in_chromium(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    write(tmp_path, "a", 0.5, part)
    (tmp_path / "badge.html").write_text(badge(*only(tmp_path)), encoding="utf-8")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto((tmp_path / "badge.html").as_uri())
        boxes = page.evaluate(
            "[...document.querySelectorAll('text, g rect')].map(e => e.getBBox()).map(b => [b.x, b.x + b.width])"
        )
        natural = page.evaluate(
            "[...document.querySelectorAll('text')].map(e => {e.removeAttribute('textLength');"
            "e.style.fontFamily = 'DejaVu Sans'; return [e.textContent, e.getComputedTextLength()]})"
        )
        browser.close()
    left, right, name, score = boxes
    assert left[0] < name[0] < name[1] < left[1] == right[0] < score[0] < score[1] < right[1]
    for text, width in natural:
        assert text_width(text) == pytest.approx(width, rel=0.25)  # DejaVu Sans itself where it is installed
