"""The site as files: what is shown of whom, that nothing is mixed, and that a folder is written whole or not at all."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fsbench.errors import FsbenchError
from leaderboard.boards import Board, Score, make_boards
from leaderboard.cli import app
from leaderboard.published import published_for
from leaderboard.results import read_results
from leaderboard.site import build as build_module
from leaderboard.site.build import MARKER, build_site, check_target
from leaderboard.site.cells import axis_of
from leaderboard.site.pages import Site, benchmark_path
from leaderboard.tables import board_table
from tests.leaderboard.built_site import write_results
from tests.leaderboard.pages_read import VOID, Element, read_page
from tests.leaderboard.sample_records import write


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("site") / "results")


@pytest.fixture(scope="module")
def site(results: Path) -> Site:
    read = read_results(results)
    assert not read.refused
    return Site(read, make_boards(read.entries), with_published=True)


@pytest.fixture(scope="module")
def built(site: Site, results: Path) -> Path:
    build_site(site, results.parent / "site")
    return results.parent / "site"


def page(built: Path, benchmark: str) -> Element:
    return read_page((built / benchmark_path(benchmark)).read_text(encoding="utf-8"))


def tables(built: Path, benchmark: str) -> dict[str, Element]:
    """Section id -> the table of its board."""
    return {
        str(section.attributes["id"]): section.find("table")[0]
        for section in page(built, benchmark).find("section", "of-board")
    }


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def every_board(site: Site) -> Iterator[tuple[str, Board]]:
    for name, boards in site.benchmarks.items():
        for board in boards:
            yield name, board


def test_each_board_is_a_table_of_its_own_with_exactly_its_rows(site: Site, built: Path) -> None:
    for name, board in every_board(site):
        rows = [row for row in tables(built, name)[f"b-{board.key}"].find("tr") if row.find("td")]
        shown = [(row.find("a")[0].text, row.find("td", "score")[0].parts[0]) for row in rows]
        expected = [
            (row.record.model.name, "–" if row.miou.score is None else f"{100 * row.miou.score:.1f}")
            for row in board.rows
        ]
        assert shown == expected


def test_every_row_has_a_cell_for_every_head(built: Path) -> None:
    for path in [built / "index.html", built / "models.html", *(built / "benchmark").iterdir()]:
        for table in read_page(path.read_text(encoding="utf-8")).find("table"):
            heads, *rows = table.find("tr")
            for row in rows:
                spans = [int(cell.attributes.get("colspan") or 1) for cell in row.find("th") + row.find("td")]
                assert sum(spans) == len(heads.find("th")), row.words


def test_scores_and_intervals_are_those_of_the_data_frame(site: Site, built: Path) -> None:
    for name, board in every_board(site):
        frame = board_table(board)
        table = tables(built, name)[f"b-{board.key}"]
        heads = [head.words for head in table.find("thead")[0].find("th")]
        column = heads.index("Fold 1")
        rows = [row for row in table.find("tr") if row.find("td")]
        for row, (_, said) in zip(rows, frame.iterrows(), strict=True):
            cell = sorted_cells(row)[column]
            if said["fold1"] == said["fold1"]:
                assert cell.parts[0] == f"{100 * said['fold1']:.1f}"
                assert cell.find("small")[0].text == f"{100 * said['fold1_low']:.1f}–{100 * said['fold1_high']:.1f}"
                assert float(str(cell.attributes["data-value"])) == pytest.approx(said["fold1"], abs=1e-8)
            else:
                assert (cell.text, cell.attributes["data-value"]) == ("–", "")


def sorted_cells(row: Element) -> list[Element]:
    """The cells of a row as they stand."""
    return [cell for cell in row.inside if cell.name in ("td", "th")]


def test_rows_without_a_rank_stand_beneath_with_the_reason(site: Site, built: Path) -> None:
    board = next(board for board in site.benchmarks["made-up"] if not board.off and board.shots == 0)
    table = tables(built, "made-up")[f"b-{board.key}"]
    ranked, unranked = table.find("tbody")
    assert [row.find("a")[0].text for row in ranked.find("tr")] == ["alpha-2", "alpha-10", "beta", "gamma"]
    marks = {
        row.find("a")[0].text: [tag.text for tag in row.find("span", "warn")]
        for row in unranked.find("tr")
        if row.find("td")
    }
    assert marks == {"told": ["contaminated"], "toy-example": ["offline example"], "half": ["no fold 1"]}
    assert [row.find("td", "rank")[0].text for row in unranked.find("tr") if row.find("td")] == ["–"] * 3


def test_the_best_and_those_not_separable_from_it_are_marked_in_words(site: Site, built: Path) -> None:
    board = next(board for board in site.benchmarks["made-up"] if not board.off and board.shots == 0)
    assert [row.from_best for row in board.ranked] == [False, False, True, True]
    rows = tables(built, "made-up")[f"b-{board.key}"].find("tbody")[0].find("tr")
    assert [" ".join(tag.text for tag in row.find("span", "best")) for row in rows] == [
        "★ best",
        "≈ not separable",
        "",
        "",
    ]
    assert [row.find("td", "rank")[0].find("small")[0].text for row in rows] == ["1–2", "1–2", "3", "4"]
    section = next(s for s in page(built, "made-up").find("section") if s.attributes["id"] == f"b-{board.key}")
    assert "not separable from the best at 95 %, uncorrected" in section.words


def test_boards_of_a_part_stand_apart_and_say_why(site: Site, built: Path) -> None:
    text = (built / benchmark_path("made-up")).read_text(encoding="utf-8")
    off = next(board for board in site.benchmarks["made-up"] if board.off)
    apart = text.index('id="apart"')
    for board in site.benchmarks["made-up"]:
        assert (text.index(f'id="b-{board.key}"') > apart) == bool(board.off)
    section = next(s for s in page(built, "made-up").find("section") if s.attributes["id"] == f"b-{off.key}")
    assert section.find("span", "warn")[0].text == "partial 7/9"
    assert "[partial 7/9]" in section.find("h3")[0].text
    assert "7 of 9 samples were at hand" in section.words


def test_published_rows_have_tables_of_their_own_by_protocol_and_shots(built: Path, site: Site) -> None:
    found = tables(built, "pascal-5i")
    printed = {key: table for key, table in found.items() if key.startswith("p-")}
    rows = [row for table in printed.values() for row in table.find("tr") if row.find("td")]
    assert len(rows) == len(published_for("pascal-5i"))
    assert len(printed) == len({(row.protocol, row.shots) for row in published_for("pascal-5i")})
    assert all(not table.find("td", "rank") for table in printed.values())
    names = {row.model for row in published_for("pascal-5i")}
    measured = [table for key, table in found.items() if key.startswith("b-")]
    assert measured
    assert not names & {a.text for table in measured for a in table.find("a")}


def test_without_with_published_nothing_is_published(site: Site, tmp_path: Path) -> None:
    build_site(Site(site.results, site.boards), tmp_path / "site")
    assert b"Published numbers" not in b"".join(files(tmp_path / "site").values())


def test_scenes_show_every_score_and_alarms_of_mask_prompts_in_brackets(site: Site, built: Path) -> None:
    board = site.benchmarks["mosaic4-classes"][0]
    table = tables(built, "mosaic4-classes")[f"b-{board.key}"]
    heads = [head.words for head in table.find("thead")[0].find("th")]
    alarms = ["Alarm > 0 %", "Alarm > 0.1 %", "Alarm > 1 %", "Alarm > 5 %"]
    scores = ["Named", "Hit", "Wrong object", "Miss", "Leak", *alarms]
    first = heads.index("Named")
    assert heads[first : first + 9] == scores
    rows = {row.find("a")[0].text: sorted_cells(row) for row in table.find("tr") if row.find("td")}
    for name, cells in rows.items():
        for place, head in enumerate(scores):
            said = f"{100 * (place + 1) / 16:.1f}"
            bracketed = head in alarms and name == "scene-mask"
            assert cells[first + place].parts[0] == (f"({said})" if bracketed else said)
            assert cells[first + place].find("small")
    section = next(s for s in page(built, "mosaic4-classes").find("section") if s.attributes["id"] == f"b-{board.key}")
    assert "chance with four tiles" in section.words
    assert "must find something" in section.words


def test_a_board_says_its_exact_questions_and_offers_its_csv(site: Site, built: Path) -> None:
    for name, board in every_board(site):
        section = next(s for s in page(built, name).find("section") if s.attributes["id"] == f"b-{board.key}")
        record = board.rows[0].record
        said = section.find("dl", "facts")[0].words
        assert record.benchmark.lists_sha256[:16] in said
        assert all(digest[:12] in said for digest in record.manifests_sha256.values())
        link = next(a for a in section.find("a") if "download" in a.attributes)
        file = built / "benchmark" / str(link.attributes["href"])
        rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
        assert [row["model"] for row in rows] == [row.record.model.name for row in board.rows]
        assert [row["miou"] for row in rows] == [
            "" if row.miou.score is None else repr(row.miou.score) for row in board.rows
        ]


def test_links_of_all_pages_lead_somewhere(built: Path) -> None:
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r'(?:href|src)="([^"]*)"', text):
            if target.startswith(("https://", "http://")):
                continue
            file, _, anchor = target.partition("#")
            other = (path.parent / file).resolve() if file else path
            assert other.is_file(), (path, target)
            if anchor and "=" not in anchor:
                assert f'id="{anchor}"' in other.read_text(encoding="utf-8"), (path, target)


class Outline(HTMLParser):
    """Headings, ids, captions, scripts and inline styles of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.scripts: list[str | None] = []
        self.bad: list[str] = []
        self.policy = ""
        self.lang: str | None = None
        self.tables = self.captions = 0
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.ids += [said["id"] or ""] if "id" in said else []
        self.scripts += [said.get("src")] if tag == "script" else []
        self.bad += [f"{tag} {name}" for name in said if name == "style" or name.startswith("on")]
        self.bad += [tag] if tag in ("style", "iframe", "object", "base") else []
        self.policy += said.get("content") or "" if "http-equiv" in said else ""
        self.lang = said.get("lang") if tag == "html" else self.lang
        self.tables += tag == "table"
        self.captions += tag == "caption"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_page_is_well_formed_and_strict(built: Path) -> None:
    for path in built.rglob("*.html"):
        outline = Outline()
        outline.feed(path.read_text(encoding="utf-8"))
        assert outline.lang == "en"
        assert outline.open == []
        assert outline.bad == [], path
        assert all(script and not script.startswith(("http:", "https:", "//")) for script in outline.scripts)
        assert outline.policy.startswith("default-src 'none'")
        assert "unsafe" not in outline.policy
        assert len(outline.ids) == len(set(outline.ids)), path
        assert outline.headings[0] == 1
        assert outline.headings.count(1) == 1
        assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
        if path.parent.name == "benchmark":
            assert outline.tables == outline.captions > 0


