"""Untrusted text in every format: shown, and nothing else. Each format is read by a real reader of it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer.testing import CliRunner

from leaderboard.boards import Board, make_boards
from leaderboard.cli import app
from leaderboard.published import PublishedRow, published_rows
from leaderboard.render.csv_text import cell, csv_text
from leaderboard.render.json_text import json_text
from leaderboard.render.latex import escape as latex_escape
from leaderboard.render.latex import latex
from leaderboard.render.markdown import escape as markdown_escape
from leaderboard.render.markdown import markdown
from leaderboard.render.model_index import model_index
from leaderboard.results import read_results
from leaderboard.text import visible
from tests.leaderboard.hostile import LINKS, TEXTS
from tests.leaderboard.sample_records import write

MORE = {
    "mention": "@someone #123 org/repo#4 :smile: http://evil.example www.evil.example me@evil.example ftp://x.example",
    "reference": "[a] [a][b] [a]: http://x.example\n<http://x.example> &lt;b&gt; &#60;b&#62; <!-- x --> $`x`$ ~~x~~",
    "specials": "\\ { } $ & # ^ _ ~ % < > | \" ' ` [x] *x* -- --- ,, << >> ?` !` \\\\[9cm] ^^41",
    "unicode": "é ü ñ ç ő ş ł ø ß æ İ ı – — … ‘’ “” µ × ± ² → † 模型 कि نص עברית 🙂 ﬁ ½ Ⅷ ａ Å",
    "bracket first": "[6cm] & x",
    "star first": "*",
    "formula": "＝1+1",
    "rows": "| a | b |\n|---|---|\n# h",
}
STRINGS = {**TEXTS, **MORE}
PDFLATEX = shutil.which("pdflatex")


@pytest.fixture(scope="module")
def boards(ugly: Path) -> list[Board]:
    results = read_results(ugly)
    assert not results.refused
    return make_boards(results.entries)


@pytest.fixture(scope="module")
def published() -> list[PublishedRow]:
    one = published_rows()[0]
    return [replace(one, model=text, encoders=text, source=text, note=text) for text in STRINGS.values()]


def walked(tokens: list[Token]) -> list[Token]:
    return [inner for token in tokens for inner in (token, *walked(token.children or []))]


def rendered(text: str) -> list[Token]:
    """As GitHub would: tables, raw HTML, and bare addresses made links."""
    return walked(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text))


def test_markdown_has_no_untrusted_tag_link_or_picture(boards: list[Board], published: list[PublishedRow]) -> None:
    text = markdown(boards, published)
    tokens = rendered(text)
    html = {token.content for token in tokens if token.type in ("html_inline", "html_block")}
    assert html == {"<br>", "<sub>", "</sub>", "<!-- -->"}
    marked = {"image", "code_inline", "em_open", "strong_open", "s_open", "fence", "link_open"}
    assert not marked & {token.type for token in tokens}
    assert not re.search(r"(?<!\\)\]\(", text)
    assert {row.record.model.url for board in boards for row in board.rows} > set(LINKS)
    types = [token.type for token in tokens]
    assert types.count("table_open") == len(boards) + 1
    assert types.count("tr_open") == sum(len(board.rows) + 1 for board in boards) + len(published) + 1


@pytest.mark.parametrize("around", ["### {}", "| HEAD |\n| - |\n| {} |", "- NOTE {}"])
def test_markdown_shows_the_text_itself(around: str) -> None:
    for text in STRINGS.values():
        tokens = rendered(around.format(markdown_escape(text)))
        shown = "".join(token.content for token in tokens if token.type in ("text", "text_special"))
        expected = visible(text).strip()
        assert re.sub(r"\s+", "", expected) == re.sub(r"\s+", "", shown.removeprefix("HEAD").removeprefix("NOTE"))


@pytest.mark.parametrize(
    "text", ["@someone", "a@evil.example", "x #12", "http://evil.example", "www.evil.example", "WWW.x.y"]
)
def test_markdown_parts_what_github_would_link(text: str) -> None:
    assert "<!-- -->" in markdown_escape(text)
    assert not re.search(r"@\w|#\d|://|(?i:www)\.", markdown_escape(text).replace("&#", ""))


def test_csv_has_no_formula(boards: list[Board], published: list[PublishedRow]) -> None:
    rows = list(csv.reader(StringIO(csv_text(boards, published), newline="")))
    assert len({len(row) for row in rows}) == 1
    assert len(rows) == 1 + sum(len(board.rows) for board in boards) + len(published)
    for row in rows:
        for text in row:
            assert text.strip()[:1] not in ("=", "+", "-", "@", "＝", "＋", "－", "＠")
            assert not set("\n\r\t") & set(text)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", " =1", "\t=1", "\r=1", "＝1"])
def test_a_formula_becomes_text(text: str) -> None:
    assert cell(text)[0] in "'<"


def test_json_is_ascii_and_whole(boards: list[Board]) -> None:
    text = json_text(boards)
    assert text.isascii()
    licences = {row["model"]["licence"] for board in json.loads(text)["boards"] for row in board["rows"]}
    assert {TEXTS["right-to-left"], TEXTS["controls"], TEXTS["script"]} <= licences


def test_model_cards_are_read_back(boards: list[Board]) -> None:
    from huggingface_hub import ModelCardData

    for board in boards:
        for row in board.rows[::2]:
            text = model_index([(board, row)])
            said = yaml.safe_load(text.removeprefix("---\n").removesuffix("---\n"))
            data = ModelCardData(**said)
            assert data.model_name == row.record.model.name
            assert data.eval_results
            assert all(result.dataset_name == visible(result.dataset_name) for result in data.eval_results)
            assert said.get("license") in (None, "mit")
            assert "source" not in said["model-index"][0]["results"][0]


def test_latex_is_made_of_ascii_and_known_commands() -> None:
    for text in map(latex_escape, STRINGS.values()):
        assert text.isascii()
        assert text.isprintable()
        plain = re.sub(r"\\[A-Za-z]+(\{\})?|\\[{}$&#%_]|\{\\['`^~=.\"]|\\to|\$[\^0-9a-z\\]*\$", "", text)
        assert not re.search(r"[$&#%_^~\\|<>\"]", plain), plain


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex is installed")
def test_latex_compiles_whatever_the_text(boards: list[Board], published: list[PublishedRow], tmp_path: Path) -> None:
    named = [replace(published[0], model=name, encoders="", source="s", note=text) for name, text in STRINGS.items()]
    log = compiled(latex(boards, [*published, *named]), tmp_path)
    assert "Missing character" not in log
    pdf = tmp_path / "paper.pdf"
    shown = shutil.which("pdftotext")
    if shown is not None:
        text = subprocess.run([shown, "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
        assert "<script>" in text
        assert "write18" in text
        assert "root:" not in text
        assert "U+202E" in unicodedata.normalize("NFKC", text)


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex is installed")
def test_latex_fits_a_page_where_names_are_as_long_as_they_may_be(tmp_path: Path) -> None:
    folds = {str(fold): (2 * fold, 2 * fold + 1) for fold in range(4)}
    for model in ("a" * 80, "-".join(["name"] * 16), "short"):
        write(tmp_path / "results", model, 0.5, classes=folds)
    log = compiled(latex(make_boards(read_results(tmp_path / "results").entries)), tmp_path)
    assert "Overfull \\hbox" not in log


def compiled(table: str, folder: Path) -> str:
    """The log of an article that inputs ``table``, twice, and needs booktabs alone; fails where LaTeX stops."""
    (folder / "table.tex").write_text(table, encoding="utf-8")
    (folder / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\extrafloats{200}\\begin{document}\n"
        "\\input{table}\\clearpage\\input{table}\n\\end{document}\n",
        encoding="utf-8",
    )
    assert PDFLATEX is not None
    done = subprocess.run(
        [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
        cwd=folder, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    log = (folder / "paper.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    return log


@pytest.mark.parametrize("renderer", [markdown, latex, csv_text, json_text])
def test_nothing_in_any_format_moves_a_terminal(
    renderer: Callable[..., str], boards: list[Board], published: list[PublishedRow]
) -> None:
    text = renderer(boards, published)
    assert all(line.isprintable() for line in text.replace("\r\n", "\n").split("\n"))
    assert "pwned" in text


def test_broken_records_stop_nothing(broken: dict[str, Path]) -> None:
    number = len([path for path in broken.values() if path.exists()])
    root = next(iter(broken.values())).parents[5]
    exported = CliRunner().invoke(app, ["export", str(root), "-b", "made-up", "--format", "csv"])
    assert exported.exit_code == 0
    assert len(exported.stdout.splitlines()) > 1, "those whose counts alone are broken"
    refused = [line for line in exported.stderr.splitlines() if line.startswith("refused: ")]
    assert number / 2 < len(refused) <= number
    assert f"{len(refused)} of " in exported.stderr
    assert all(line.isprintable() for line in exported.stderr.splitlines())
