"""Building and verifying FSS-1000 from a made-up tree, own classes in the same layout, and every refusal.

Made up are three class folders; the others are links to them, since what a class shows doesn't matter here.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fsbench
from fsbench.benchmarks.fss import fss1000
from fsbench.benchmarks.fss.class_folders import sample_ids
from fsbench.benchmarks.fss.lists import all_keys, class_keys, published_text
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.cli.main import main
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.models.registry import published_lists

TEST = class_keys("test")
FILES = ("benchmark.json", "pairs.parquet", "samples.parquet")


def write_class(folder: Path, seed: int) -> None:
    random = np.random.RandomState(seed)
    folder.mkdir(parents=True)
    for n in range(1, 11):
        mask = np.zeros((224, 224), np.uint8)
        top, left = random.randint(0, 150, 2)
        mask[top : top + 60, left : left + 70] = 255
        pixels = random.randint(0, 100, (224, 224, 3)) + (mask[..., None] > 0) * 90
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{n}.jpg", quality=60)
        Image.fromarray(mask).save(folder / f"{n}.png")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = [tmp_path_factory.mktemp("made") / str(seed) for seed in range(3)]
    for seed, folder in enumerate(folders):
        write_class(folder, seed)
    return folders


def linked(root: Path, made: list[Path], keys: tuple[str, ...]) -> Path:
    """A tree of ``keys``, each a link to one of the made folders."""
    root.mkdir(parents=True, exist_ok=True)
    for place, key in enumerate(keys):
        (root / key).symlink_to(made[place % len(made)])
    return root


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, made: list[Path]) -> Path:
    """The 240 test classes and two of the 760 others."""
    return linked(tmp_path_factory.mktemp("raw") / "FSS-1000", made, (*TEST, "abacus", "zebra"))


@pytest.fixture(scope="module")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return fss1000.build(raw, tmp_path_factory.mktemp("built") / "out", workers=2)


@pytest.fixture
def own(tmp_path: Path, made: list[Path]) -> Path:
    """Three class folders of the user's own that a test may damage."""
    for key, folder in zip(("sea_lion", "Äpfel", "bus"), made, strict=True):
        shutil.copytree(folder, tmp_path / "own" / key)
    (tmp_path / "classes.txt").write_text("sea_lion\n\n  bus \r\nÄpfel\n", encoding="utf-8")
    return tmp_path / "own"


def refusal(root: Path, out: Path, classes: Path | None = None, partial: bool = False) -> str:
    with pytest.raises(FsbenchError) as caught:
        fss1000.build(root, out, classes, partial, 2)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert not (out / "benchmark.json").exists()
    return str(caught.value)


def test_lists_are_known_with_no_data() -> None:
    lists = published_lists("fss-1000")
    assert lists is not None
    assert (lists.name, lists.title, list(lists.folds)) == ("fss-1000", "FSS-1000", ["test"])
    assert lists.folds["test"] == tuple(range(760, 1000))
    assert {name: len(pairs) for name, pairs in lists.lists().items()} == {
        "val-foldtest": 2400,
        "train-foldtest-train": 5200,
        "train-foldtest-val": 2400,
    }
    assert [c.key for c in lists.classes] == list(all_keys())
    assert lists.classes[760].name == "abe's flyingfish"
    assert lists.val["test"][:11] == (*((f"abe's_flyingfish/{n}", 760) for n in range(1, 11)), ("accordion/1", 761))
    assert lists.training("test", "train")[0] == ("ac_wall/1", 0)
    assert lists.training("test", "val")[-1] == ("yonex_icon/10", 759)
    assert {c.key for c in lists.classes[760:]} == set(published_text("test").split())


def test_the_test_classes_are_enough(built: Benchmark) -> None:
    assert (built.title, built.partial, built.builder) == ("FSS-1000", False, "fss-1000")
    assert built.lists == fss1000.published_lists()
    assert built.counts == {"val_present": 2400, "val_total": 2400, "train_present": 20, "train_total": 7600}
    samples = list(built.samples.values())
    assert [s.id for s in samples] == [sample for pairs in built.lists.lists().values() for sample, _ in pairs]
    assert {s.split for s in samples[:2400]} == {"val"}
    assert {s.split for s in samples[2400:]} == {"train"}
    areas = dict(zip(built.lists.val["test"], built.areas["val-foldtest"], strict=True))
    assert set(areas.values()) == {60 * 70}
    assert {a for a in built.areas["train-foldtest-val"] if a >= 0} == {60 * 70}


