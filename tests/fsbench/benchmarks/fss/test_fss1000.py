"""Building and verifying FSS-1000 from a made-up tree, own classes in the same layout, and every refusal."""

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
from fsbench.benchmarks.fss.lists import all_keys
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.index.published import published_lists
from tests.command import run
from tests.refusals import refusal

MISSING = "239 of 240 tested classes have no folder (abe's_flyingfish, accordion, american_alligator, …)"


def refused(root: Path, out: Path, classes: Path | None = None, partial: bool = False) -> str:
    message = refusal(fss1000.build, root, out, classes, partial, 2)
    assert not (out / "benchmark.json").exists()
    return message


def test_lists_are_known_with_no_data() -> None:
    lists = published_lists("fss-1000")
    assert lists is not None
    assert (lists.name, lists.title, lists.folds) == ("fss-1000", "FSS-1000", {"test": tuple(range(760, 1000))})
    assert [len(pairs) for pairs in lists.lists().values()] == [2400, 5200, 2400]
    assert list(lists.lists()) == ["val-foldtest", "train-foldtest-train", "train-foldtest-val"]
    assert [c.key for c in lists.classes] == list(all_keys())
    assert lists.classes[760].name == "abe's flyingfish"
    assert lists.val["test"][:11] == (*((f"abe's_flyingfish/{n}", 760) for n in range(1, 11)), ("accordion/1", 761))
    assert lists.training("test", "train")[0] == ("ac_wall/1", 0)
    assert lists.training("test", "val")[-1] == ("yonex_icon/10", 759)


def test_verify_finds_altered_lists(built: Benchmark) -> None:
    classes = tuple(replace(c, name=c.name.replace("assault rifle", "gun")) for c in built.lists.classes)
    altered = replace(built, lists=replace(built.lists, classes=classes))
    assert next(fss1000.verify(altered)).said == "its classes or lists are not those of FSS-1000"


