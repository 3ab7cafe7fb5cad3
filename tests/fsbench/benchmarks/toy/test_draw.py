"""The classes, scenes and pixels of ``toy``; what is asserted of a sample is asserted of all 480."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path

import hypothesis.strategies as st
import nbformat
import numpy as np
import pytest
from hypothesis import given
from nbclient import NotebookClient
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from fsbench.benchmarks.toy.classes import CLASS_NAMES, FOLDS, SAMPLES_PER_CLASS, split_name, twins
from fsbench.benchmarks.toy.draw import draw, write_sample
from fsbench.benchmarks.toy.ground import GROUNDS, ground_kind
from fsbench.benchmarks.toy.paint import COLOURS as PAINTS
from fsbench.benchmarks.toy.raster import SIDE, SUB, fill, wound_right
from fsbench.benchmarks.toy.scene import FINE, Placed
from fsbench.benchmarks.toy.scene import scene as plan_scene
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.index.benchmark import Benchmark
from tests import ROOT
from tests.fsbench.benchmarks.toy.conftest import SAMPLES, Drawn

GOLDEN = "032d099d2fe6ef4fb5b4aa725bd635f3d1c623df6276c855515c06ddbd8a43ef"
"""SHA-256 over the arrays of all samples. It changes only together with the name ``toy-v1`` that seeds them."""

scene = cache(plan_scene)

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def pixel_digest(samples: Drawn) -> str:
    digest = sha256()
    for name, n in sorted(samples):
        image, mask = samples[name, n]
        digest.update(f"{name}|{n}|".encode() + image.tobytes() + mask.tobytes())
    return digest.hexdigest()


def miou(drawn: Drawn, predict: Callable[[Pixels], Mask]) -> float:
    scores = []
    for name in CLASS_NAMES:
        intersection = union = 0
        for n in range(1, SAMPLES_PER_CLASS + 1, 3):
            image, mask = drawn[name, n]
            prediction = predict(image)
            intersection += int((prediction & (mask > 0)).sum())
            union += int((prediction | (mask > 0)).sum())
        scores.append(intersection / union)
    return sum(scores) / len(scores)


def contours_of(item: Placed) -> list[NDArray[np.int64]]:
    return [contour for contours in item.outlines() for contour in contours]


def silhouette(item: Placed) -> Mask:
    """(SIDE, SIDE) where ``item`` covers most of a pixel."""
    cells = fill(contours_of(item), SIDE * FINE, SIDE * FINE)
    covered: Mask = cells.reshape(SIDE, FINE, SIDE, FINE).sum(axis=(1, 3)) * 2 > FINE * FINE
    return covered


def area(item: Placed) -> float:
    """Pixels of ``item``, also those outside the frame."""
    corner = np.concatenate(contours_of(item)).min(axis=0)
    contours = [contour - corner for contour in contours_of(item)]
    width, height = np.concatenate(contours).max(axis=0) // SUB + 1
    return float(fill(contours, int(height), int(width)).sum()) / FINE**2


@pytest.mark.parametrize("fold", FOLDS)
def test_words_are_balanced_within_a_fold(fold: str) -> None:
    counts = [Counter(words) for words in zip(*map(split_name, FOLDS[fold]), strict=True)]
    assert counts == [Counter(words) for words in zip(*map(split_name, FOLDS["0"]), strict=True)]
    assert [(len(count), set(count.values())) for count in counts] == [(4, {3}), (6, {2}), (12, {1})]


def test_no_word_of_a_class_can_be_left_out() -> None:
    assert list(FOLDS) == ["0", "1", "2", "3"]
    assert len(set(CLASS_NAMES)) == 48
    assert list(CLASS_NAMES) == sorted((name for fold in FOLDS.values() for name in fold), key=str.encode)
    for name in CLASS_NAMES:
        changed = [[a != b for a, b in zip(split_name(name), split_name(twin), strict=True)] for twin in twins(name)]
        assert sorted(changed) == [[False, False, True], [False, True, False], [True, False, False]]


corners = st.tuples(st.integers(-40, 300), st.integers(-40, 300))


@given(st.tuples(corners, corners, corners))
def test_fill_is_the_cells_whose_centre_is_inside(triangle: tuple[tuple[int, int], ...]) -> None:
    filled = fill([np.array(triangle, np.int64)], 16, 16)
    edges = list(zip(triangle, triangle[1:] + triangle[:1], strict=True))
    blurred = max(abs(y1 - y0) for (_, y0), (_, y1) in edges)  # by rounding a crossing down to 1/SUB
    for row in range(16):
        for column in range(16):
            x, y = column * SUB + SUB // 2, row * SUB + SUB // 2
            sides = [(x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for (x0, y0), (x1, y1) in edges]
            if min(map(abs, sides)) > blurred:
                assert filled[row, column] == (len({side > 0 for side in sides}) == 1)


def test_contours_unite_and_reversed_ones_cut_holes() -> None:
    def square(low: int, high: int) -> NDArray[np.int64]:
        return wound_right(np.array([(low, low), (low, high), (high, high), (high, low)], np.int64) * SUB)

    assert fill([square(0, 6), square(4, 10)], 10, 10).sum() == 36 + 36 - 4
    assert fill([square(0, 10), square(3, 6)[::-1]], 10, 10).sum() == 100 - 9


def test_no_float_enters_the_drawing() -> None:
    """No literal with a point, no division but //, and of ``math`` nothing but what stays whole."""
    paths = sorted((ROOT / "fsbench" / "benchmarks" / "toy").glob("*.py"))
    assert len(paths) == 9
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        joins_paths = ("write_sample", "build")  # with /
        tree.body = [node for node in tree.body if getattr(node, "name", "") not in joins_paths]
        for node in ast.walk(tree):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float | complex)), where
            assert not (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)), where
            assert not (isinstance(node, ast.Name | ast.Attribute) and "float" in ast.unparse(node)), where
            if isinstance(node, ast.ImportFrom) and node.module == "math":
                assert {alias.name for alias in node.names} <= {"isqrt", "prod"}, where


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_a_scene_has_one_target_and_two_to_four_others_one_of_them_a_twin(name: str) -> None:
    for n in range(1, SAMPLES_PER_CLASS + 1):
        plan = scene(name, n)
        classes = [item.class_name for item in plan.objects]
        assert classes[plan.target] == name
        assert len(set(classes)) == len(classes)
        assert 3 <= len(classes) <= 5
        assert set(classes) & set(twins(name))


