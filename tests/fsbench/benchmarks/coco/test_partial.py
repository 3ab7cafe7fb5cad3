"""Photographs that cannot be read, and what a build of COCO-20i reports on standard error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fsbench.benchmarks.coco import coco20i, coco20i_contiguous
from fsbench.benchmarks.coco import raw as coco_raw
from fsbench.benchmarks.coco.coco20i import MaskRule
from fsbench.benchmarks.coco.remarks import Unreadable, skipped_remark, unreadable_remark
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import open_benchmark
from tests.fsbench.benchmarks.coco.conftest import BROKEN_SAMPLE
from tests.fsbench.benchmarks.small_coco import SAMPLES, SIZE, build, content, file, save
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("few_lists")


def photograph(root: Path, sample: str = SAMPLES[0]) -> Path:
    return root / f"{sample}.jpg"


def read(root: Path) -> coco_raw.Raw:
    return coco_raw.read_coco(root, MaskRule.UNION, None, partial=True, workers=1)


def with_broken_sample(root: Path, year: str) -> Path:
    """The image of which old archives hold a broken copy, added to the small COCO under its name of a year; broken."""
    value = content(root)
    if year == "2017":
        (root / "val2014").rename(root / "val2017")
        for image in value["images"]:
            old = root / "val2017" / image["file_name"]
            image["file_name"] = image["file_name"].removeprefix("COCO_val2014_")
            old.rename(root / "val2017" / image["file_name"])
        file(root).unlink()
        (root / "annotations" / "instances_val2017.json").write_text(json.dumps(value))
    name = "COCO_train2014_000000167126.jpg" if year == "2014" else "000000167126.jpg"
    image = {"id": 167126, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
    of_train = {**value, "images": [image], "annotations": []}
    (root / "annotations" / f"instances_train{year}.json").write_text(json.dumps(of_train))
    (root / f"train{year}").mkdir()
    path = root / f"train{year}" / name
    path.write_bytes(next((root / f"val{year}").iterdir()).read_bytes()[:300])
    return path


@pytest.mark.parametrize("cut", [slice(0, 400), slice(-2), slice(0), None])
def test_a_photograph_that_cannot_be_read_counts_as_missing(root: Path, cut: slice | None) -> None:
    whole, path = read(root), photograph(root)
    path.write_bytes(b"<html>404</html>" if cut is None else path.read_bytes()[cut])
    raw = read(root)
    assert {s.id for s in whole.samples if s.present} - {s.id for s in raw.samples if s.present} == {SAMPLES[0]}
    assert [row for row in whole.rows if row.sample != SAMPLES[0]] == list(raw.rows)
    assert [(photo.sample, photo.path) for photo in raw.unreadable] == [(SAMPLES[0], path)]
    assert str(raw.unreadable[0].error).startswith(f"{path}: cannot be read (")


@pytest.mark.parametrize("builder", [coco20i.build, coco20i_contiguous.build])
def test_partial_leaves_it_out_and_reports_it_once(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], builder: Any
) -> None:
    whole = photograph(root).read_bytes()
    for sample in SAMPLES[:2]:
        photograph(root, sample).write_bytes(photograph(root, sample).read_bytes()[:200])
    built = builder(root, tmp_path / "b", partial=True, workers=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fsbench: 2 photographs cannot be read and are left out")
    assert all(str(photograph(root, sample)) in line for sample in SAMPLES[:2])
    assert built.present == set(SAMPLES[2:])
    assert built.counts["val_present"] == len(SAMPLES) - 2
    for name, pairs in built.lists.lists().items():
        for (sample, _), area in zip(pairs, built.areas[name], strict=True):
            assert (area >= 0) == (sample in SAMPLES[2:]), (name, sample)
    photograph(root).write_bytes(whole)  # a photograph that is restored later changes nothing
    again = open_benchmark(tmp_path / "b")
    assert again.present == built.present
    assert [check for check in verify_benchmark(again, 1) if not check.passed] == []


def test_remarks_are_one_line_each() -> None:
    photographs = [Unreadable(f"val2014/{n}", Path(f"val2017/{n}.jpg"), FsbenchError("x")) for n in range(5)]
    assert unreadable_remark(photographs[:1]) == (
        "1 photograph cannot be read and is left out: val2017/0.jpg: fetch it again and rebuild"
    )
    assert unreadable_remark(photographs) == (
        "5 photographs cannot be read and are left out, first val2017/0.jpg, val2017/1.jpg, val2017/2.jpg: "
        "fetch them again and rebuild"
    )
    skipped = {Path("a.json"): (4, 7), Path("b.json"): (1, 2, 3, 4)}
    tail = "polygons of fewer than three points; these have no area and are skipped"
    assert skipped_remark(skipped) == f"6 annotations hold {tail}: a.json (4, 7), b.json (first 1, 2, 3)"
    assert skipped_remark({Path("a.json"): (4,)}) == f"1 annotation holds {tail}: a.json (4)"


@pytest.mark.parametrize("year", ["2014", "2017"])
def test_the_known_broken_copy_is_explained(root: Path, tmp_path: Path, year: str) -> None:
    broken = with_broken_sample(root, year)
    text = refusal(build, root, tmp_path / "b", partial=False)
    assert text.startswith(f"{broken}: cannot be read (")
    assert "fetch the file again, or leave it out with --partial" in text
    assert "old archives of train2014 hold a broken copy" in text
    assert "the one COCO serves today is whole" in text
    assert not (tmp_path / "b" / "benchmark.json").exists()
    raw = read(root)
    assert [photo.sample for photo in raw.unreadable] == [BROKEN_SAMPLE]
    assert f"{broken.name}: old archives of train2014 hold a broken copy" in unreadable_remark(raw.unreadable)


def test_another_broken_photograph_has_no_such_explanation(root: Path, tmp_path: Path) -> None:
    with_broken_sample(root, "2014").write_bytes(photograph(root).read_bytes())
    path = photograph(root)
    path.write_bytes(path.read_bytes()[:-40])
    text = refusal(build, root, tmp_path / "b", partial=False)
    assert text.startswith(f"{path}: cannot be read (")
    assert text.endswith("leave it out with --partial")
    assert "archive" not in text


def test_errors_with_partial_too(root: Path) -> None:
    value = content(root)
    path = root / "val2014" / value["images"][0]["file_name"]
    taller = {**value["images"][0], "height": SIZE[0] + 1}
    save(root, {**value, "images": [taller, *value["images"][1:]], "annotations": []})
    assert f"{path}: is 96 x 120 (height x width), but annotated as 97 x 120" in refusal(read, root)
    save(root, value)
    for sample in SAMPLES:
        photograph(root, sample).write_bytes(b"")
    with pytest.raises(FsbenchError, match=rf"not one val .* first {photograph(root, min(SAMPLES))}: cannot be read"):
        read(root)


def test_skipped_annotations_are_reported_once(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = content(root)
    odd = [{**value["annotations"][0], "id": 40 + n, "segmentation": s} for n, s in enumerate(([], [[1, 2]], [1, 2]))]
    save(root, {**value, "annotations": [*value["annotations"], *odd]})
    built = build(root, tmp_path / "b")
    assert capsys.readouterr().err.splitlines() == [
        "fsbench: 3 annotations hold polygons of fewer than three points; these have no area and are skipped: "
        f"{file(root)} (40, 41, 42)"
    ]
    assert [check for check in verify_benchmark(built, 1) if not check.passed] == []
