"""Raw VOC 2012 and SBD: which folders are found, which file is a mask, and every refusal; scipy writes the ``.mat``."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fsbench.benchmarks.pascal.lists import official, samples
from fsbench.benchmarks.pascal.voc import MaskFolders, find_masks, find_voc
from fsbench.errors import FsbenchError
from fsbench.io.label_maps import read_label_areas, read_label_map
from fsbench.io.sbd import read_sbd
from tests.refusals import refusal

LABELS = np.zeros((9, 14), dtype=np.uint8)
LABELS[2:5, 1:9] = 15
LABELS[4:8, 6:12] = 20

OFFICIAL = "2007_000033"
FROM_SBD = "2008_000008"


def gtcls(label_map: Any, field: str = "Segmentation") -> np.ndarray[Any, Any]:
    """The struct of SBD's ``cls/NAME.mat``: Boundaries (20 sparse), Segmentation, CategoriesPresent."""
    fields = [("Boundaries", "O"), (field, "O"), ("CategoriesPresent", "O")]
    struct = np.zeros((1, 1), dtype=fields)
    boundaries = np.empty((20, 1), dtype=object)
    for class_id in range(20):
        boundaries[class_id, 0] = scipy.sparse.csc_matrix(np.equal(LABELS, class_id + 1).astype(np.float64))
    struct["Boundaries"][0, 0] = boundaries
    struct[field][0, 0] = label_map
    struct["CategoriesPresent"][0, 0] = np.array([[15], [20]], dtype=np.uint8)
    return struct


def mat(content: dict[str, Any], *, compressed: bool = True, format: str = "5") -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, content, do_compression=compressed, format=format)  # type: ignore[arg-type]
    return file.getvalue()