def test_a_class_has_every_kind_of_background() -> None:
    assert len(GROUNDS) >= 6
    for name in CLASS_NAMES:
        assert {ground_kind(name, n) for n in range(1, SAMPLES_PER_CLASS + 1)} == set(GROUNDS)


def test_most_of_a_target_shows_and_distractors_are_as_large(drawn: Drawn) -> None:
    shares, targets, others = [], [], []
    for sample in SAMPLES:
        plan = scene(*sample)
        targets.append(area(plan.objects[plan.target]))
        if sample[1] % 3 == 0:
            others += [area(item) for item in plan.objects if item.class_name != sample[0]]
        shares.append(int((drawn[sample][1] > 0).sum()) / targets[-1])
    assert min(shares) >= 0.70
    assert max(shares) < 1.02
    assert sum(share < 0.97 for share in shares) > 48, "hardly any target is occluded or cut"
    assert np.mean(others) > 0.9 * np.mean(targets)


def test_pixels_have_not_changed(drawn: Drawn) -> None:
    assert len(drawn) == 480
    assert pixel_digest(drawn) == GOLDEN


def test_neither_order_nor_process_nor_thread_matters(drawn: Drawn) -> None:
    some = SAMPLES[::-37]
    with ThreadPoolExecutor(4) as pool:
        again = dict(zip(some, pool.map(lambda sample: draw(*sample), some), strict=True))
    assert pixel_digest(again) == pixel_digest({sample: drawn[sample] for sample in some})


