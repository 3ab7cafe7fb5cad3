"""The paper's grid: the published numbers, the commands, what counts as done, and resuming after a failure."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from fsbench.cli.main import app
from fsbench.cli.train import trainer_command
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.index.published import published_lists
from fsbench.models.contract import TrainingCard
from fsbench.records.record import read_record, write_record
from fsbench.training.report import write_report
from fsbench.training.state import Epoch
from fusioner import grid, trainer
from fusioner.cli import _lines
from fusioner.encoders import catalogue
from fusioner.grid import Grid, State, pairs_of, run_rows
from fusioner.published import FOLDS, TABLES, TRANSFER, rows_of
from tests import ROOT
from tests.command import refusal, run
from tests.fsbench.results.saved_records import write_stored
from tests.fsbench.sample_models import digest

ALL = [row for table in TABLES for row in rows_of(table)]


def report(folder: Path, *, options: Mapping[str, Any], benchmark: Mapping[str, str], checkpoint_sha256: str) -> None:
    """Write a minimal training report with these values."""
    data = {"train_pairs": 9, "train_images": 9, "held_out_pairs": 1, "held_out_images": 1, "images_refused": 0}
    values = {
        "trainer": "fusioner",
        "options": dict(options),
        "seed": 0,
        "fold": "0",
        "benchmark": {"lists": "0", "drop_novel_images": False, "held_out": 0.1, "data": "0", **benchmark},
        **{key: {} for key in ("conditions", "recipe", "metadata", "environment", "timings")},
        "data": {**data, "novel_images_dropped": "no"},
        "steps": 1,
        "selected_by": "miou",
        "selected_epoch": 0,
        "epochs": [Epoch(epoch=0, loss=1.0, scores={"miou": 0.5})],
        "checkpoint_sha256": checkpoint_sha256,
        "checkpoint_bytes": 1,
        "card_sha256": digest("card"),
    }
    write_report(folder, values)


class Runner:
    """Replaces ``subprocess.run``: writes what the command would, or fails with ``code``."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.code = {"train": 0, "evaluate": 0}
        self.title = "PASCAL-5i"
        self.change: dict[str, Any] = {}

    def __call__(self, command: Sequence[str], *, stdout: int | None, check: bool) -> SimpleNamespace:
        assert list(command[1:3]) == ["-m", "fsbench"]
        self.commands.append(list(command[3:]))
        kind = command[3]
        if not self.code[kind]:
            {"train": self.train, "evaluate": self.evaluate}[kind](list(command[3:]))
        return SimpleNamespace(returncode=self.code[kind])

    def train(self, command: list[str], folds: Sequence[str] = FOLDS, **options: Any) -> None:
        flag = dict(zip(command[2::2], command[3::2], strict=True))
        given = {name: flag[f"--{name}"] for name in ("visual", "text", "fusion", "recipe", "prompts")}
        for fold in folds:
            folder = Path(flag["--out"]) / f"fold{fold}"
            folder.mkdir(parents=True, exist_ok=True)
            of_paper = {**given, "size": None, "views": None, "epochs": None, "batch_size": None, **options}
            on = {"title": self.title, "train_list": flag["--train-list"]}
            report(folder, options=of_paper, benchmark=on, checkpoint_sha256=digest(str(folder)))

    def evaluate(self, command: list[str]) -> None:
        flag = dict(zip(command[1::2], command[2::2], strict=True))
        out, protocol = Path(flag["--out"]), flag["--protocol"]
        asked = {fold: [(f"i{fold}", int(fold), 1 + int(fold), 10, 1 + int(fold), 20)] for fold in FOLDS}
        folder = out / "m" / "1-00000000" / flag["-b"] / f"{protocol}-0shot-s0"
        record = read_record(write_stored(folder, asked, {fold: [int(fold)] for fold in FOLDS}))
        training = {fold: TrainingCard(checkpoint_sha256=digest(str(out.parent / f"fold{fold}"))) for fold in FOLDS}
        change = dict(self.change)
        benchmark = record.benchmark.model_copy(update=change.pop("benchmark", {}))
        model = record.model.model_copy(update={"training": training, **change.pop("model", {})})
        write_record(folder, record.model_copy(update={"model": model, "benchmark": benchmark, **change}))


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    made = Runner()
    monkeypatch.setattr(grid.subprocess, "run", made)
    return made


def state(out: Path, table: str = "table1", row: int = 1) -> State:
    return Grid(out).state(rows_of(table)[row - 1])


def run_row(out: Path, table: str = "table1", row: int = 1) -> int:
    return run_rows(Grid(out), [rows_of(table)[row - 1]], to_stderr=False)


