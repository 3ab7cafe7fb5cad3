"""A benchmark of a user's own photographs and label maps: what it asks, what it refuses, and what it proves."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import fsbench
from fsbench.benchmarks.own import folder
from fsbench.benchmarks.own.classes import read_folds
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.index.fold_lists import ClassName
from tests import ROOT
from tests.command import run
from tests.kills import contents
from tests.refusals import refusal

PAGE = ROOT / "docs" / "own-data.md"
SIZE = (20, 30)
CLASSES = "cat\nwild_boar\npottedplant\tpotted plant\n"
VALUES: dict[str, tuple[int, ...]] = {
    "a": (1,),
    "b": (1, 2),
    "c": (1, 255),
    "d": (2, 3),
    "sub/e": (3, 255),
    "sub/f": (),
    "sub/deep/g": (255,),
    "h": (1, 2, 3),
}
"""Sample -> the values of its label map, each a stripe."""


class Own(NamedTuple):
    """The input of a user: two folders and two text files."""

    images: Path
    masks: Path
    classes: Path
    folds: Path


def label_map(sample: str) -> np.ndarray:
    values = VALUES[sample]
    mask = np.zeros(SIZE, np.uint8)
    for place, value in enumerate(values):
        mask[2 + place * 5 : 2 + place * 5 + 3 + value % 3, 4:25] = value
    return mask


def write_own(where: Path) -> Own:
    own = Own(where / "photos", where / "masks", where / "classes.txt", where / "folds.txt")
    for place, (sample, suffix) in enumerate(zip(VALUES, (".jpg", ".jpeg", ".png", ".JPG") * 2, strict=True)):
        for root in (own.images, own.masks):
            (root / sample).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1], (20 * place, 99, 10)).save(own.images / f"{sample}{suffix}")
        picture = Image.fromarray(label_map(sample))
        if place % 2:
            picture.putpalette(bytes(range(256)) * 3)
        picture.save(own.masks / f"{sample}.png")
    own.classes.write_text(CLASSES)
    own.folds.write_text("pottedplant\tlate\ncat\tearly\n\nwild_boar\tearly\n")
    (own.images / ".DS_Store").write_bytes(b"x")
    (own.images / "._a.jpg").write_bytes(b"x")
    (own.masks / "readme.txt").write_text("x")
    return own


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return write_own(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    own = write_own(tmp_path_factory.mktemp("own"))
    return folder.build(own.images, own.masks, own.classes, own.folds, own.images.parent / "out", "mine", 2)


def refused(own: Own, name: str | None = "mine", folds: bool = False) -> str:
    out, fold_file = own.images.parent / "out", own.folds if folds else None
    message = refusal(folder.build, own.images, own.masks, own.classes, fold_file, out, name, 1)
    assert not (out / "benchmark.json").exists()
    return message


def test_every_pair_with_a_pixel_of_the_class_is_asked(built: Benchmark) -> None:
    expected = sorted(
        (sample, int(value) - 1) for sample in VALUES for value in np.unique(label_map(sample)) if 0 < value < 255
    )
    assert sorted(pair for pairs in built.lists.val.values() for pair in pairs) == expected
    assert built.lists.folds == {"late": (2,), "early": (0, 1)}
    assert list(built.lists.val["early"]) == [pair for pair in expected if pair[1] < 2]
    assert built.lists.train == {"all": built.lists.val}
    assert {pair[1] for pair in built.lists.training("early", "all")} == {2}
    assert [(c.id, c.name) for c in built.lists.classes] == [(0, "cat"), (1, "wild boar"), (2, "potted plant")]
    assert (built.title, built.partial, built.builder, built.mask_format) == ("mine", False, "folder", "label-map")
    assert built.counts == {"val_present": 8, "val_total": 8}
    assert list(built.samples) == sorted(VALUES)


def test_areas_truths_and_photographs(built: Benchmark) -> None:
    for name, pairs in built.lists.lists().items():
        for (sample, class_id), area in zip(pairs, built.areas[name], strict=True):
            expected = label_map(sample)
            assert area == np.count_nonzero(expected == class_id + 1) > 0
            true = np.select([expected == class_id + 1, expected == 255], [1, 255], 0)
            assert np.array_equal(built.truth(sample, class_id), true)
    assert built.image("sub/e").shape == (*SIZE, 3)
    assert np.array_equal(built.labels("h", [2, 0]), np.select([label_map("h") == 3, label_map("h") == 1], [1, 2], 0))


def test_it_is_evaluated_and_verified(built: Benchmark, tmp_path: Path) -> None:
    checks = {check.name: check for check in verify_benchmark(built)}
    assert [check for check in checks.values() if not check.passed] == []
    assert {"samples readable", "rebuilt lists", "masks", "areas", "sources"} <= set(checks)
    record = fsbench.evaluate("foreground", built, shots=1, out=tmp_path)
    assert list(record.folds) == ["late", "early"]
    assert record.benchmark.name == "mine"
    asked = [np.mean([(label_map(s) == 3).sum() for s in "dh"]), (label_map("sub/e") == 3).sum()]
    seen = 2 * asked[0] + asked[1]
    valid = 3 * 600 - (label_map("sub/e") == 255).sum()
    assert record.folds["late"].miou == pytest.approx(seen / valid)


def test_defaults_are_one_fold_the_name_of_the_folder_and_fsbench_home(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path / "home"))
    folder.build(own.images, own.masks, own.classes)
    benchmark = open_benchmark("photos")
    assert benchmark.folder == tmp_path / "home" / "photos"
    assert benchmark.lists.folds == {"all": (0, 1, 2)}
    assert benchmark.lists.train == {}
    assert all(check.passed for check in verify_benchmark(benchmark, 1))


def test_any_number_of_workers_gives_the_same_folder(own: Own, tmp_path: Path) -> None:
    for workers in (1, 3):
        folder.build(own.images, own.masks, own.classes, own.folds, tmp_path / f"{workers}", "mine", workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")


def test_verify_names_what_changed(own: Own, tmp_path: Path) -> None:
    benchmark = folder.build(own.images, own.masks, own.classes, out=tmp_path / "out")
    mask = label_map("b")
    mask[mask == 2] = 3
    Image.fromarray(mask).save(own.masks / "b.png")
    failed = {check.name: check.said for check in verify_benchmark(benchmark, 1) if not check.passed}
    assert set(failed) == {"sources", "rebuilt lists", "masks", "areas"}
    assert failed["rebuilt lists"] == "all: b wild_boar; all: b pottedplant"
    (own.masks / "b.png").unlink()
    failed = {check.name: check.said for check in verify_benchmark(benchmark, 1) if not check.passed}
    assert str(own.masks / "b.png") in failed["samples readable"]


DAMAGE: dict[str, Callable[[Own], object]] = {
    "rgb": lambda own: Image.new("RGB", SIZE[::-1]).save(own.masks / "d.png"),
    "value": lambda own: Image.fromarray(np.where(label_map("d") > 0, np.uint8(4), 0)).save(own.masks / "d.png"),
    "size": lambda own: Image.fromarray(label_map("d")[:-1]).save(own.masks / "d.png"),
    "cut": lambda own: (own.images / "a.jpg").write_bytes((own.images / "a.jpg").read_bytes()[:-40]),
    "no mask": lambda own: (own.masks / "d.png").unlink(),
    "no photograph": lambda own: (own.images / "sub" / "e.jpg").unlink(),
    "two": lambda own: Image.new("RGB", SIZE[::-1]).save(own.images / "a.webp"),
    "copy": lambda own: [
        shutil.copy(path, path.with_stem("z")) for path in (own.images / "a.jpg", own.masks / "a.png")
    ],
}


def rename(own: Own, to: str) -> None:
    (own.images / "a.jpg").rename(own.images / f"{to}.jpg")
    (own.masks / "a.png").rename(own.masks / f"{to}.png")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("rgb", "{masks}/d.png: is an image of mode RGB, expected a mask of mode P or L"),
        ("value", "{masks}/d.png holds the value 4, but the classes are 1 to 3 (0 and 255 aside)"),
        ("size", "{masks}/d.png is 19 x 30, its photograph 20 x 30"),
        ("cut", "{images}/a.jpg: cannot be read"),
        ("no mask", "{images}/d.JPG has no mask {masks}/d.png"),
        ("no photograph", "{masks}/sub/e.png is a mask without a photograph"),
        ("two", "a.jpg and a.webp have the same id 'a'"),
        ("copy", "z is the same photograph as a: a support must not show its query"),
        ("my cat", "sample id 'my cat': must not be empty or hold '|', ',', white space or '..'"),
        ("x,y", "sample id 'x,y': must not"),
        ("x|y", "sample id 'x|y': must not"),
        ("x..y", "sample id 'x..y': must not"),
        ("x\x1by", "sample id 'x\\x1by' holds signs that cannot be printed: rename the file"),
    ],
)
def test_a_fault_of_the_files_is_one_line(own: Own, damage: str, expected: str) -> None:
    if damage in DAMAGE:
        DAMAGE[damage](own)
    else:
        rename(own, damage)
    message = refused(own)
    assert message.startswith(f"{own.images}: 1 of ")
    assert expected.format(images=own.images, masks=own.masks) in message
    assert message.endswith(": mend the files and build again")


def test_all_faults_are_counted(own: Own) -> None:
    rename(own, "x y")
    for sample in "bcdh":
        (own.masks / f"{sample}.png").unlink()
    DAMAGE["no photograph"](own)
    message = refused(own)
    assert message.startswith(f"{own.images}: 6 of 8 samples cannot be used: {own.images / 'b.jpeg'} has no mask")
    assert "; and 1 more: mend the files and build again" in message


def test_a_class_needs_a_second_photograph(own: Own) -> None:
    own.classes.write_text(CLASSES + "yak\n")
    assert refused(own).startswith(
        f"{own.classes}: 1 of 4 classes have fewer than 2 photographs, first 'yak' (label value 4, 0): 1-shot needs"
    )
    Image.fromarray(np.full(SIZE, 4, np.uint8)).save(own.masks / "a.png")
    assert "first 'yak' (label value 4, 1)" in refused(own)


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("classes", b"cat\nB\xe4r\n", "is not UTF-8 (byte 5 is 0xe4): save the class file as UTF-8"),
        ("classes", b"", "names nothing, expected a class file with a name a line"),
        ("classes", b"cat\ndog\ncat\n", "line 3: class 'cat' is named twice: a class has one label value"),
        ("classes", b"c|at\n", "line 1: 'c|at' is not a name: use printable words without '|'"),
        ("classes", b"cat\ta\tb\n", "line 1: 'a\\tb' is not a name"),
        ("classes", b"\n".join(b"c%d" % n for n in range(255)), "names 255 classes, expected at most 254: values are"),
        ("folds", b"cat\ta\nyak\tb\n", "line 2: class 'yak' is not in the class file: name its classes alone"),
        ("folds", b"cat\ta\nwild_boar\tb\n", "1 classes have no fold, first 'pottedplant': add a line for each"),
        ("folds", b"cat\ta\ncat\tb\n", "line 2: class 'cat' has a fold already: name it once"),
        ("folds", b"cat a\n", "line 1: 'cat a': expected class, tab, fold"),
        ("folds", b"cat\tall\n", "line 1: 'cat\\tall': expected class, tab, fold"),
        ("folds", b"cat\ta,b\n", "line 1: 'cat\\ta,b': expected class, tab, fold"),
    ],
)
def test_a_class_or_fold_file_that_cannot_be_used(own: Own, file: str, content: bytes, expected: str) -> None:
    path: Path = getattr(own, file)
    path.write_bytes(content)
    message = refused(own, folds=file == "folds")
    assert message.startswith(str(path))
    assert expected in message


@given(st.lists(st.sampled_from(["x", "y", "z-1"]), min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_folds_part_the_classes(tmp_path_factory: pytest.TempPathFactory, dealt: list[str], shuffler) -> None:  # type: ignore[no-untyped-def]
    classes = [ClassName(i, f"c{i}", f"c{i}") for i in range(len(dealt))]
    lines = [f"c{i}\t{fold}" for i, fold in enumerate(dealt)]
    shuffler.shuffle(lines)
    path = tmp_path_factory.mktemp("folds") / "folds.txt"
    path.write_text("\n".join(lines))
    folds = read_folds(path, classes)
    assert folds == {fold: tuple(i for i, of in enumerate(dealt) if of == fold) for fold in set(dealt)}
    assert list(folds) == list(dict.fromkeys(line.split("\t")[1] for line in lines))


def test_names_of_other_benchmarks_and_impossible_ones_are_refused(own: Own) -> None:
    for name in ("toy", "folder", "pascal-5i", "fss-1000-classes", "coco-20i"):
        assert refused(own, name) == f"{name!r} is the name of another benchmark: give your own with --name"
    for name in ("", "My Data", "-x", "a/b", "..", "x..y", "ä", "x" * 81):
        assert refused(own, name).startswith(f"{name!r} cannot be a benchmark's name: give one of a-z 0-9 . _ -")


def test_folders_that_cannot_be_used(own: Own, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty2").mkdir()
    assert refused(own._replace(images=tmp_path / "gone")).endswith("--images")
    assert refused(own._replace(masks=tmp_path / "gone")).endswith("--masks")
    assert "holds no photograph" in refused(own._replace(images=tmp_path / "empty", masks=tmp_path / "empty2"))
    for masks in (own.images, own.images / "sub"):
        assert "must be separate folders" in refused(own._replace(masks=masks))


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/own-data.md, from its script that makes data to its last command."""
    page = PAGE.read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path / "home"))
    exec(compile(script, str(PAGE), "exec"), {"__name__": "example"})
    for name, text in re.findall(r"`(\w+\.txt)`:\n\n```text\n(.*?)```", page, flags=re.DOTALL):
        assert (tmp_path / name).read_text() == text
    block = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)[0].replace("\\\n", " ")
    commands = [shlex.split(line, comments=True)[1:] for line in block.splitlines() if line.startswith("fsbench ")]
    assert [command[0] for command in commands] == ["build", "verify", "evaluate"]
    built, verified, evaluated = (run(*command) for command in commands)
    assert (built.code, verified.code, evaluated.code) == (0, 0, 0), built.err + verified.err + evaluated.err
    assert built.out.splitlines()[0] == "built fruit"
    assert "FAILED" not in verified.out
    assert "fruit" in evaluated.out
    assert (tmp_path / "home" / "fruit" / "benchmark.json").is_file()
