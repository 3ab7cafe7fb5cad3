"""Every format, exactly, from made-up records; what the command refuses; and that formats agree with the boards."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

import fsbench
from fsbench.cli.main import main
from fsbench.models.registry import load_model
from leaderboard.boards import Board, make_boards
from leaderboard.published import published_for
from leaderboard.render.cells import DAGGER, INTERVALS
from leaderboard.render.csv_text import csv_text
from leaderboard.render.json_text import json_text
from leaderboard.render.latex import latex
from leaderboard.render.markdown import markdown
from leaderboard.render.model_index import model_index
from leaderboard.results import read_results
from tests.fsbench.small_benchmark import small_benchmark
from tests.leaderboard.export_run import write_results
from tests.leaderboard.sample_records import part, write

GOLDENS = Path(__file__).parent / "goldens"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def boards(results: Path) -> list[Board]:
    return make_boards(read_results(results).entries)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main(["leaderboard", "export", *map(str, arguments)])
    assert isinstance(left.value.code, int)
    return left.value.code


def one_model(boards: list[Board]) -> str:
    return model_index([(b, row) for b in boards for row in b.rows if row.record.model.name == "good"])


RENDERERS: dict[str, Callable[[list[Board]], str]] = {
    "tables.md": markdown,
    "tables.csv": csv_text,
    "tables.tex": latex,
    "tables.json": json_text,
    "card.yaml": one_model,
}


@pytest.mark.parametrize("name", RENDERERS)
def test_the_text_is_the_golden(name: str, boards: list[Board]) -> None:
    """Where a change is meant: write what the renderer gives to ``goldens``, and read the difference."""
    assert RENDERERS[name](boards) == (GOLDENS / name).read_bytes().decode()


@pytest.mark.parametrize("as_format", ["markdown", "csv", "latex", "json"])
def test_the_command_writes_what_the_renderer_gives(
    as_format: str, results: Path, boards: list[Board], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    renderer = {"markdown": markdown, "csv": csv_text, "latex": latex, "json": json_text}[as_format]
    assert run(results, "-b", "made-up", "--format", as_format, "--out", tmp_path / "out") == 0
    assert (tmp_path / "out").read_bytes().decode() == renderer(boards)
    assert run(results, "-b", "made-up", "--format", as_format) == 0
    assert capfdbinary.readouterr().out.decode() == renderer(boards)


def test_markdown_keeps_the_marked_off_the_ranking(boards: list[Board]) -> None:
    text = markdown(boards)
    main_table, off = text.split("## Not on a main board")
    rows = [line.split(" | ") for line in main_table.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| rank", "| --:", "| 1 (1–1)", "| 2 (2–2)", "| –"]
    assert "contaminated" in rows[-1][-1]
    assert "made-up \\[partial 7/9\\]" in off
    assert "made-up \\[partial" not in main_table
    assert text.count(INTERVALS) == 1
    assert text.count(f"† {DAGGER}") == 1
    assert "**" not in text


def test_a_dagger_is_on_every_row_that_is_not_separable(tmp_path: Path) -> None:
    for model, quality in (("a", 0.8), ("b", 0.81), ("c", 0.3)):
        write(tmp_path, model, quality)
    made = make_boards(read_results(tmp_path).entries)
    (board,) = made
    for text in (markdown(made).replace("†<br>", "DAGGER"), latex(made).replace(r"\rlap{$^{\dagger}$}", "DAGGER")):
        lines = [next(line for line in text.splitlines() if f" {row.record.model.name} " in line) for row in board.rows]
        assert (
            ["DAGGER" in line for line in lines]
            == [row.from_best is False for row in board.rows]
            == [True, True, False]
        )


def test_csv_read_back_has_the_same_floats(boards: list[Board]) -> None:
    text = csv_text(boards, published_for("pascal-5i"))
    table = pd.read_csv(StringIO(text, newline=""))
    measured = table[table["kind"] == "measured"]
    rows = [row for board in boards for row in board.rows]
    assert list(measured["model"]) == [row.record.model.name for row in rows]
    assert list(measured["miou"]) == [row.miou.score for row in rows]
    assert list(measured["fold1_high"]) == [row.folds["1"].ci95 and row.folds["1"].ci95[1] for row in rows]
    assert list(measured["fb_iou_low"]) == [row.fb_iou.ci95 and row.fb_iou.ci95[0] for row in rows]
    assert list(measured["off"].fillna("")) == ["", "", "", "partial"]
    assert measured["trained_parameters"][0] == 800_000
    published = table[table["kind"] == "published"]
    assert len(published) == len(published_for("pascal-5i"))
    assert published["rank"].isna().all()
    for said, row in zip(published.itertuples(), published_for("pascal-5i"), strict=True):
        assert row.mean is None or said.miou == float(f"{row.mean}e-2")
    assert text.count("\r\n") == len(table) + 1
    assert {len(row) for row in csv.reader(StringIO(text, newline=""))} == {len(table.columns)}


def test_json_is_strict_and_says_what_was_refused(results: Path, boards: list[Board], tmp_path: Path) -> None:
    text = json_text(boards, published_for("coco-20i", 1), ["a: refused"], ["b"])
    assert text.isascii()

    def no_constant(name: str) -> None:
        raise AssertionError(name)

    said = json.loads(text, parse_constant=no_constant)
    assert said["schema"] == "fsbench-leaderboard/1"
    assert [board["main"] for board in said["boards"]] == [True, False]
    first = said["boards"][0]["rows"][0]
    assert (first["rank"], first["rank_range"], first["separable_from_best"]) == (1, [1, 1], False)
    assert first["miou"]["score"] == boards[0].rows[0].miou.score
    assert first["seen"]["novel_image_text_seen"] == "yes"
    assert said["published"][0]["miou"] < 1
    assert (said["refused"], said["remarks"]) == (["a: refused"], ["b"])
    assert (
        json_text(make_boards(read_results(results).entries), published_for("coco-20i", 1), ["a: refused"], ["b"])
        == text
    )


def test_a_model_card_is_read_back_by_the_hub(boards: list[Board]) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard(one_model(boards) + "\n# good\n", ignore_metadata_errors=False)
    card.validate_card = None  # type: ignore[method-assign]  # would ask the hub
    data = card.data
    assert data.model_name == "good"
    assert data.license == "mit"
    assert data.eval_results is not None
    row = boards[0].rows[0]
    found = {result.metric_name: result for result in data.eval_results}
    assert set(found) == {"mIoU", "FB-IoU", "mIoU, fold 0", "mIoU, fold 1"}
    assert found["mIoU"].metric_value == row.miou.score
    assert found["mIoU"].metric_args["ci95"] == list(row.miou.ci95 or ())
    assert found["mIoU, fold 1"].metric_value == row.folds["1"].score
    for result in data.eval_results:
        assert result.verified is None
        assert result.verify_token is None
        assert (result.task_type, result.dataset_type) == ("image-segmentation", "made-up")
        assert result.source_url == "https://example.org/good?a=1&b=2"
    assert "verified" not in one_model(boards)


def test_a_model_card_says_what_is_not_clean(boards: list[Board]) -> None:
    rows = [(b, row) for b in boards for row in b.rows]
    told = model_index([pair for pair in rows if pair[1].record.model.name == "told"])
    assert "made-up, fsbench-v1, 0-shot (contaminated)" in told
    of_part = model_index([pair for pair in rows if pair[1].record.model.name == "part"])
    assert "made-up [partial 7/9], fsbench-v1, 0-shot" in of_part


def test_each_board_is_a_result_of_its_own_in_a_model_card(tmp_path: Path) -> None:
    import yaml

    write(tmp_path, "a", 0.5)
    write(tmp_path, "a", 0.6, lambda said: said.update(shots=5), place="five")
    write(tmp_path, "a", 0.7, part, place="part")
    write(tmp_path, "a", 0.8, lambda said: said.update(modified=["draw-from=present"]), place="present")
    found = make_boards(read_results(tmp_path).entries)
    (index,) = yaml.safe_load(model_index([(b, b.rows[0]) for b in found]).strip("-\n"))["model-index"]
    assert len(index["results"]) == 4
    values = {result["dataset"]["name"]: result["metrics"][2]["value"] for result in index["results"]}
    assert sorted(values.values()) == sorted(board.rows[0].miou.score or 0 for board in found)
    assert any("(modified: draw-from=present)" in name for name in values)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-b", "pascal"], "has no record of benchmark 'pascal': it has made-up"),
        (["-b", "made-up", "-k", "5"], "has no board of made-up with -k 5: it has fsbench-v1 · 0-shot · seed 0"),
        (["-b", "made-up", "--protocol", "lseg", "-k", "0"], "with -k 0 and --protocol lseg"),
        (
            ["-b", "made-up", "--format", "model-index"],
            "4 models match, expected one: choose of good, fair, told, part",
        ),
        (["-b", "made-up", "--model", "best"], "has no model 'best' there: it has good, fair, told, part"),
        (
            ["-b", "made-up", "--format", "model-index", "--model", "good", "--with-published"],
            "--with-published: makes no",
        ),
        (["-b", "made-up", "--by", "object-size", "--with-published"], "--with-published: makes no sense with --by"),
        (["-b", "made-up", "--by", "object-size", "--format", "model-index"], "--by: a model card has no place"),
        (
            ["-b", "made-up", "--by", "support-size"],
            "needs the benchmark at hand: no benchmark 'made-up'",
        ),
        (["-b", "made-up", "--format", "html"], "'html' is not one of"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str], said: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path))
    assert run(results, *arguments, "--out", tmp_path / "out") == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "no", "-b", "made-up") == 2
    assert "is no folder" in capsys.readouterr().err


def test_refused_records_are_told_and_do_not_stop_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "good", 0.5)
    write(tmp_path, "bad", 0.5, lambda said: said.update(miou=0.9))
    (write(tmp_path, "worse", 0.5)).write_text("[]", encoding="utf-8")
    assert run(tmp_path, "-b", "made-up") == 0
    shown = capsys.readouterr()
    assert [line.partition(":")[0] for line in shown.err.splitlines()][:2] == ["refused", "refused"]
    assert shown.err.splitlines()[-1] == "2 of 3 records were refused and stand in no table."
    assert "good" in shown.out
    assert "bad" not in shown.out


def test_one_model_keeps_the_rank_it_has_among_all(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(results, "-b", "made-up", "--model", "fair") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert rows[2].startswith("| 2 (2–2) | fair |")


@pytest.mark.parametrize("renderer", [markdown, latex, csv_text, json_text])
def test_published_rows_stand_apart_and_have_no_rank(renderer: Callable[..., str], boards: list[Board]) -> None:
    published = published_for("pascal-5i", 0)
    text = renderer(boards, published)
    if renderer in (markdown, latex):
        without, separate = text.split("PASCAL-5i", 1)[0], text
        assert "LSeg" not in without
        assert separate.count("They are not ranked against measured rows") == len({row.protocol for row in published})
        assert "Fusioner project page, Table 2" in separate
    assert text != renderer(boards)
    assert all(math.isfinite(row.mean or 0) for row in published)


@pytest.mark.parametrize("by", ["object-size", "classes-per-image"])
@pytest.mark.parametrize("as_format", ["markdown", "latex", "csv", "json"])
def test_breakdowns(by: str, as_format: str, results: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from leaderboard.breakdowns import read_breakdowns
    from leaderboard.results import read_results as read

    entry = read(results).entries[0]
    key = by.replace("-", "_")
    (expected,) = [found for found in read_breakdowns(entry.folder, entry.record) if found.key == key]
    assert run(results, "-b", "made-up", "--by", by, "--format", as_format) == 0
    text = capfd.readouterr().out
    name = entry.record.model.name
    if as_format in ("csv", "json"):
        rows = json.loads(text)["rows"] if as_format == "json" else list(csv.DictReader(StringIO(text)))
        own = [row for row in rows if row["model"] == name and not row["fold"]]
        assert [row["bin"] for row in own] == [of_bin.name for of_bin in expected.bins]
        scores = [None if row["miou"] in ("", None) else float(row["miou"]) for row in own]
        assert scores == [of_bin.total.miou for of_bin in expected.bins]
    else:
        for of_bin in expected.bins:
            assert "–" in text or of_bin.total.miou is None or f"{100 * of_bin.total.miou:.1f}" in text
        assert "no interval" in text


def test_sizes_of_supports_come_from_the_benchmark_at_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path / "home"))
    benchmark = small_benchmark(tmp_path / "tiny")
    fsbench.evaluate(load_model("center", {}), benchmark, out=tmp_path / "results", shots=1)
    assert run(tmp_path / "results", "-b", benchmark.folder, "--by", "support-size", "--format", "csv") == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    own = [row for row in rows if not row["fold"]]
    assert [row["bin"] for row in own] == ["smaller than half", "about equal", "more than twice"]
    record = read_results(tmp_path / "results").entries[0].record
    assert sum(int(row["episodes"]) for row in own) == sum(fold.episodes for fold in record.folds.values())