def test_verify_passes(built: Benchmark) -> None:
    checks = {check.name: check for check in verify_benchmark(built, 2)}
    assert [check for check in checks.values() if not check.passed] == []
    assert {"published lists", "samples readable", "masks", "areas", "sources"} <= set(checks)
    assert checks["areas"].said == "2420 pairs"


def test_verify_finds_altered_lists_and_masks(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    classes = tuple(replace(c, name=c.name.replace("assault rifle", "gun")) for c in built.lists.classes)
    altered = replace(built, lists=replace(built.lists, classes=classes))
    failed = {check.name for check in verify_benchmark(altered, 2) if not check.passed}
    assert failed == {"lists digest", "published lists"}
    moved = tmp_path / "moved"
    shutil.copytree(raw, moved, symlinks=True)
    (moved / "bus").unlink()
    shutil.copytree(raw / "bus", moved / "bus")
    Image.new("L", (224, 224), 255).save(moved / "bus" / "5.png")
    failed_checks = verify_benchmark(open_benchmark(built.folder, root=moved), 2)
    assert {check.name for check in failed_checks if not check.passed} == {"sources", "masks", "areas"}


def test_any_number_of_workers_gives_the_same_folder(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    again = fss1000.build(raw, tmp_path / "out", workers=1)
    assert all((again.folder / name).read_bytes() == (built.folder / name).read_bytes() for name in FILES)


def test_the_folder_around_the_class_folders_is_taken_too(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "fewshot_data").mkdir()
    (tmp_path / "fewshot_data" / "fewshot_data").symlink_to(raw)
    assert fss1000.find_root(tmp_path) == tmp_path / "fewshot_data" / "fewshot_data"
    assert fss1000.find_root(tmp_path / "fewshot_data") == tmp_path / "fewshot_data" / "fewshot_data"
    assert open_benchmark(built.folder, root=tmp_path).image("bus/1").shape == (224, 224, 3)


@pytest.mark.parametrize("root", ["nowhere", "empty", "file"])
def test_a_root_that_is_none(tmp_path: Path, root: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    assert refusal(tmp_path / root, tmp_path / "out").startswith(f"{tmp_path / root}: holds no class folders")


def test_missing_tested_classes_are_named_beside_every_other_fault(tmp_path: Path, made: list[Path]) -> None:
    root = linked(tmp_path / "raw", made, (*TEST[2:], "zebra"))
    (root / "zebra").unlink()
    shutil.copytree(made[0], root / "zebra")
    (root / "zebra" / "4.jpg").unlink()
    said = refusal(root, tmp_path / "out")
    assert said == (
        f"{root}: 2 of 240 tested classes have no folder (abe's_flyingfish, accordion); and 1 of 10000 samples cannot "
        f"be used: {root / 'zebra' / '4.jpg'} is missing: mend the files, add what is missing, or build from what is "
        "at hand with --partial"
    )


def test_partial(tmp_path: Path, made: list[Path]) -> None:
    root = linked(tmp_path / "raw", made, ("bus", "zebra"))
    for key in ("bat", "ac_wall"):
        shutil.copytree(made[0], root / key)
        (root / key / "4.jpg").unlink()
        (root / key / "9.png").unlink()
    benchmark = fss1000.build(root, tmp_path / "out", partial=True, workers=1)
    assert (benchmark.title, benchmark.partial) == ("FSS-1000 [partial 18/2400]", True)
    assert benchmark.counts["train_present"] == 18
    assert benchmark.present == {f"{key}/{n}" for key in ("bus", "zebra", "bat", "ac_wall") for n in range(1, 11)} - {
        "bat/4",
        "bat/9",
        "ac_wall/4",
        "ac_wall/9",
    }
    assert all(check.passed for check in verify_benchmark(benchmark, 1))
    (root / "zebra").unlink()
    shutil.copytree(made[0], root / "zebra")
    Image.new("L", (224, 224), 1).save(root / "zebra" / "1.png")
    said = refusal(root, tmp_path / "broken", partial=True)
    assert said.endswith(f"{root / 'zebra' / '1.png'} holds only 0 and 1, expected 0 and 255: mend the files")
    assert "not one sample of the 240 tested classes" in refusal(
        linked(tmp_path / "other", made, ("abacus",)), tmp_path / "none", partial=True
    )


def test_own_classes_have_a_name_and_a_title_of_their_own(own: Path, tmp_path: Path) -> None:
    benchmark = fss1000.build(own, tmp_path / "out", tmp_path / "classes.txt", workers=2)
    assert benchmark.lists.name == "fss-1000-classes"
    assert benchmark.title == "FSS-1000 layout [3 own classes]"
    assert benchmark.builder == "fss-1000"
    assert [(c.id, c.key, c.name) for c in benchmark.lists.classes] == [
        (0, "bus", "bus"),
        (1, "sea_lion", "sea lion"),
        (2, "Äpfel", "Äpfel"),
    ]
    assert benchmark.counts == {"val_present": 30, "val_total": 30}
    assert benchmark.lists.lists() == {
        "val-foldtest": tuple((s, c) for c, key in enumerate(("bus", "sea_lion", "Äpfel")) for s in sample_ids(key))
    }
    checks = verify_benchmark(benchmark, 1)
    assert all(check.passed for check in checks)
    assert "own lists" in {check.name for check in checks}
    record = fsbench.evaluate("foreground", benchmark, protocol="hsnet", shots=1, out=tmp_path / "results")
    assert record.folds["test"].miou == pytest.approx(60 * 70 / 224**2, abs=0.002)
    assert record.benchmark.title == "FSS-1000 layout [3 own classes]"
    lseg = draw(benchmark.lists, "test", PROTOCOLS["lseg"], 1, 0)
    assert len(lseg.questions) == 27
    assert {question.supports[0][0].partition("/")[2] for question in lseg.questions} == {"1"}


def test_own_classes_may_be_partial(own: Path, tmp_path: Path) -> None:
    shutil.rmtree(own / "bus")
    (own / "sea_lion" / "10.png").unlink()
    said = refusal(own, tmp_path / "out", tmp_path / "classes.txt")
    assert "1 of 3 tested classes have no folder (bus); and 1 of 30 samples cannot be used" in said
    benchmark = fss1000.build(own, tmp_path / "out", tmp_path / "classes.txt", partial=True)
    assert benchmark.title == "FSS-1000 layout [3 own classes] [partial 19/30]"


def test_a_mask_of_another_size_than_its_photograph_is_refused(own: Path, tmp_path: Path) -> None:
    Image.new("RGB", (640, 550)).save(own / "bus" / "2.jpg")
    said = refusal(own, tmp_path / "out", tmp_path / "classes.txt")
    assert f"1 of 30 samples cannot be used: {own / 'bus' / '2.png'} is 224 x 224, its photograph 550 x 640" in said


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"bus\nB\xe4r\n", "is not UTF-8 (byte 5 is 0xe4): save the class file as UTF-8"),
        (b"\n  \n", "names nothing, expected a class file with a name a line"),
        (b"bus\n\nbus\n", "line 3: 'bus' stands on line 1 already: name it once"),
        (b"a/bus\n", "line 1: 'a/bus' is no name of a class folder: give the bare name, without a path"),
        (b"..\n", "line 1: '..' is no name of a class folder"),
        (b"a..b\n", "line 1: 'a..b' must not hold ',', white space or '..'"),
        (b"red bus\n", "line 1: 'red bus' must not hold ',', white space or '..', since it stands in sample ids"),
        (b"bus,car\n", "line 1: 'bus,car' must not hold ','"),
        (b"bus|car\n", "line 1: 'bus|car' is no name: use printable words without '|'"),
        (b"bus\x00\n", "line 1: 'bus\\x00' is no name"),
        (b"___\n", "line 1: '___' is no name"),
        (b"x" * 101, "has 101 characters, expected at most 100"),
        (b"x" * 1_000_001, "is larger than 1000000 bytes"),
    ],
)
def test_a_class_file_that_cannot_be_used(own: Path, tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "classes.txt").write_bytes(content)
    said = refusal(own, tmp_path / "out", tmp_path / "classes.txt")
    assert said.startswith(f"{tmp_path / 'classes.txt'}")
    assert expected in said


def test_a_class_file_may_come_from_another_system(own: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes("\ufeffbus\r\nÄpfel\r\n".encode())
    assert [c.key for c in fss1000.build(own, tmp_path / "out", tmp_path / "classes.txt").lists.classes] == [
        "bus",
        "Äpfel",
    ]
    assert "cannot be read (No such file or directory)" in refusal(own, tmp_path / "x", tmp_path / "none.txt")
    assert "cannot be read (Is a directory)" in refusal(own, tmp_path / "x", own)


def test_on_the_command_line(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["build", "fss-1000", "--root", str(own), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--classes", str(tmp_path / "classes.txt"), "--workers", "1"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("built FSS-1000 layout [3 own classes]\n")
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "239 of 240 tested classes have no folder (abe's_flyingfish, accordion, american_alligator, …)" in error