def test_the_published_rows_are_those_of_the_reference() -> None:
    data = Path(os.environ.get("FSBENCH_DATA") or ROOT.parent / "shared" / "data")
    path = data.parent / "reference" / "published_results.csv"
    if not path.is_file():
        pytest.skip(f"REFERENCE MISSING: {path} is not there: set FSBENCH_DATA; published numbers are not compared")
    with path.open(encoding="utf-8", newline="") as file:
        given = [line for line in csv.DictReader(file) if line["model"].startswith("Fusioner")]
    expected = {
        (
            f"table{line['source'][-1]}",
            f"{line['visual_backbone']} + {line['text_encoder']}",
            "late" if "late" in line["model"] else "early",
            line["benchmark"],
            *(float(line[name]) for name in ("fold0", "fold1", "fold2", "fold3", "mean")),
        )
        for line in given
    }
    ours = [(r.table, r.encoders, r.fusion, r.benchmark, *r.folds, r.mean) for r in ALL]
    assert len(ours) == len(given) == 30
    assert set(ours) == expected


def test_the_mean_is_that_of_the_folds() -> None:
    for row in ALL:  # each of four rounded numbers, and their mean, may be 0.05 off
        assert abs(sum(row.folds) / 4 - row.mean) < 0.1 + 1e-9, row


def test_what_the_commands_name_exists() -> None:
    of_paper = Grid(Path("runs"), {"coco-20i": "my coco"}, {"pascal-5i": "VOC"}, "cuda")
    train = trainer_command("fusioner", trainer)
    evaluate = typer.main.get_command(app).commands["evaluate"]  # type: ignore[attr-defined]
    for row in ALL:
        assert row.visual in catalogue.VISUAL
        assert row.text in catalogue.TEXT
        lists, tested = published_lists(row.trained_on), published_lists(row.benchmark)
        assert lists is not None
        assert tested is not None
        assert list(lists.folds) == list(tested.folds) == list(FOLDS)
        assert grid.TRAIN_LISTS[row.trained_on] in lists.train
        PROTOCOLS[grid.PROTOCOLS[row.benchmark]].check(row.benchmark, 0)
        steps = of_paper.state(row).steps
        assert [step.done for step in steps] == [False, False]
        assert steps[0].arguments[:2] == ("train", "fusioner")
        assert steps[1].arguments[0] == "evaluate"
        # parsed, not run: an unknown flag or a value that is no choice raises
        given = train.make_context("train", list(steps[0].arguments[2:])).params
        asked = evaluate.make_context("evaluate", list(steps[1].arguments[1:])).params
        assert (given["visual"], given["text"], given["fusion"]) == (row.visual, row.text, row.fusion)
        assert given["benchmark"] == ("my coco" if row.trained_on == "coco-20i" else "pascal-5i")
        assert asked["root"] == (Path("VOC") if row.benchmark == "pascal-5i" else None)
        assert asked["model"] == [f"fusioner:{given['out']}/fold{{fold}}"]
        assert asked["device"] == given["device"] == "cuda"
    assert TRANSFER not in PROTOCOLS["fusioner"].rules  # else it would be the one to ask by


def test_a_row_as_commands(tmp_path: Path) -> None:
    code, out, _ = run("fusioner", "grid", "table1", "--row", 2, "--out", tmp_path)
    made = f"{tmp_path}/pascal-5i/clip-vit-b-16+clip-vit-b-16-late"
    assert (code, out.splitlines()) == (
        0,
        [
            "Table 1, row 2: CLIP-B + CLIP-B, late fusion, on pascal-5i: not run",
            "  published  46.3  55.2  36.4  36.7  mean 43.6",
            "  measured   not run",
            "  to do      fsbench train fusioner -b pascal-5i --visual clip-vit-b-16 --text clip-vit-b-16 "
            f"--fusion late --recipe paper --prompts openai-imagenet --train-list fusioner --fold all --out {made}",
            f"  to do      fsbench evaluate -m 'fusioner:{made}/fold{{fold}}' -b pascal-5i --protocol fusioner "
            f"--out {made}/results",
        ],
    )
    assert [len(rows_of(table)) for table in TABLES] == [24, 4, 2]
    assert not list(tmp_path.iterdir())


def test_the_command_runs_what_is_not_done_and_resumes(tmp_path: Path, runner: Runner) -> None:
    asked = ("fusioner", "grid", "table2", "--out", tmp_path, "--run")
    runner.code["evaluate"] = 7
    code, out, err = run(*asked)
    assert code == 7
    assert "row 1: RN101 + CLIP, early fusion, on pascal-5i: not run; 4 of 4 folds trained" in out
    assert err.count("fsbench: running: ") == 2
    assert [command[0] for command in runner.commands] == ["train", "evaluate"]  # stopped there
    runner.code["evaluate"] = 0
    runner.commands.clear()
    _, out, _ = run(*asked, "--row", 1, "--row", 1, "--json")
    (row,) = json.loads(out)
    assert [command[0] for command in runner.commands] == ["evaluate"]  # resumed
    assert (row["status"], row["measured"]) == ("run", {"folds": [10.0, 20.0, 30.0, 40.0], "mean": 25.0})
    _, out, _ = run("fusioner", "grid", "table2", "--row", 1, "--out", tmp_path)
    assert "  measured   10.0  20.0  30.0  40.0  mean 25.0  (fusioner)\n" in out
    assert out.count("\n  done") == 2
    assert "  record     " in out


