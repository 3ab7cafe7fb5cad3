"""The site as files: what each page shows, that boards are never mixed, and that a folder is replaced atomically."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from fsbench.errors import FsbenchError
from leaderboard.boards import Board, Score
from leaderboard.published import published_for
from leaderboard.site import build as build_module
from leaderboard.site.build import MARKER, build_site, check_target
from leaderboard.site.cells import axis_of
from leaderboard.site.pages import Site, benchmark_path
from tests.command import refusal, run
from tests.leaderboard.built_site import BuiltSite, build, site_of
from tests.leaderboard.pages_read import Element, everything, read_page
from tests.leaderboard.sample_records import write


def page(built: BuiltSite, benchmark: str) -> Element:
    return read_page((built.folder / benchmark_path(benchmark)).read_text(encoding="utf-8"))


def section(built: BuiltSite, board: Board) -> Element:
    sections = page(built, board.benchmark.name).find("section", "of-board")
    return next(s for s in sections if s.attributes["id"] == f"b-{board.key}")


def rows_of(table: Element) -> list[Element]:
    return [row for row in table.find("tr") if row.find("td")]


def cells_of(row: Element) -> list[Element]:
    return [cell for cell in row.inside if cell.name in ("td", "th")]


def heads_of(table: Element) -> list[str]:
    return [head.words for head in table.find("thead")[0].find("th")]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def percent(score: float | None) -> str:
    return "–" if score is None else f"{100 * score:.1f}"


def test_each_board_is_a_table_of_its_own_with_its_rows_questions_and_csv(all_boards: BuiltSite) -> None:
    for board in all_boards.site.boards:
        found = section(all_boards, board)
        (table,) = found.find("table")
        column = heads_of(table).index("Fold 1")
        for element, row in zip(rows_of(table), board.rows, strict=True):
            assert element.find("a")[0].text == row.record.model.name
            assert element.find("td", "score")[0].parts[0] == percent(row.miou.score)
            cell, fold = cells_of(element)[column], row.folds["1"]
            assert cell.parts[0] == percent(fold.score)
            if fold.score is None:
                assert cell.attributes["data-value"] == ""
            else:
                assert fold.ci95 is not None
                assert cell.find("small")[0].text == "–".join(map(percent, fold.ci95))
                assert float(str(cell.attributes["data-value"])) == pytest.approx(fold.score, abs=1e-8)
        record, questions = board.rows[0].record, found.find("dl", "facts")[0].words
        assert record.benchmark.lists_sha256[:16] in questions
        assert all(digest[:12] in questions for digest in record.manifests_sha256.values())
        link = next(a for a in found.find("a") if "download" in a.attributes)
        file = all_boards.folder / "benchmark" / str(link.attributes["href"])
        printed = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
        assert [(row["model"], row["miou"]) for row in printed] == [
            (row.record.model.name, "" if row.miou.score is None else repr(row.miou.score)) for row in board.rows
        ]


def test_the_best_those_not_separable_and_those_without_a_rank(all_boards: BuiltSite) -> None:
    board = all_boards.board("made-up")
    assert [row.from_best for row in board.ranked] == [False, False, True, True]
    found = section(all_boards, board)
    ranked, unranked = found.find("tbody")
    assert [row.find("a")[0].text for row in ranked.find("tr")] == ["alpha-2", "alpha-10", "beta", "gamma"]
    tags = [" ".join(tag.text for tag in row.find("span", "best")) for row in ranked.find("tr")]
    assert tags == ["★ best", "≈ not separable", "", ""]
    ranges = [row.find("td", "rank")[0].find("small")[0].text for row in ranked.find("tr")]
    assert ranges == ["1–2", "1–2", "3", "4"]
    assert "not separable from the best at 95 %, uncorrected" in found.words
    rows = rows_of(unranked)
    marks = {row.find("a")[0].text: [tag.text for tag in row.find("span", "warn")] for row in rows}
    assert marks == {"told": ["contaminated"], "toy-example": ["offline example"], "half": ["no fold 1"]}
    assert [row.find("td", "rank")[0].text for row in rows] == ["–"] * 3


def test_boards_of_a_part_stand_apart_and_say_why(all_boards: BuiltSite) -> None:
    text = (all_boards.folder / benchmark_path("made-up")).read_text(encoding="utf-8")
    apart = text.index('id="apart"')
    for board in all_boards.site.benchmarks["made-up"]:
        assert (text.index(f'id="b-{board.key}"') > apart) == bool(board.off)
    found = section(all_boards, next(board for board in all_boards.site.benchmarks["made-up"] if board.off))
    assert found.find("span", "warn")[0].text == "partial 7/9"
    assert "[partial 7/9]" in found.find("h3")[0].text
    assert "7 of 9 samples were " in found.words


def test_published_rows_have_tables_of_their_own_by_protocol_and_shots(all_boards: BuiltSite, tmp_path: Path) -> None:
    published = published_for("pascal-5i")
    sections = page(all_boards, "pascal-5i").find("section", "of-board")
    tables = [s.find("table")[0] for s in sections if "data-published" in s.attributes]
    assert len(tables) == len({(row.protocol, row.shots) for row in published})
    assert sum(len(rows_of(table)) for table in tables) == len(published)
    assert all(not table.find("td", "rank") for table in tables)
    measured = [s for s in sections if "data-published" not in s.attributes]
    assert measured
    assert not {row.model for row in published} & {a.text for s in measured for a in s.find("table")[0].find("a")}
    build_site(Site(all_boards.site.results, all_boards.site.boards), tmp_path / "site")
    assert b"Published numbers" not in b"".join(files(tmp_path / "site").values())


def test_scenes_show_every_score_and_alarms_of_mask_prompts_in_brackets(all_boards: BuiltSite) -> None:
    found = section(all_boards, all_boards.site.benchmarks["mosaic4-classes"][0])
    (table,) = found.find("table")
    alarms = ["Alarm > 0 %", "Alarm > 0.1 %", "Alarm > 1 %", "Alarm > 5 %"]
    scores = ["Named", "Hit", "Wrong object", "Miss", "Leak", *alarms]
    first = heads_of(table).index("Named")
    assert heads_of(table)[first : first + 9] == scores
    for row in rows_of(table):
        for place, head in enumerate(scores):
            score = f"{100 * (place + 1) / 16:.1f}"
            bracketed = head in alarms and row.find("a")[0].text == "scene-mask"
            cell = cells_of(row)[first + place]
            assert cell.parts[0] == (f"({score})" if bracketed else score)
            assert cell.find("small")
    assert "chance with four tiles" in found.words
    assert "must find something" in found.words


def test_every_page_is_well_formed_and_strict_and_its_links_lead_somewhere(all_boards: BuiltSite) -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in all_boards.folder.rglob("*.html")}
    for path, text in pages.items():
        elements = everything(read_page(text))
        attributes = [element.attributes for element in elements]
        assert next(element.attributes["lang"] for element in elements if element.name == "html") == "en"
        assert not [name for of in attributes for name in of if name == "style" or name.startswith("on")], path
        assert not {element.name for element in elements} & {"style", "iframe", "object", "base"}
        scripts = [element.attributes.get("src") or "" for element in elements if element.name == "script"]
        assert all(re.fullmatch(r"(\.\./)?static/\w+\.js", script) for script in scripts)
        (policy,) = [of["content"] or "" for of in attributes if "http-equiv" in of]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        ids = [of["id"] for of in attributes if "id" in of]
        assert len(ids) == len(set(ids)), path
        levels = [int(element.name[1]) for element in elements if re.fullmatch("h[1-6]", element.name)]
        assert (levels[0], levels.count(1)) == (1, 1)
        assert all(after <= before + 1 for before, after in pairwise(levels))
        if path.parent.name == "benchmark":
            names = [element.name for element in elements]
            assert names.count("table") == names.count("caption") > 0
        if path.parent.name != "model" and path.name != "compare.html":
            for table in read_page(text).find("table"):
                heads, *rows = table.find("tr")
                for row in rows:
                    spans = [int(cell.attributes.get("colspan") or 1) for cell in row.find("th") + row.find("td")]
                    assert sum(spans) == len(heads.find("th")), row.words
        for target in re.findall(r'(?:href|src)="([^"]*)"', text):
            if not target.startswith(("https://", "http://")):
                file, _, anchor = target.partition("#")
                other = (path.parent / file).resolve() if file else path
                assert other.is_file(), (path, target)
                assert not anchor or "=" in anchor or f'id="{anchor}"' in pages[other], (path, target)


def test_two_builds_are_equal_byte_for_byte(all_boards: BuiltSite, tmp_path: Path) -> None:
    build_site(site_of(all_boards.site.results.folder, with_published=True), tmp_path / "again")
    assert files(tmp_path / "again") == files(all_boards.folder)


def test_an_axis_holds_every_interval_on_round_ticks() -> None:
    axis = axis_of([Score(0.412, (0.3971, 0.43)), Score(0.2, None), Score(None)])
    assert axis is not None
    assert axis.ticks == ("20", "30", "40", "50")
    drawn = axis.draw(Score(0.35, (0.2, 0.5)))
    assert drawn is not None
    assert drawn.low is not None
    assert drawn.high is not None
    assert float(drawn.point) == pytest.approx((float(drawn.low) + float(drawn.high)) / 2)
    assert drawn.label == "35.0, 95 % interval 20.0 to 50.0"
    narrow = axis_of([Score(0.134)])
    assert narrow is not None
    assert float(narrow.ticks[0]) <= 13.4 <= float(narrow.ticks[-1])
    assert axis_of([Score(None)]) is None
    zero = axis_of([Score(0.0, (0.0, 0.0))])
    assert zero is not None
    assert float(zero.ticks[0]) <= 0 < float(zero.ticks[-1])


# The folder


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """The site of one record."""
    results = tmp_path_factory.mktemp("one") / "results"
    write(results, "good", 0.5)
    return build(results)


@pytest.fixture
def old(one: BuiltSite, tmp_path: Path) -> Path:
    """A copy of it, to be replaced."""
    return Path(shutil.copytree(one.folder, tmp_path / "site"))


def test_a_folder_with_anything_else_is_refused_and_left_alone(one: BuiltSite, old: Path) -> None:
    (old / "index.html").write_text("old")
    build_site(one.site, old)
    assert files(old) == files(one.folder)
    (old / "CNAME").write_text("example.org")
    refused = refusal("leaderboard", "build", one.site.results.folder, "--out", old)
    assert f"{old}: holds CNAME, which no build wrote: choose another --out" in refused
    assert (old / "CNAME").read_text() == "example.org"
    (old / MARKER).rename(old / "other")
    with pytest.raises(FsbenchError, match="which no build wrote"):
        check_target(old, one.site.results.folder)
    assert sorted(path.name for path in old.parent.iterdir()) == ["site"]
    with pytest.raises(FsbenchError, match="holds the records"):
        check_target(one.folder.parent, one.site.results.folder)
    (old.parent / "file").touch()
    with pytest.raises(FsbenchError, match="choose another --out"):
        check_target(old.parent / "file", one.site.results.folder)


def test_a_build_that_fails_leaves_the_old_site(one: BuiltSite, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Iterator[tuple[str, bytes]]:
        yield "csv/a.csv", b"a"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "_assets", fail)
    with pytest.raises(FsbenchError, match=r"cannot be written \(No space left on device\)"):
        build_site(one.site, old)
    assert files(old) == files(one.folder)
    assert sorted(path.name for path in old.parent.iterdir()) == ["site"]


def test_a_site_that_a_killed_build_moved_away_comes_back(one: BuiltSite, old: Path) -> None:
    old.rename(old.with_name(".site.old"))
    half = old.with_name(".site.new")
    half.mkdir()
    (half / MARKER).write_text("fsbench-site/1\n")
    (half / "index.html").write_text("half")
    build_site(one.site, old)
    assert files(old) == files(one.folder)
    assert sorted(path.name for path in old.parent.iterdir()) == ["site"]


def test_what_no_build_wrote_is_not_cleared_away(one: BuiltSite, tmp_path: Path) -> None:
    (tmp_path / ".site.new").mkdir()
    (tmp_path / ".site.new" / "letter.txt").write_text("dear")
    with pytest.raises(FsbenchError, match="in the way"):
        build_site(one.site, tmp_path / "site")
    assert (tmp_path / ".site.new" / "letter.txt").read_text() == "dear"


SLOW = """
import sys, time
from pathlib import Path
from leaderboard.boards import make_boards
from leaderboard.results import read_results
from leaderboard.site import build
from leaderboard.site.pages import Site

