"""Mosaic-4 as a user of the command line meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mosaic4.benchmark import MosaicBenchmark
from tests.fsbench.cli.test_cli import refusal, run
from tests.mosaic4.drawn_folders import KEYS

OFFICIAL_RECIPE = "f6985e6135bafb0af3a88a3f3fe1ae6f35de9fdac63971f985411741bb2cd82b"


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    return path


def test_the_recipe_needs_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = run(capsys, "build", "mosaic4", "--recipe-only")
    assert (code, error) == (0, "")
    assert out.splitlines() == [
        "recipe: mosaic4-v1",
        "seed: 0",
        "classes: 240",
        "mosaics: 2399",
        f"recipe digest: {OFFICIAL_RECIPE}",
    ]


def test_build_verify_evaluate_and_a_root_that_moved(
    capsys: pytest.CaptureFixture[str], folders: Path, classes: Path, tmp_path: Path
) -> None:
    raw, out = tmp_path / "FSS" / "fewshot_data", tmp_path / "built"
    shutil.copytree(folders, raw)
    said = run(capsys, "build", "mosaic4", "--root", raw.parent, "--classes", classes, "--out", out, "--seed", 3)[1]
    assert "Mosaic-4 layout [5 own classes] (seed 3)" in said
    assert sorted(path.name for path in out.iterdir()) == [
        "benchmark.json",
        "croissant.json",
        "mosaic4.json",
        "recipe.parquet",
    ]
    assert str(tmp_path) not in (out / "mosaic4.json").read_text(), "the dataset is the same on any machine"
    raw.parent.rename(tmp_path / "moved")
    assert "raw data (root)" in refusal(capsys, "verify", out)
    code, said, _ = run(capsys, "verify", out, "--root", tmp_path / "moved")
    assert (code, "FAILED" in said) == (0, False)
    code, said, _ = run(
        capsys, "evaluate", "-m", "center", "-b", out, "--root", tmp_path / "moved", "--out", tmp_path / "r", "--json"
    )
    record = json.loads(said)
    assert (record["protocol"], record["shots"], record["folds"]["test"]["asked"]) == ("mosaic4-v1", 0, 250)
    (tmp_path / "moved" / "fewshot_data" / "cat" / "3.png").write_bytes(b"altered")
    error = run(capsys, "verify", out, "--root", tmp_path / "moved")
    assert error[0] == 1
    assert "cat/3.png" in error[1]


def test_episodes_are_those_of_its_own_protocol_and_only_fold(
    capsys: pytest.CaptureFixture[str], mosaic: MosaicBenchmark
) -> None:
    text = run(capsys, "episodes", mosaic.folder)[1]
    assert text.count("\n") == 250
    assert text == run(capsys, "episodes", mosaic.folder, "--protocol", "mosaic4-v1", "--fold", "test", "-k", 1)[1]
    rows = [json.loads(line) for line in run(capsys, "episodes", mosaic.folder, "--format", "jsonl")[1].splitlines()]
    assert [row["kind"] for row in rows[:5]] == ["present"] * 4 + ["absent"]
    assert [row["source"] for row in rows[:5]] == [*mosaic.dataset.recipe.mosaics[0], None]


def test_several_classes_at_once(capsys: pytest.CaptureFixture[str], mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    """``fsbench-multi-v1``: the label of every pixel, all objects of a mosaic true at once."""
    command = ("evaluate", "-m", "foreground", "-b", mosaic.folder, "--protocol", "fsbench-multi-v1", "--json")
    record = json.loads(run(capsys, *command, "--out", tmp_path)[1])
    confusion = record["folds"]["test"]["confusion"]
    true = [sum(row) for row in confusion["pixels"]]
    areas = sum(int((mosaic.objects(f"{i:06d}") > 0).sum()) for i in range(50))
    assert sum(true) - true[0] == areas


@pytest.mark.parametrize(
    ("flags", "said"),
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
def test_refusals(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("three.txt").write_text("abacus\ncat\ndog\n")
    Path("twice.txt").write_text("abacus\ncat\ncat\n")
    assert said in refusal(capsys, "build", "mosaic4", *flags, *(() if "--recipe-only" in flags else ("--out", "out")))
    assert not Path("out").exists()


def test_a_protocol_of_mosaics_is_not_for_photographs(capsys: pytest.CaptureFixture[str]) -> None:
    error = refusal(capsys, "episodes", "pascal-5i", "--protocol", "mosaic4-v1")
    assert "protocol mosaic4-v1 is defined for mosaic4, mosaic4-classes, not for pascal-5i" in error


def test_a_folder_without_its_recipe_is_refused(
    capsys: pytest.CaptureFixture[str], mosaic: MosaicBenchmark, tmp_path: Path
) -> None:
    shutil.copytree(mosaic.folder, tmp_path / "built")
    (tmp_path / "built" / "recipe.parquet").unlink()
    assert "recipe.parquet" in refusal(capsys, "evaluate", "-m", "center", "-b", tmp_path / "built")