def test_a_model_in_two_tables_is_trained_once(tmp_path: Path, runner: Runner) -> None:
    assert run_row(tmp_path, "table1", 7) == 0
    assert state(tmp_path, "table2", 3).status == "run"
    runner.title = "COCO-20i"
    for table, row, commands in (("table5", 1, ["train", "evaluate"]), ("table2", 2, ["evaluate"]), ("table2", 2, [])):
        runner.commands.clear()
        assert run_row(tmp_path, table, row) == 0
        assert [command[0] for command in runner.commands] == commands


def test_a_signal_and_a_command_without_output(tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    runner.code["train"] = -9
    assert run_row(tmp_path) == 137
    runner.code["train"] = 0
    monkeypatch.setattr(runner, "train", lambda command: None)
    with pytest.raises(FsbenchError, match="lacks what the row needs although this was run: fsbench train"):
        run_row(tmp_path)


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        (
            {"benchmark": {"partial": True, "title": "PASCAL-5i [partial 3/1449]"}},
            "tested on PASCAL-5i [partial 3/1449]",
        ),
        ({"modified": ("mask-rule=png",)}, "mask-rule=png"),
        ({"model": {"contaminated": True}}, "trained on tested classes"),
    ],
)
def test_another_evaluation_is_not_compared_with_the_paper(
    tmp_path: Path, runner: Runner, change: dict[str, Any], remark: str
) -> None:
    runner.change = change
    run_row(tmp_path)
    row = state(tmp_path)
    assert (row.status, row.measured, row.remarks) == ("not comparable", None, (remark,))
    assert "  measured   not comparable" in _lines(row)
    assert "25.0" not in "".join(_lines(row))


def test_another_training_is_not_compared_with_the_paper(tmp_path: Path, runner: Runner) -> None:
    runner.title = "PASCAL-5i [partial 3/1449]"
    run_row(tmp_path)
    row = state(tmp_path)
    assert (row.measured, row.remarks) == (None, ("trained on PASCAL-5i [partial 3/1449]",))
    train = list(row.steps[0].arguments)
    runner.title = "PASCAL-5i"
    for name, value in (("recipe", "quick"), ("epochs", 3), ("views", 2), ("visual", "effnet-lite2")):
        runner.train(train)
        assert state(tmp_path).status == "run"
        runner.train(train, ["2"], **{name: value})
        row = state(tmp_path)
        assert (row.measured, row.status) == (None, "not run; 3 of 4 folds trained")
        assert row.remarks[0].endswith(f"fold2 is from another run ({name} {value})")
        assert [step.done for step in row.steps] == [False, False]


def test_a_record_of_other_checkpoints_is_not_the_rows(tmp_path: Path, runner: Runner) -> None:
    run_row(tmp_path)
    (path,) = tmp_path.glob("*/*/fold3/training.json")
    trained = json.loads(path.read_text())
    on = {name: trained["benchmark"][name] for name in ("title", "train_list")}
    report(path.parent, options=trained["options"], benchmark=on, checkpoint_sha256=digest("trained again"))
    row = state(tmp_path)
    assert ([step.done for step in row.steps], row.measured) == ([True, False], None)
    report(path.parent, options=trained["options"], benchmark={**on, "train_list": "hsnet"}, checkpoint_sha256="0" * 64)
    assert state(tmp_path).remarks[0].endswith("fold3 is from another run (train list hsnet)")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    for message in ("it was altered", "Invalid JSON|Expecting"):
        with pytest.raises(FsbenchError, match=rf"training\.json: is not a training report \(.*({message})"):
            state(tmp_path)
        path.write_text("{")


def test_refusals() -> None:
    assert "'table3' is not one of" in refusal("fusioner", "grid", "table3")
    assert "--row 5: table2 has rows 1 to 4" in refusal("fusioner", "grid", "table2", "--row", 1, "--row", 5)
    for flag, wrong in (("-b", "pascal-5i"), ("-b", "pascal-5i="), ("-b", "toy=x"), ("--root", "coco")):
        with pytest.raises(FsbenchError, match=f"{flag} {wrong}: expected NAME=FOLDER"):
            pairs_of(flag, [wrong])
    assert pairs_of("-b", ["coco-20i=x=y"]) == {"coco-20i": "x=y"}


def test_the_page_of_reproductions_agrees_with_the_code() -> None:
    rows = []
    for row in ALL:
        where = f"Table {row.table.removeprefix('table')}, row {row.row}: {row.benchmark}"
        names = f"{row.encoders}, {row.fusion} fusion | `{row.visual}` | `{row.text}`"
        scores = "  ".join(f"{score:.1f}" for score in row.folds)
        command = f"`fsbench fusioner grid {row.table} --row {row.row} --run`"
        rows.append(f"| {where} | {names} | {command} | {scores} | {row.mean:.1f} | - | not run |")
    page = (ROOT / "docs" / "reproductions.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("|")][2:] == rows
    assert "no row below was run" in page
