"""The contact sheet: which samples are shown, what is painted on them, how names are written, and every refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fsbench.cli.show import show
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.io.palette import COLOURS, colour_of
from fsbench.pictures.captions import ELLIPSIS, Field, fields, typeface, wrapped
from fsbench.pictures.contact_sheet import MOST, contact_sheet, pick
from fsbench.pictures.painted_labels import fitted, paint
from mosaic4.benchmark import build as build_mosaics
from tests.mosaic4.drawn_folders import KEYS, draw_folders

FONT = typeface(15)
GROUND = (20, 60, 100)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})  # neither time nor path
        return np.asarray(image)


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == np.array(colour, np.uint8)).all(axis=-1)


def refused(benchmark: Benchmark, out: Path, n: int = 12, fold: str | None = None) -> str:
    before = sorted(out.parent.iterdir()) if out.parent.is_dir() else None
    with pytest.raises(FsbenchError) as error:
        show(str(benchmark.folder), out, n, fold)
    assert before is None or sorted(out.parent.iterdir()) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def without(benchmark: Benchmark, missing: set[str]) -> Benchmark:
    samples = {
        name: replace(sample, image=None, mask=None) if name in missing else sample
        for name, sample in benchmark.samples.items()
    }
    return replace(benchmark, samples=samples, partial=True)


def test_a_sheet_is_deterministic(small: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(str(small.folder), tmp_path / "a.png", fold="all")
    assert capsys.readouterr().out == f"{tmp_path / 'a.png'}: 12 of 80 val samples\n"
    assert contact_sheet(small, tmp_path / "b.PNG", workers=5) == (12, 80)
    assert (tmp_path / "b.PNG").read_bytes() == (tmp_path / "a.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    assert has(pixels(tmp_path / "a.png"), colour_of(0)).sum() > 12 * 200


def test_samples_come_from_every_part_of_the_list(small: Benchmark) -> None:
    order = [sample for fold in "0123" for sample, _ in small.lists.val[fold]]
    for n in (1, 7, 12, 50, 79, 80):
        samples, present = pick(small, n)
        places = [order.index(one.sample) for one in samples]
        assert present == 80
        assert all(80 * i // n <= place < 80 * (i + 1) // n for i, place in enumerate(places))
    twelve = [one.sample for one in pick(small, 8)[0]]
    assert len({sample.rpartition("/")[2] for sample in twelve}) >= 5  # not the first of ten each time


def test_a_large_n_shows_every_sample(small: Benchmark, tmp_path: Path) -> None:
    assert contact_sheet(small, tmp_path / "all.png", n=200, fold="2") == (20, 20)
    assert [one.sample for one in pick(small, 200, "2")[0]] == [sample for sample, _ in small.lists.val["2"]]


def test_only_present_samples_are_shown(small: Benchmark, tmp_path: Path) -> None:
    kept = {"thing_00/3", "thing_05/1"}
    part = without(small, set(small.samples) - kept)
    assert {one.sample for one in pick(part, 12)[0]} == kept
    assert contact_sheet(part, tmp_path / "part.png") == (2, 2)
    with pytest.raises(FsbenchError, match=r"no val sample of fold 3 is present.*show another fold"):
        contact_sheet(part, tmp_path / "none.png", fold="3")
    with pytest.raises(FsbenchError, match="no val sample of any fold is present"):
        contact_sheet(without(small, set(small.samples)), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_refusals(small: Benchmark, tmp_path: Path) -> None:
    assert "has no fold '9'" in refused(small, tmp_path / "a.png", fold="9")
    assert "ends in .png" in refused(small, tmp_path / "a.jpg")
    (tmp_path / "folder.png").mkdir()
    assert "ends in .png" in refused(small, tmp_path / "folder.png")
    (tmp_path / "file").write_text("no folder")
    assert "choose another --out" in refused(small, tmp_path / "file" / "a.png")
    for n in (0, MOST + 1):
        assert f"{n} samples: expected 1 to {MOST}" in refused(small, tmp_path / "a.png", n=n)
    with pytest.raises(FsbenchError, match="no benchmark 'nonsense'"):
        show("nonsense", tmp_path / "a.png")


def test_a_missing_photograph_is_named_and_nothing_is_written(small: Benchmark, tmp_path: Path) -> None:
    moved = replace(small, roots={"root": tmp_path})
    with pytest.raises(FsbenchError, match=r"thing_0\d/\d+\.(jpg|png): cannot be read"):
        contact_sheet(moved, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_label_is_outlined_and_the_rest_paled() -> None:
    labels = np.zeros((100, 100), np.uint8)
    labels[20:60, 20:60] = 1
    labels[70:90, 20:60] = 255
    image = np.full((100, 100, 3), GROUND, np.uint8)
    painted = np.asarray(paint(image, labels, (100, 100), numbered=False))
    outline = np.zeros((100, 100), bool)
    outline[20:60, 20:60] = True
    outline[22:58, 22:58] = False
    assert np.array_equal(has(painted, colour_of(0)), outline)
    assert has(painted[22:58, 22:58], GROUND).all()  # as the photograph is
    pale = tuple((9 * value + 255 * 11) // 20 for value in GROUND)
    assert has(painted[:18], pale).all()
    assert has(painted[70:90, 20:60], (255, 255, 255)).mean() == pytest.approx(1 / 3, abs=0.02)  # hatched
    assert not has(painted[70:90, 20:60], pale).any()


def test_a_thin_void_rim_is_not_hatched() -> None:
    labels = np.zeros((60, 60), np.uint8)
    labels[20:25, :] = 255
    painted = np.asarray(paint(np.full((60, 60, 3), GROUND, np.uint8), labels, (60, 60), numbered=False))
    assert len(np.unique(painted[20:25].reshape(-1, 3), axis=0)) == 1
    assert (painted[20:25] != painted[0, 0]).all()


def test_twenty_classes_have_colours_and_tags_of_their_own() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == 21
    labels = np.zeros((400, 500), np.uint8)
    for place in range(20):
        top, left = place // 5 * 100, place % 5 * 100
        labels[top + 10 : top + 80, left + 10 : left + 80] = place + 1
    image = np.full((400, 500, 3), GROUND, np.uint8)
    numbered = np.asarray(paint(image, labels, (400, 500), numbered=True))
    for place in range(20):
        found = has(numbered, colour_of(place))
        assert found[labels == place + 1].sum() > 600
        assert not found[(labels != place + 1) & (labels > 0)].any()
        inside = found[place // 5 * 100 + 13 : place // 5 * 100 + 77, place % 5 * 100 + 13 : place % 5 * 100 + 77]
        assert inside.sum() > 100, "no tag"


@pytest.mark.parametrize(("height", "width"), [(60, 3000), (3000, 60), (6, 6), (1, 1)])
def test_any_shape_is_painted(height: int, width: int) -> None:
    labels = np.zeros((height, width), np.uint8)
    labels[height // 2 :, : width // 2 + 1] = 1
    labels[:1, -1:] = 2  # one pixel, which must not vanish
    size = fitted(height, width, (300, 300), 4.0)
    assert max(size) <= 300
    picture = paint(np.full((height, width, 3), GROUND, np.uint8), labels, size, numbered=True)
    assert (picture.height, picture.width) == size
    shown = {place for place in range(2) if has(np.asarray(picture), colour_of(place)).any()}
    assert shown == ({1} if height == 1 else {0, 1})


@given(st.text(st.sampled_from("ab Wm-_猫ä"), min_size=1, max_size=120), st.integers(30, 300), st.integers(1, 5))
def test_text_fits_its_column_and_is_cut_only_with_an_ellipsis(text: str, width: int, most: int) -> None:
    whole = wrapped(text, FONT, width, 10**6)
    lines = wrapped(text, FONT, width, most)
    assert len(lines) <= most
    assert all(FONT.getlength(line) <= width for line in (*whole, *lines))
    spelt = text.replace("猫", "<U+732B>").replace("ä", "<U+00E4>")
    assert "".join(whole).replace(" ", "") == spelt.replace(" ", "")
    if len(whole) <= most:
        assert lines == whole
    else:
        assert lines[:-1] == whole[: most - 1]
        assert lines[-1].endswith(ELLIPSIS)
        assert whole[most - 1].startswith(lines[-1][:-1])


def test_names_never_overlap() -> None:
    names = ["cat", "a very long name of a class " * 9, "w" * 90, "dog", *(f"class number {n}" for n in range(17))]
    drawn = np.asarray(fields([Field(name, colour_of(place)) for place, name in enumerate(names)], 15, 300, 4))
    assert drawn.shape[1] == 300
    owner = np.zeros(drawn.shape[:2], int)
    for place in range(len(names)):
        y, x = np.nonzero(has(drawn, colour_of(place)))
        box = owner[y.min() : y.max() + 1, x.min() : x.max() + 1]
        assert (box == 0).all()
        box[:] = place + 1
    heights = [int((owner == place + 1).any(axis=1).sum()) for place in range(len(names))]
    assert heights[0] == heights[3] < heights[2] <= heights[1]


def test_a_class_without_a_pixel_is_a_frame() -> None:
    filled, frame = (np.asarray(fields([Field("cat", colour_of(1), filled)], 15, 300, 4)) for filled in (True, False))
    assert 0 < has(frame, colour_of(1)).sum() < has(filled, colour_of(1)).sum() / 2


def test_mosaics_are_shown_with_their_four_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    folders = draw_folders(tmp_path / "folders")
    mosaics = build_mosaics(folders, tmp_path / "built", classes=tmp_path / "classes.txt")
    assert mosaics is not None
    samples, present = pick(mosaics, 3)
    assert present == 50
    assert {len(one.class_ids) for one in samples} == {4}
    contact_sheet(mosaics, tmp_path / "mosaics.png", n=3)
    sheet = pixels(tmp_path / "mosaics.png")
    shown = [has(sheet, colour_of(place)).sum() > 500 for place in range(5)]
    assert shown == [True, True, True, True, False]