put = build._put
def slow(folder, path, parts):
    if path.startswith("model/"):
        print("writing", flush=True)
        time.sleep(60)
    return put(folder, path, parts)
build._put = slow
read = read_results(Path(sys.argv[1]))
build.build_site(Site(read, make_boards(read.entries)), Path(sys.argv[2]))
"""


def test_a_killed_build_leaves_the_old_site(one: BuiltSite, old: Path) -> None:
    command = [sys.executable, "-c", SLOW, str(one.site.results.folder), str(old)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert files(old) == files(one.folder)
    build_site(one.site, old)
    assert files(old) == files(one.folder)
    assert sorted(path.name for path in old.parent.iterdir()) == ["site"]


# The command


def test_the_command_builds_around_a_refused_record(tmp_path: Path) -> None:
    write(tmp_path / "results", "good", 0.5)
    write(tmp_path / "results", "bad", 0.5).write_text("{")
    found = run("leaderboard", "build", tmp_path / "results", "--out", tmp_path / "site")
    assert found.code == 0, found.err
    assert found.err.splitlines()[0].startswith("refused: ")
    assert "bad/record.json" in found.err
    assert found.out.splitlines()[-1].startswith(f"{tmp_path / 'site'}: 5 pages of 1 records on 1 boards")
    assert "1 record could not be read and is not shown" in (tmp_path / "site" / "index.html").read_text()


def test_nothing_to_show_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "record.json").write_text("{")
    for results in ("nowhere", "empty", "bad"):
        found = run("leaderboard", "build", tmp_path / results, "--out", tmp_path / "site")
        assert (found.code, found.err.count("fsbench: "), found.err.splitlines()[-1][:9]) == (2, 1, "fsbench: ")
        assert not (tmp_path / "site").exists()
