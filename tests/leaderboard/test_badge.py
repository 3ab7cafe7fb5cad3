"""The badge: exactly, with all that qualifies its score, and harmless. See also ``test_site_browser``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from fsbench.errors import FsbenchError
from leaderboard.boards import Board, Row, make_boards
from leaderboard.cli import app
from leaderboard.render.badge import MAIN, MARKED, badge
from leaderboard.results import read_results
from tests.command import run
from tests.leaderboard.built_site import BuiltSite
from tests.leaderboard.sample_records import part, write

GOLDEN = Path(__file__).parent / "goldens" / "badge.svg"
SVG = "{http://www.w3.org/2000/svg}"


def only(folder: Path) -> tuple[Board, Row]:
    (board,) = make_boards(read_results(folder).entries)
    return board, board.rows[0]


def texts(svg: str) -> tuple[str, str, str]:
    """Left text, right text, title."""
    root = ElementTree.fromstring(svg)
    left, right = (element.text or "" for element in root.iter(f"{SVG}text"))
    return left, right, root.findtext(f"{SVG}title") or ""


def test_the_badge_is_the_golden_and_needs_nothing_else(exported: Path, tmp_path: Path) -> None:
    arguments = ("leaderboard", "badge", exported, "-b", "made-up", "-m", "good")
    assert run(*arguments, "--out", tmp_path / "badge.svg").code == 0
    assert (tmp_path / "badge.svg").read_bytes() == GOLDEN.read_bytes()
    done = run(*arguments, "-k", "0", "--protocol", "fsbench-v1")
    assert done.out.encode() == GOLDEN.read_bytes()
    text = done.out.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not any(word in text for word in ("http", "script", "style", "@import", "href", "<image"))
    assert 'role="img"' in text
    left, right, title = texts(done.out)
    assert (left, right) == ("made-up 0-shot", "72.0 mIoU")
    assert "95 % interval 68.7 to 75.2 over query images, given supports, weights and classes" in title
    assert title.startswith("good 1-00000000 on made-up · fsbench-v1 · 0-shot · seed 0: mIoU 72.0 %")


MARKS: list[tuple[Any, str, str]] = [
    (part, "[partial 7/9]", ""),
    (lambda record: record.update(modified=["draw-from=present"]), "fsbench-v1(modified)", ""),
    (lambda record: record["model"].update(contaminated=True), "", "contaminated"),
    (lambda record: record["model"].update(example=True), "", "offline example"),
    (lambda record: record["benchmark"].update(name="pascal-5i"), "(lists are not the published ones)", ""),
    (lambda record: record.update(protocol="fsbench-v1-50"), "fsbench-v1-50", ""),
    (lambda record: record.update(protocol="hsnet"), "made-up hsnet 0-shot", ""),
]


@pytest.mark.parametrize(("change", "left", "right"), MARKS)
def test_what_qualifies_a_score_is_in_the_text(change: Any, left: str, right: str, tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5, change)
    svg = badge(*only(tmp_path))
    assert left in texts(svg)[0]
    assert right in texts(svg)[1]
    clean = left in ("fsbench-v1-50", "made-up hsnet 0-shot")
    assert (MAIN in svg, MARKED in svg) == (clean, not clean)
    assert "mIoU" in texts(svg)[1]


def test_runs_have_a_deviation(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path, "a", 0.3 + 0.05 * number, partial(dict.update, run=number), place=str(number), protocol="panet")
    left, _, title = texts(badge(*only(tmp_path)))
    assert left == "made-up panet (rule only) 0-shot"
    assert "over 5 runs" in title
    assert "interval" not in title


def test_no_mean_is_no_badge(tmp_path: Path) -> None:
    write(tmp_path, "half", 0.5, run=["1"])
    with pytest.raises(FsbenchError, match=r"half on made-up .* has no mIoU \(no fold 0\): run all folds"):
        badge(*only(tmp_path))


def test_several_boards_and_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "a", 0.5)
    write(tmp_path, "a", 0.5, lambda record: record.update(shots=1), place="one")
    write(tmp_path, "b", 0.3, lambda record: record["model"].update(config8="00000001"))
    write(tmp_path, "b", 0.6, lambda record: record["model"].update(config8="00000002"), place="b2")
    for arguments, message in (
        (["-m", "a"], "made-up · fsbench-v1 · 0-shot · seed 0, made-up · fsbench-v1 · 1-shot · seed 0"),
        (["-m", "b"], "b/1-00000002, b/1-00000001"),
        ([], "3 models match, expected one: choose of b/1-00000002, a, b/1-00000001"),
    ):
        refused = CliRunner().invoke(app, ["badge", str(tmp_path), "-b", "made-up", *arguments])
        assert message in str(refused.exception)
        assert refused.stdout == ""
    for arguments, title in (
        (["-m", "a", "-k", "1"], "a 1-00000000 on made-up"),
        (["-m", "b/1-00000002"], "b 1-00000002 on made-up"),
    ):
        assert title in CliRunner().invoke(app, ["badge", str(tmp_path), "-b", "made-up", *arguments]).stdout


def test_untrusted_text_is_no_markup(ugly_site: BuiltSite) -> None:
    for board in ugly_site.site.boards:
        for row in board.rows:
            root = ElementTree.fromstring(badge(board, row))
            names = [element.tag.removeprefix(SVG) for element in root.iter()]
            assert names == ["svg", "title", "clipPath", "rect", "g", "rect", "rect", "g", "text", "text"]
            assert not any(name.startswith("on") or name.endswith("href") for e in root.iter() for name in e.attrib)
            assert all((element.text or "").strip().isprintable() for element in root.iter())
            assert int(root.attrib["width"]) < 1500
