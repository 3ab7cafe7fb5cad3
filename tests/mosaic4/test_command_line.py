"""Mosaic-4 as a user of the command line meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mosaic4.benchmark import MosaicBenchmark
from tests.command import refusal, run
from tests.mosaic4.test_official_recipe import DIGESTS


def test_the_recipe_needs_no_data() -> None:
    done = run("build", "mosaic4", "--recipe-only")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "recipe: mosaic4-v1",
        "seed: 0",
        "classes: 240",
        "mosaics: 2399",
        f"recipe digest: {DIGESTS[2]}",
    ]


def test_build_verify_evaluate_and_a_root_that_moved(folders: Path, classes: Path, tmp_path: Path) -> None:
    raw, moved, out = tmp_path / "FSS" / "fewshot_data", tmp_path / "moved", tmp_path / "built"
    shutil.copytree(folders, raw)
    done = run("build", "mosaic4", "--root", raw.parent, "--classes", classes, "--out", out, "--seed", 3)
    assert "Mosaic-4 layout [5 own classes] (seed 3)" in done.out
    files = ["benchmark.json", "croissant.json", "mosaic4.json", "recipe.parquet"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert str(tmp_path) not in (out / "mosaic4.json").read_text(), "the dataset is the same on any machine"
    raw.parent.rename(moved)
    assert "raw data (root)" in refusal("verify", out)
    done = run("verify", out, "--root", moved)
    assert (done.code, "FAILED" in done.out) == (0, False)
    done = run("evaluate", "-m", "center", "-b", out, "--root", moved, "--out", tmp_path / "r", "--json", "--limit", 2)
    record = json.loads(done.out)
    assert (record["protocol"], record["shots"], record["folds"]["test"]["asked"]) == ("mosaic4-v1", 0, 2)
    (moved / "fewshot_data" / "cat" / "3.png").write_bytes(b"altered")
    done = run("verify", out, "--root", moved)
    assert done.code == 1
    assert "cat/3.png" in done.out


def test_episodes_are_those_of_its_own_protocol_and_only_fold(mosaic: MosaicBenchmark) -> None:
    text = run("episodes", mosaic.folder).out
    assert text.count("\n") == 250
    assert text == run("episodes", mosaic.folder, "--protocol", "mosaic4-v1", "--fold", "test", "-k", 1).out
    rows = [json.loads(line) for line in run("episodes", mosaic.folder, "--format", "jsonl").out.splitlines()]
    assert [row["kind"] for row in rows[:5]] == ["present"] * 4 + ["absent"]
    assert [row["source"] for row in rows[:5]] == [*mosaic.dataset.recipe.mosaics[0], None]


def test_several_classes_at_once(mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    """``fsbench-multi-v1``: the label of every pixel, all objects of a mosaic true at once."""
    command = ("evaluate", "-m", "foreground", "-b", mosaic.folder, "--protocol", "fsbench-multi-v1", "--json")
    record = json.loads(run(*command, "--out", tmp_path).out)
    true = [sum(row) for row in record["folds"]["test"]["confusion"]["pixels"]]
    assert sum(true[1:]) == sum(int((mosaic.objects(f"{i:06d}") > 0).sum()) for i in range(50))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "--root is missing"),
        (("--root", "nowhere"), "holds no class folders"),
        (("--root", ".", "--grid", "5"), "--grid"),
        (("--root", ".", "--format", "webp"), "webp"),
        (("--recipe-only", "--grid", "2", "--classes", "three.txt"), "class 'abacus' has 10 of 30 samples"),
        (("--recipe-only", "--classes", "twice.txt"), "is on line 2 already"),
        (("--recipe-only", "--classes", "gone.txt"), "gone.txt"),
        (("--recipe-only", "--root", "."), "--recipe-only reads and writes nothing"),
        (("--recipe-only", "--format", "png"), "--recipe-only reads and writes nothing"),
    ],
)
def test_refusals(flags: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("three.txt").write_text("abacus\ncat\ndog\n")
    Path("twice.txt").write_text("abacus\ncat\ncat\n")
    assert message in refusal("build", "mosaic4", *flags, *(() if "--recipe-only" in flags else ("--out", "out")))
    assert not Path("out").exists()
