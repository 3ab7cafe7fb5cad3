"""Every format, exactly, from made-up records; what the command refuses; and that formats agree with the boards."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from fsbench.index.benchmark import Benchmark
from leaderboard.boards import Board, make_boards
from leaderboard.breakdowns import read_breakdowns
from leaderboard.cli import app
from leaderboard.published import published_for
from leaderboard.render.csv_text import csv_text
from leaderboard.render.json_text import json_text
from leaderboard.render.latex import latex
from leaderboard.render.markdown import markdown
from leaderboard.render.model_index import model_index
from leaderboard.results import read_results
from tests.command import refusal
from tests.leaderboard.sample_records import at, part, write

GOLDENS = Path(__file__).parent / "goldens"


@pytest.fixture(scope="module")
def boards(exported: Path) -> list[Board]:
    return make_boards(read_results(exported).entries)


def export(*arguments: object) -> Any:
    """The command on results, in this process."""
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def one_model(boards: list[Board]) -> str:
    return model_index([(b, row) for b in boards for row in b.rows if row.record.model.name == "good"])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tables.md", ["markdown"]),
        ("tables.csv", ["csv"]),
        ("tables.tex", ["latex"]),
        ("tables.json", ["json"]),
        ("card.yaml", ["model-index", "--model", "good"]),
    ],
)
def test_the_command_writes_the_golden(name: str, arguments: list[str], exported: Path, tmp_path: Path) -> None:
    """Where a change is meant: write what the command gives to ``goldens``, and read the difference."""
    golden = (GOLDENS / name).read_bytes()
    assert export(exported, "-b", "made-up", "--format", *arguments, "--out", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out").read_bytes() == golden
    assert export(exported, "-b", "made-up", "--format", *arguments).stdout_bytes == golden


def test_a_dagger_is_on_every_row_that_is_not_separable(tmp_path: Path) -> None:
    for model, quality in (("a", 0.8), ("b", 0.81), ("c", 0.3)):
        write(tmp_path, model, quality)
    (board,) = made = make_boards(read_results(tmp_path).entries)
    for text in (markdown(made).replace("†<br>", "DAGGER"), latex(made).replace(r"\rlap{$^{\dagger}$}", "DAGGER")):
        lines = [next(line for line in text.splitlines() if f" {row.record.model.name} " in line) for row in board.rows]
        assert ["DAGGER" in line for line in lines] == [True, True, False]


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


def test_json_is_strict_and_says_what_was_refused(boards: list[Board]) -> None:
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


def test_each_board_is_a_result_of_its_own_in_a_model_card(tmp_path: Path) -> None:
    import yaml

    write(tmp_path, "a", 0.5)
    write(tmp_path, "a", 0.6, lambda said: said.update(shots=5), place="five")
    write(tmp_path, "a", 0.7, part, place="part")
    write(tmp_path, "a", 0.8, lambda said: said.update(modified=["draw-from=present"]), place="present")
    write(tmp_path, "a", 0.9, at("model", "contaminated", value=True), place="seed", seed=1)
    found = make_boards(read_results(tmp_path).entries)
    (index,) = yaml.safe_load(model_index([(b, b.rows[0]) for b in found]).strip("-\n"))["model-index"]
    assert len(index["results"]) == 5
    values = {result["dataset"]["name"]: result["metrics"][2]["value"] for result in index["results"]}
    assert sorted(values.values()) == sorted(board.rows[0].miou.score or 0 for board in found)
    assert {"made-up [partial 7/9], fsbench-v1, 0-shot", "made-up, fsbench-v1, 0-shot (contaminated)"} <= values.keys()
    assert any("(modified: draw-from=present)" in name for name in values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-b", "pascal"], "has no record of benchmark 'pascal': it has made-up"),
        (["-k", "5"], "has no board of made-up with -k 5: it has fsbench-v1 · 0-shot · seed 0"),
        (["--protocol", "lseg", "-k", "0"], "with -k 0 and --protocol lseg"),
        (["--format", "model-index"], "4 models match, expected one: choose of good, fair, told, part"),
        (["--model", "best"], "has no model 'best' there: it has good, fair, told, part"),
        (["--format", "model-index", "--model", "good", "--with-published"], "--with-published: makes no"),
        (["--by", "object-size", "--with-published"], "--with-published: makes no sense with --by"),
        (["--by", "object-size", "--format", "model-index"], "--by: a model card has no place"),
        (["--by", "support-size"], "no benchmark 'made-up'"),
        (["--format", "html"], "'html' is not one of"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str], message: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path))
    assert message in refusal("leaderboard", "export", exported, "-b", "made-up", *arguments, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refused_records_are_named_and_do_not_stop_the_rest(tmp_path: Path) -> None:
    write(tmp_path, "good", 0.5)
    write(tmp_path, "bad", 0.5, lambda record: record.update(miou=0.9))
    (tmp_path / "worse").mkdir()
    (tmp_path / "worse" / "record.json").write_text("[]", encoding="utf-8")
    found = export(tmp_path, "-b", "made-up")
    assert found.exit_code == 0
    lines = found.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines][:2] == ["refused", "refused"]
    assert lines[-1].startswith("2 of 3 records were refused")
    assert "good" in found.stdout
    assert "bad" not in found.stdout


def test_one_model_keeps_the_rank_it_has_among_all(exported: Path) -> None:
    text = export(exported, "-b", "made-up", "--model", "fair").stdout
    (row,) = re.findall(r"^\| \S*\d.*", text, re.MULTILINE)
    assert row.startswith("| 2 (2–2) | fair |")


@pytest.mark.parametrize("renderer", [markdown, latex])  # CSV and JSON are read back above
def test_published_rows_stand_apart_and_have_no_rank(renderer: Callable[..., str], boards: list[Board]) -> None:
    published = published_for("pascal-5i", 0)
    text = renderer(boards, published)
    assert "LSeg" not in text.split("PASCAL-5i", 1)[0]
    assert text.count("They are not ranked against measured rows") == len({row.protocol for row in published})
    assert "Fusioner project page, Table 2" in text


@pytest.mark.parametrize("by", ["object-size", "classes-per-image"])
def test_breakdowns(by: str, exported: Path) -> None:
    entry = read_results(exported).entries[0]
    breakdowns = read_breakdowns(entry.folder, entry.record)
    (expected,) = [found for found in breakdowns if found.key == by.replace("-", "_")]
    for as_format in ("csv", "json", "markdown", "latex"):
        text = export(exported, "-b", "made-up", "--by", by, "--format", as_format).stdout
        if as_format in ("csv", "json"):
            rows = json.loads(text)["rows"] if as_format == "json" else list(csv.DictReader(StringIO(text)))
            own = [row for row in rows if row["model"] == entry.record.model.name and not row["fold"]]
            assert [row["bin"] for row in own] == [of_bin.name for of_bin in expected.bins]
            scores = [None if row["miou"] in ("", None) else float(row["miou"]) for row in own]
            assert scores == [of_bin.total.miou for of_bin in expected.bins]
        else:
            ious = [of_bin.total.miou for of_bin in expected.bins if of_bin.total.miou is not None]
            assert all(f"{100 * iou:.1f}" in text for iou in ious)
            assert "no interval" in text


def test_sizes_of_supports_come_from_the_local_benchmark(
    small: Benchmark, with_masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path))
    found = export(with_masks, "-b", small.folder, "--by", "support-size", "--format", "csv")
    own = [row for row in csv.DictReader(StringIO(found.stdout)) if not row["fold"]]
    assert [row["bin"] for row in own] == ["smaller than half", "about equal", "more than twice"]
    record = read_results(with_masks).entries[0].record
    assert sum(int(row["episodes"]) for row in own) == sum(fold.episodes for fold in record.folds.values())