def test_samples_are_arrays_of_bytes_of_many_areas_and_no_two_are_equal(drawn: Drawn) -> None:
    for image, mask in drawn.values():
        assert image.shape == (SIDE, SIDE, 3)
        assert mask.shape == (SIDE, SIDE)
        assert image.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask).tolist()) == {0, 255}
    assert len({image.tobytes() for image, _ in drawn.values()}) == 480
    areas = sorted(float((mask > 0).mean()) for _, mask in drawn.values())
    assert 0.03 <= areas[0] < 0.045
    assert 0.28 < areas[-1] <= 0.35
    assert 0.10 < areas[240] < 0.14


def test_masks_are_what_shows_of_the_target(drawn: Drawn) -> None:
    for sample in SAMPLES[::7]:
        plan = scene(*sample)
        expected = silhouette(plan.objects[plan.target])
        for item in plan.objects[plan.target + 1 :]:
            expected &= ~silhouette(item)
        assert np.array_equal(drawn[sample][1] > 0, expected)


def test_plain_objects_have_the_colour_of_their_name(drawn: Drawn) -> None:
    names = sorted(PAINTS)
    paints = np.array([PAINTS[colour][0] for colour in names])
    for name, n in SAMPLES:
        pattern, colour, _ = split_name(name)
        if pattern == "plain":
            image, mask = drawn[name, n]
            middle = np.median(image[mask > 0], axis=0)
            assert names[int(np.square(paints - middle).sum(axis=1).argmin())] == colour


def test_trivial_answers_score_badly(drawn: Drawn) -> None:
    y, x = np.indices((SIDE, SIDE)) * 2 - (SIDE - 1)
    disc = x * x + y * y <= 112 * 112  # doubled: radius 56
    assert miou(drawn, lambda image: np.ones((SIDE, SIDE), np.bool_)) < 0.16
    assert miou(drawn, lambda image: disc) < 0.16
    assert miou(drawn, lambda image: (image.max(axis=2) - image.min(axis=2)) > 80) < 0.40, "saliency is enough"


def test_files_are_read_back_as_drawn(tmp_path: Path, drawn: Drawn, toy: Benchmark) -> None:
    write_sample(tmp_path, "striped_orange_star", 3)
    folder = tmp_path / "striped_orange_star"
    assert sorted(path.name for path in folder.iterdir()) == ["3.jpg", "3.png"]
    for path in folder.iterdir():
        assert path.read_bytes() == (toy.roots["root"] / "striped_orange_star" / path.name).read_bytes()
    image, mask = drawn["striped_orange_star", 3]
    with Image.open(folder / "3.jpg") as photo:
        assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (SIDE, SIDE))
        assert JpegImagePlugin.get_sampling(photo) == 0, "colours are subsampled"
        assert not {"exif", "comment", "icc_profile"} & set(photo.info)
        assert np.abs(np.asarray(photo).astype(int) - image).mean() < 3
    with Image.open(folder / "3.png") as truth:
        assert (truth.format, truth.mode) == ("PNG", "L")
        assert np.array_equal(np.asarray(truth), mask)


def test_it_has_the_layout_of_fss_1000_and_verifies(toy: Benchmark) -> None:
    raw = toy.roots["root"]
    assert sorted(path.name for path in raw.iterdir()) == list(CLASS_NAMES)
    names = {f"{n}.{suffix}" for n in range(1, 11) for suffix in ("jpg", "png")}
    assert all({path.name for path in folder.iterdir()} == names for folder in raw.iterdir())
    assert toy.counts == {"val_present": 480, "val_total": 480}
    assert (toy.title, toy.partial) == ("toy", False)
    assert {len(ids) for ids in toy.lists.folds.values()} == {12}
    assert {len(pairs) for pairs in toy.lists.val.values()} == {120}
    assert toy.lists.classes[toy.lists.folds["0"][0]].name == "checkered purple fish"
    assert [check for check in verify_benchmark(toy) if not check.passed] == []


def test_the_notebook_runs_and_shows_table_comparison_and_pictures(
    toy: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSBENCH_HOME", str(toy.folder.parent))
    notebook = nbformat.read(ROOT / "examples" / "own_model.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    html = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    texts = "".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    assert "mean-colour" in html
    assert "permutation over images" in texts
    assert any("image/png" in output.get("data", {}) for output in outputs)