def test_the_folder_around_the_class_folders_is_taken_too(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    inner = tmp_path / "fewshot_data" / "fewshot_data"
    inner.parent.mkdir()
    inner.symlink_to(raw)
    assert fss1000.find_root(tmp_path) == fss1000.find_root(inner.parent) == inner
    assert open_benchmark(built.folder, root=tmp_path).image("bus/1").shape == (224, 224, 3)
    (tmp_path / "file").write_text("x")
    for root in (tmp_path / "nowhere", built.folder, tmp_path / "file"):
        assert refused(root, tmp_path / "out").startswith(f"{root}: holds no class folders")


def test_partial_and_every_fault_of_a_tree(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for key in ("bus", "zebra", "bat", "ac_wall"):
        shutil.copytree(raw / "bus", root / key)
    for key in ("bat", "ac_wall"):
        (root / key / "4.jpg").unlink()
        (root / key / "9.png").unlink()
    benchmark = fss1000.build(root, tmp_path / "out", partial=True, workers=1)
    assert (benchmark.title, benchmark.partial) == ("FSS-1000 [partial 18/2400]", True)
    assert benchmark.counts["train_present"] == 18
    keys = ("bus", "zebra", "bat", "ac_wall")
    missing = {"bat/4", "bat/9", "ac_wall/4", "ac_wall/9"}
    assert benchmark.present == {f"{key}/{n}" for key in keys for n in range(1, 11)} - missing
    assert all(check.passed for check in verify_benchmark(benchmark, 1))

    shutil.rmtree(root / "bat")
    shutil.rmtree(root / "ac_wall")
    Image.new("L", (224, 224), 1).save(root / "zebra" / "1.png")
    fault = f"{root / 'zebra' / '1.png'} holds only 0 and 1, expected 0 and 255: mend the files"
    assert refused(root, tmp_path / "broken", partial=True).endswith(fault)
    assert refused(root, tmp_path / "broken").startswith(
        f"{root}: {MISSING}; and 1 of 10000 samples cannot be used: {fault}, add what is missing, or build "
    )
    (root / "bus").rename(root / "abacus")
    shutil.rmtree(root / "zebra")
    assert "not one sample of the 240 tested classes is present" in refused(root, tmp_path / "none", partial=True)


def test_own_classes_have_a_name_and_a_title_of_their_own(own: Path, tmp_path: Path) -> None:
    benchmark = fss1000.build(own, tmp_path / "out", tmp_path / "classes.txt", workers=2)
    assert (benchmark.lists.name, benchmark.builder) == ("fss-1000-classes", "fss-1000")
    assert benchmark.title == "FSS-1000 layout [3 own classes]"
    assert [(c.id, c.name) for c in benchmark.lists.classes] == [(0, "bus"), (1, "sea lion"), (2, "Äpfel")]
    assert benchmark.counts == {"val_present": 30, "val_total": 30}
    assert benchmark.lists.lists() == {
        "val-foldtest": tuple((s, c) for c, key in enumerate(("bus", "sea_lion", "Äpfel")) for s in sample_ids(key))
    }
    checks = {check.name: check.passed for check in verify_benchmark(benchmark, 1)}
    assert all(checks.values())
    assert "own lists" in checks
    record = fsbench.evaluate("foreground", benchmark, protocol="hsnet", shots=1, out=tmp_path / "results")
    shares = np.array(benchmark.areas["val-foldtest"]).reshape(3, 10).mean(axis=1) / 224**2
    assert record.folds["test"].miou == pytest.approx(shares.mean(), abs=0.002)
    assert record.benchmark.title == "FSS-1000 layout [3 own classes]"
    lseg = draw(benchmark.lists, "test", PROTOCOLS["lseg"], 1, 0)
    assert len(lseg.questions) == 27
    assert {question.supports[0][0].partition("/")[2] for question in lseg.questions} == {"1"}


def test_own_classes_may_be_partial(own: Path, tmp_path: Path) -> None:
    Image.new("RGB", (640, 550)).save(own / "sea_lion" / "2.jpg")
    message = refused(own, tmp_path / "out", tmp_path / "classes.txt")
    fault = f"{own / 'sea_lion' / '2.png'} is 224 x 224, its photograph 550 x 640"
    assert f"1 of 30 samples cannot be used: {fault}" in message
    shutil.rmtree(own / "bus")
    (own / "sea_lion" / "2.png").unlink()
    message = refused(own, tmp_path / "out", tmp_path / "classes.txt")
    assert "1 of 3 tested classes have no folder (bus); and 1 of 30 samples cannot be used" in message
    benchmark = fss1000.build(own, tmp_path / "out", tmp_path / "classes.txt", partial=True)
    assert benchmark.title == "FSS-1000 layout [3 own classes] [partial 19/30]"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"bus\nB\xe4r\n", "is not UTF-8 (byte 5 is 0xe4): save the class file as UTF-8"),
        (b"\n  \n", "names nothing, expected a class file with a name a line"),
        (b"bus\n\nbus\n", "line 3: 'bus' is on line 1 already: name it once"),
        (b"a/bus\n", "line 1: 'a/bus' is not a class folder's name: give the bare name, without a path"),
        (b"..\n", "line 1: '..' is not a class folder's name"),
        (b"a..b\n", "line 1: 'a..b' must not hold ',', white space or '..'"),
        (b"red bus\n", "line 1: 'red bus' must not hold ',', white space or '..', since it is part of sample ids"),
        (b"bus,car\n", "line 1: 'bus,car' must not hold ','"),
        (b"bus|car\n", "line 1: 'bus|car' is not a name: use printable words without '|'"),
        (b"bus\x00\n", "line 1: 'bus\\x00' is not a name"),
        (b"___\n", "line 1: '___' is not a name"),
        (b"x" * 101, "has 101 characters, expected at most 100"),
        (b"x" * 1_000_001, "is larger than 1000000 bytes"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_class_file_that_cannot_be_used(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "classes.txt").write_bytes(content)
    message = refused(tmp_path, tmp_path / "out", tmp_path / "classes.txt")
    assert message.startswith(f"{tmp_path / 'classes.txt'}")
    assert expected in message


def test_on_the_command_line_with_a_class_file_of_another_system(own: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes("\ufeffbus\r\nÄpfel\r\n".encode())
    arguments = ("build", "fss-1000", "--root", own, "--out", tmp_path / "out", "--workers", "1")
    done = run(*arguments, "--classes", tmp_path / "classes.txt")
    assert (done.code, done.out.splitlines()[0]) == (0, "built FSS-1000 layout [2 own classes]")
    refused = run(*arguments)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert MISSING in refused.err
