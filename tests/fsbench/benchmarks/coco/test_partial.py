"""Photographs that cannot be read, and what a build of COCO-20i remarks on standard error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsbench.benchmarks.coco import coco20i, coco20i_contiguous
from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.benchmarks.coco import raw as coco_raw
from fsbench.benchmarks.coco.coco20i import MaskRule
from fsbench.benchmarks.coco.remarks import Unreadable, skipped_remark, unreadable_remark
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import open_benchmark
from tests.fsbench.benchmarks.small_coco import IDS, SIZE, file, said, save, small_coco

SAMPLES = [coco_lists.sample_of_image_id()[image_id] for image_id in IDS]
BROKEN_SAMPLE = "train2014/COCO_train2014_000000167126"
BUILDERS = (coco20i.build, coco20i_contiguous.build)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) * 2 // 3],
    "without an end": lambda data: data[:-2],
    "empty": lambda data: b"",
    "a page": lambda data: b"<html>404</html>",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_coco(tmp_path / "coco")


@pytest.fixture
def few_lists(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The published lists cut to the small COCO's samples and one of train, so that a build can be a whole one."""
    keep = {*SAMPLES, BROKEN_SAMPLE}
    samples = coco_lists.samples
    monkeypatch.setattr(coco_lists, "samples", lambda split: tuple(s for s in samples(split) if s in keep))
    return [*SAMPLES, BROKEN_SAMPLE]


def photograph(root: Path, sample: str = SAMPLES[0]) -> Path:
    return root / f"{sample}.jpg"


def with_broken_sample(root: Path, *, year: str) -> Path:
    """The image of which old archives hold a broken copy, added to the small COCO under its name of a year; broken."""
    if year == "2017":
        (root / "val2014").rename(root / "val2017")
        value = said(root)
        for image in value["images"]:
            image["file_name"] = image["file_name"].removeprefix("COCO_val2014_")
            (root / "val2017" / f"COCO_val2014_{image['file_name']}").rename(root / "val2017" / image["file_name"])
        file(root).unlink()
        (root / "annotations" / "instances_val2017.json").write_text(json.dumps(value))
    else:
        value = said(root)
    name = "COCO_train2014_000000167126.jpg" if year == "2014" else "000000167126.jpg"
    image = {"id": 167126, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
    of_train = {**value, "images": [image], "annotations": []}
    (root / "annotations" / f"instances_train{year}.json").write_text(json.dumps(of_train))
    (root / f"train{year}").mkdir()
    first = next((root / f"val{year}").iterdir())
    path = root / f"train{year}" / name
    path.write_bytes(first.read_bytes()[:300])
    return path


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_photograph_that_cannot_be_read_counts_as_missing(root: Path, damage: str) -> None:
    whole = coco_raw.read_coco(root, MaskRule.UNION, None, partial=True, workers=1)
    path = photograph(root)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    raw = coco_raw.read_coco(root, MaskRule.UNION, None, partial=True, workers=1)
    assert {s.id for s in whole.samples if s.present} - {s.id for s in raw.samples if s.present} == {SAMPLES[0]}
    assert [row for row in whole.rows if row.sample != SAMPLES[0]] == list(raw.rows)
    assert [(left.sample, left.path) for left in raw.unreadable] == [(SAMPLES[0], path)]
    assert str(raw.unreadable[0].error).startswith(f"{path}: cannot be read (")


@pytest.mark.parametrize("build", BUILDERS)
def test_partial_leaves_it_out_and_says_so_once(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], build: Any
) -> None:
    for sample in SAMPLES[:2]:
        photograph(root, sample).write_bytes(photograph(root, sample).read_bytes()[:200])
    built = build(root, tmp_path / "b", partial=True, workers=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fsbench: 2 photographs cannot be read and are left out")
    assert all(str(photograph(root, sample)) in line for sample in SAMPLES[:2])
    assert built.present == set(SAMPLES[2:])
    assert built.counts["val_present"] == len(SAMPLES) - 2
    for name, pairs in built.lists.lists().items():
        for (sample, _), area in zip(pairs, built.areas[name], strict=True):
            assert (area >= 0) == (sample in SAMPLES[2:]), (name, sample)
    assert [check for check in verify_benchmark(built, 1) if not check.passed] == []
    assert capsys.readouterr().err == ""


def test_many_are_counted_and_the_first_are_named() -> None:
    many = [Unreadable(f"val2014/{n}", Path(f"COCO/val2014/{n}.jpg"), FsbenchError("cannot be read")) for n in "abcde"]
    assert unreadable_remark(many) == (
        "5 photographs cannot be read and are left out, first COCO/val2014/a.jpg, COCO/val2014/b.jpg, "
        "COCO/val2014/c.jpg: fetch them again and rebuild"
    )
    assert unreadable_remark(many[:1]) == (
        "1 photograph cannot be read and is left out: COCO/val2014/a.jpg: fetch it again and rebuild"
    )
    assert skipped_remark({Path("a.json"): (5, 9, 12, 13), Path("b.json"): (7,)}) == (
        "5 annotations hold polygons of fewer than three points; these have no area and are skipped: "
        "a.json (first 5, 9, 12), b.json (7)"
    )
    assert skipped_remark({Path("b.json"): (7,)}).startswith("1 annotation holds polygons")


@pytest.mark.usefixtures("few_lists")
@pytest.mark.parametrize("year", ["2014", "2017"])
@pytest.mark.parametrize("build", BUILDERS)
def test_without_partial_the_error_says_what_helps(root: Path, tmp_path: Path, build: Any, year: str) -> None:
    broken = with_broken_sample(root, year=year)
    with pytest.raises(FsbenchError) as caught:
        build(root, tmp_path / "b", workers=1)
    text = str(caught.value)
    assert text.startswith(f"{broken}: cannot be read (")
    assert "fetch the file again, or leave it out with --partial" in text
    assert "old archives of train2014 hold a broken copy" in text
    assert "the one COCO serves today is whole" in text
    assert "\n" not in text
    assert not (tmp_path / "b" / "benchmark.json").exists()


@pytest.mark.usefixtures("few_lists")
def test_another_photograph_is_not_said_to_be_broken_in_old_archives(root: Path, tmp_path: Path) -> None:
    broken = with_broken_sample(root, year="2014")
    broken.write_bytes(photograph(root).read_bytes())
    path = photograph(root)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FsbenchError, match=r"leave it out with --partial$") as caught:
        coco20i.build(root, tmp_path / "b", workers=1)
    assert str(caught.value).startswith(f"{path}: cannot be read (")
    assert "archive" not in str(caught.value)