def write_png(path: Path, label_map: np.ndarray[Any, Any], mode: str = "P") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(label_map)
    if mode == "P":
        image.putpalette(bytes(range(256)) * 3)
    image.save(path)
    return path


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A VOC 2012 folder with no masks yet."""
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    (folder / "JPEGImages").mkdir(parents=True)
    return folder


def test_find_voc(voc: Path, tmp_path: Path) -> None:
    for root in (voc, voc.parent, voc.parent.parent):
        assert find_voc(root) == voc
    for root in (tmp_path / "gone", voc / "JPEGImages"):
        assert refusal(find_voc, root).startswith(f"{root}: holds no VOC 2012: expected a folder with JPEGImages")


def test_masks_of_segmentation_class_aug(voc: Path) -> None:
    with pytest.raises(FsbenchError, match=r"VOC2012: has no folder SegmentationClassAug: .*--sbd"):
        find_masks(voc)
    (voc / "SegmentationClassAug").mkdir()
    masks = find_masks(voc)
    assert masks == MaskFolders(voc / "SegmentationClassAug")
    assert masks.mask_path(FROM_SBD) == voc / "SegmentationClassAug" / f"{FROM_SBD}.png"


def test_masks_of_voc_and_sbd(voc: Path, tmp_path: Path) -> None:
    assert OFFICIAL in official()
    assert FROM_SBD in set(samples("train")) - official()
    release = tmp_path / "sbd" / "benchmark_RELEASE"
    assert "VOC2012: has no folder SegmentationClass, and SBD's masks" in refusal(find_masks, voc, release)
    (voc / "SegmentationClass").mkdir()
    assert "benchmark_RELEASE: holds no SBD masks: expected a folder cls" in refusal(find_masks, voc, release)
    (release / "dataset" / "cls").mkdir(parents=True)
    for sbd in (release, release / "dataset", release.parent):
        masks = find_masks(voc, sbd)
        assert masks == MaskFolders(voc / "SegmentationClass", release / "dataset" / "cls")
    assert masks.mask_path(FROM_SBD) == release / "dataset" / "cls" / f"{FROM_SBD}.mat"
    voc_mask = voc / "SegmentationClass" / f"{OFFICIAL}.png"
    assert masks.mask_path(OFFICIAL) == voc_mask, "never SBD's, even where VOC's is missing"
    own = write_png(voc / "SegmentationClass" / "2099_000001.png", LABELS)
    assert masks.mask_path("2099_000001") == own, "VOC's own wins where it exists"


@pytest.mark.parametrize("mode", ["P", "L"])
def test_png_label_maps(tmp_path: Path, mode: str) -> None:
    label_map = LABELS.copy()
    label_map[0] = 255
    path = write_png(tmp_path / "a.png", label_map, mode)
    np.testing.assert_array_equal(read_label_map(path), label_map)
    assert read_label_map(path).dtype == np.uint8
    again, areas = read_label_areas(path)
    np.testing.assert_array_equal(again, label_map)
    assert areas == {int(label): int((label_map == label).sum()) for label in np.unique(label_map)}


@pytest.mark.parametrize("reader", [read_label_map, read_label_areas])
@pytest.mark.parametrize("unknown", [21, 127, 254])
def test_unknown_class_ids(tmp_path: Path, reader: Any, unknown: int) -> None:
    label_map = LABELS.copy()
    label_map[0] = 255
    label_map[3, 3:5] = unknown
    path = write_png(tmp_path / "a.png", label_map)
    (tmp_path / "a.mat").write_bytes(mat({"GTcls": gtcls(label_map)}))
    for file in (path, path.with_suffix(".mat")):
        assert refusal(reader, file).startswith(f"{file}: unknown class id {unknown} (2 pixels): expected")


@pytest.mark.parametrize("compressed", [True, False])
def test_sbd_files(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    for shape in ((9, 14), (1, 1), (1, 7), (7, 1), (2, 2), (375, 500)):
        label_map = np.random.RandomState(0).randint(0, 21, shape).astype(np.uint8)
        path.write_bytes(mat({"before": "text", "GTcls": gtcls(label_map), "z": 1.5}, compressed=compressed))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read = read_label_map(path)
        np.testing.assert_array_equal(read, label_map)
        assert read.dtype == np.uint8
        assert read.flags.c_contiguous
        np.testing.assert_array_equal(read, scipy.io.loadmat(path)["GTcls"]["Segmentation"][0, 0])


NO_STRUCT = "it holds no struct GTcls with a field Segmentation"
NO_HEADER = "its header is not that of a little-endian MAT 5 file"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (mat({"GTinst": gtcls(LABELS)}), NO_STRUCT),
        (mat({"GTcls": LABELS}), NO_STRUCT),
        (mat({}), NO_STRUCT),
        (mat({"GTcls": gtcls(LABELS, "Segments")}), NO_STRUCT),
        (mat({"GTcls": gtcls(LABELS.astype(np.float64))}), "Segmentation is not two-dimensional uint8"),
        (mat({"GTcls": gtcls(LABELS.astype(np.int16))}), "Segmentation is not two-dimensional uint8"),
        (mat({"GTcls": gtcls(np.zeros((2, 3, 4), dtype=np.uint8))}), "Segmentation is not two-dimensional uint8"),
        (mat({"GTcls": gtcls(np.zeros((0, 4), dtype=np.uint8))}), "Segmentation is empty"),
        (mat({"GTcls": LABELS}, format="4"), NO_HEADER),
        (b"", NO_HEADER),
        (b"x" * 300, NO_HEADER),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM", NO_HEADER),
        (b"\x00" * 600, NO_HEADER),
    ],
)
def test_mat_files_that_are_not_sbd(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    message = refusal(read_label_map, tmp_path / "a.mat")
    assert message.startswith(f"{tmp_path / 'a.mat'}: is no whole MAT file of SBD ({fault})")


@pytest.mark.parametrize("compressed", [True, False])
def test_truncated_sbd_files(tmp_path: Path, compressed: bool) -> None:
    data = mat({"GTcls": gtcls(LABELS)}, compressed=compressed)
    needed = len(data) if compressed else data.index(LABELS.tobytes("F")) + LABELS.size
    for length in range(0, needed, 7 if compressed else 31):
        (tmp_path / "a.mat").write_bytes(data[:length])
        assert "a.mat: is no whole MAT file of SBD (" in refusal(read_sbd, tmp_path / "a.mat")


WHOLE = mat({"x": 1, "GTcls": gtcls(LABELS)})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_sbd_files_are_refused_or_read_right(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    path.write_bytes(data)
    message, read = "", LABELS
    try:
        read = read_sbd(path)
    except FsbenchError as error:
        message = str(error)
    np.testing.assert_array_equal(read, LABELS)  # where it was read, only its text header was damaged
    assert message == "" or message.startswith(f"{path}: is no whole MAT file of SBD (")
    assert "\n" not in message