def test_two_builds_are_equal_byte_for_byte(site: Site, built: Path, tmp_path: Path) -> None:
    again = read_results(site.results.folder)
    build_site(Site(again, make_boards(again.entries), with_published=True), tmp_path / "again")
    assert files(tmp_path / "again") == files(built)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, contrast ratio."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_have_the_contrast_of_wcag_aa_in_both_schemes(built: Path) -> None:
    sheet = (built / "static" / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", sheet))
    pairs = {name: value.split(", ") for name, value in colours.items()}
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    for scheme in (0, 1):
        of = {name: value[scheme] for name, value in pairs.items()}
        for ground in ("ground", "paper", "hover"):
            for text in ("ink", "soft", "accent", "warn", "bad", "second"):
                assert contrast(of[text], of[ground]) >= 4.5, (scheme, text, ground)
            assert contrast(of["edge"], of[ground]) >= 3, (scheme, ground)
        assert contrast(of["warn"], of["warn-ground"]) >= 4.5
        assert contrast(of["accent"], of["accent-ground"]) >= 4.5


def test_an_axis_holds_every_interval_on_round_ticks() -> None:
    axis = axis_of([Score(0.412, (0.3971, 0.43)), Score(0.2, None), Score(None)])
    assert axis is not None
    assert (axis.low, axis.high, axis.ticks) == (20, 50, ("20", "30", "40", "50"))
    drawn = axis.draw(Score(0.35, (0.2, 0.5)))
    assert drawn is not None
    assert drawn.low is not None
    assert drawn.high is not None
    assert float(drawn.point) == pytest.approx((float(drawn.low) + float(drawn.high)) / 2)
    assert drawn.said == "35.0, 95 % interval 20.0 to 50.0"
    narrow = axis_of([Score(0.134)])
    assert narrow is not None
    assert float(narrow.ticks[0]) <= 13.4 <= float(narrow.ticks[-1])
    assert axis_of([Score(None)]) is None
    zero = axis_of([Score(0.0, (0.0, 0.0))])
    assert zero is not None
    assert zero.low <= 0 < zero.high


# The folder


def test_a_folder_with_other_things_is_refused_and_left_alone(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "home"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    found = CliRunner().invoke(app, ["build", str(results), "--out", str(out)])
    assert isinstance(found.exception, FsbenchError)
    assert (
        str(found.exception) == f"{out}: holds letter.txt, which no build wrote: choose another --out, or move it away"
    )
    assert files(out) == {"letter.txt": b"dear"}


def test_a_site_is_replaced_but_not_with_what_somebody_put_into_it(site: Site, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build_site(site, out)
    (out / "index.html").write_text("old")
    build_site(site, out)
    assert (out / "index.html").read_text() != "old"
    (out / "CNAME").write_text("example.org")
    with pytest.raises(FsbenchError, match="holds CNAME, which no build wrote"):
        check_target(out, results)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


def test_records_inside_the_target_are_refused(results: Path) -> None:
    with pytest.raises(FsbenchError, match="holds the records"):
        check_target(results.parent, results)


def test_a_build_that_fails_leaves_the_old_site(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "site"
    build_site(site, out)
    before = files(out)

    def fail(*_: object) -> Iterator[tuple[str, bytes]]:
        yield "csv/a.csv", b"a"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "_assets", fail)
    with pytest.raises(FsbenchError, match=r"cannot be written \(No space left on device\)"):
        build_site(site, out)
    assert files(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


def test_a_site_that_was_moved_away_by_a_killed_build_comes_back(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build_site(site, out)
    before = files(out)
    out.rename(tmp_path / ".site.old")
    half = tmp_path / ".site.new"
    half.mkdir()
    (half / MARKER).write_text("fsbench-site/1\n")
    (half / "index.html").write_text("half")
    build_site(site, out)
    assert files(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


def test_what_lies_in_the_way_and_is_not_ours_is_not_removed(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".site.new").mkdir()
    (tmp_path / ".site.new" / "letter.txt").write_text("dear")
    with pytest.raises(FsbenchError, match="in the way"):
        build_site(site, tmp_path / "site")
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


def test_a_killed_build_leaves_the_old_site_whole(site: Site, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build_site(site, out)
    before = files(out)
    command = [sys.executable, "-c", SLOW, str(results), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert files(out) == before
    build_site(site, out)
    assert files(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


# The command


def test_the_command_builds_around_a_refused_record(tmp_path: Path) -> None:
    write(tmp_path / "results", "good", 0.5)
    bad = write(tmp_path / "results", "bad", 0.5)
    bad.write_text("{")
    found = CliRunner().invoke(app, ["build", str(tmp_path / "results"), "--out", str(tmp_path / "site")])
    assert found.exit_code == 0, found.output
    assert found.stderr.splitlines()[0].startswith("refused: ")
    assert "bad/record.json" in found.stderr
    assert found.stdout.splitlines()[-1].startswith(f"{tmp_path / 'site'}: 5 pages of 1 records on 1 boards")
    assert "1 record could not be read and is not shown" in (tmp_path / "site" / "index.html").read_text()


@pytest.mark.parametrize("what", ["nothing", "no folder", "only bad ones"])
def test_nothing_to_show_is_told_in_one_line(what: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    if what != "no folder":
        results.mkdir()
    if what == "only bad ones":
        write(results, "bad", 0.5).write_text("{")
    found = CliRunner().invoke(app, ["build", str(results), "--out", str(tmp_path / "site")])
    assert isinstance(found.exception, FsbenchError)
    assert found.exception.exit_code == 2
    assert "\n" not in str(found.exception)
    assert not (tmp_path / "site").exists()