def test_the_known_broken_copy_is_explained_with_partial_as_well(root: Path, few_lists: list[str]) -> None:
    with_broken_sample(root, year="2017")
    raw = coco_raw.read_coco(root, MaskRule.UNION, None, partial=True, workers=1)
    line = unreadable_remark(raw.unreadable)
    assert "train2017/000000167126.jpg" in line
    assert "old archives of train2014 hold a broken copy" in line
    assert few_lists[-1] in [left.sample for left in raw.unreadable]


def test_a_photograph_of_another_size_is_an_error_with_partial_too(root: Path) -> None:
    value = said(root)
    value["images"][0]["height"] += 1
    save(root, {**value, "annotations": []})
    path = root / "val2014" / value["images"][0]["file_name"]
    with pytest.raises(FsbenchError, match=rf"{path}: is 96 x 120 \(height x width\), but annotated as 97 x 120"):
        coco_raw.read_coco(root, MaskRule.UNION, None, partial=True, workers=1)


def test_no_val_photograph_that_can_be_read_is_an_error_that_names_one(root: Path) -> None:
    for sample in SAMPLES:
        photograph(root, sample).write_bytes(b"")
    with pytest.raises(FsbenchError, match=rf"not one val .* first {photograph(root, min(SAMPLES))}: cannot be read"):
        coco_raw.read_coco(root, MaskRule.UNION, None, partial=True, workers=1)


def test_skipped_annotations_are_remarked_on_once(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = said(root)
    odd = [{**value["annotations"][0], "id": 40 + n, "segmentation": s} for n, s in enumerate(([], [[1, 2]], [1, 2]))]
    save(root, {**value, "annotations": [*value["annotations"], *odd]})
    built = coco20i.build(root, tmp_path / "b", partial=True, workers=1)
    assert capsys.readouterr().err.splitlines() == [
        "fsbench: 3 annotations hold polygons of fewer than three points; these have no area and are skipped: "
        f"{file(root)} (40, 41, 42)"
    ]
    assert [check for check in verify_benchmark(built, 1) if not check.passed] == []


def test_a_photograph_restored_after_a_partial_build_leaves_the_benchmark_as_it_was(root: Path, tmp_path: Path) -> None:
    path = photograph(root)
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    coco20i.build(root, tmp_path / "b", partial=True, workers=1)
    path.write_bytes(whole)
    again = open_benchmark(tmp_path / "b")
    assert SAMPLES[0] not in again.present
    assert [check for check in verify_benchmark(again, 1) if not check.passed] == []


def test_errors_name_the_file_not_only_the_folder(root: Path, tmp_path: Path) -> None:
    value = said(root)
    save(root, {**value, "annotations": value["annotations"][1:]})
    with pytest.raises(
        FsbenchError, match=rf"^{file(root)}: the masks do not give the published lists \(1 pairs differ"
    ):
        coco20i.build(root, tmp_path / "b", partial=True, workers=1)
    with pytest.raises(FsbenchError, match=r"first val2014/COCO_val2014_\d+ \(not in instances_val2014\.json\)"):
        coco20i.build(root, tmp_path / "b", workers=1)
