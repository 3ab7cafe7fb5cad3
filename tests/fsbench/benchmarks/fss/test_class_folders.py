"""Trees in the layout of FSS-1000: what is read from them, what is refused, and what may be missing."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsbench.benchmarks.fss.class_folders import (
    Wanted,
    read_class_folders,
    read_samples,
    sample_ids,
    verify_class_folders,
)
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.io.files import sha256_file

KEYS = ["apple", "pear"]
SIZE = (12, 16)
WANTED = [Wanted(sample, class_id) for class_id, key in enumerate(KEYS) for sample in sample_ids(key)]
OPTIONAL = [item._replace(optional=True) for item in WANTED]


def mask_of(sample: str) -> np.ndarray:
    """All greys, so that the threshold shows."""
    return np.random.RandomState(sum(sample.encode())).randint(0, 256, SIZE).astype(np.uint8)


def write_sample(root: Path, sample: str, mode: str = "L") -> None:
    (root / sample).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1], (sum(sample.encode()) % 256, 90, 30)).save(root / f"{sample}.jpg")
    Image.fromarray(mask_of(sample)).convert(mode).save(root / f"{sample}.png")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for item in WANTED:
        write_sample(tmp_path / "raw", item.sample)
    return tmp_path / "raw"


def test_areas_sizes_hashes_and_digest(tree: Path) -> None:
    read = read_class_folders(tree, KEYS, workers=3)
    digest = hashlib.sha256()
    for item in WANTED:
        mask = mask_of(item.sample)
        assert read.area[item.sample, item.class_id] == sum(int(grey) >= 128 for grey in mask.reshape(-1))
        digest.update(f"{item.sample} 12 16\n".encode())
        digest.update(bytes(int(grey >= 128) for grey in mask.reshape(-1)))
    assert read.masks_digest == digest.hexdigest()
    assert [sample.id for sample in read.samples] == [item.sample for item in WANTED]
    for sample in read.samples:
        assert (sample.height, sample.width, sample.split) == (12, 16, "val")
        assert (sample.image, sample.mask) == (f"root:{sample.id}.jpg", f"root:{sample.id}.png")
        assert sample.image_sha256 == sha256_file(tree / f"{sample.id}.jpg")
        assert sample.mask_sha256 == sha256_file(tree / f"{sample.id}.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_a_mask_may_be_a_colour_picture_of_greys(tree: Path, mode: str) -> None:
    grey = read_class_folders(tree, KEYS, workers=1)
    for sample in sample_ids("pear"):
        write_sample(tree, sample, mode)
    assert read_class_folders(tree, KEYS, workers=1).masks_digest == grey.masks_digest


def test_every_fault_is_in_one_line(tree: Path) -> None:
    folder = tree / "apple"
    (folder / "2.jpg").write_bytes((folder / "2.jpg").read_bytes()[:-30])
    (folder / "4.png").write_bytes((folder / "4.png").read_bytes()[:60])
    Image.fromarray(np.full(SIZE, 127, np.uint8)).save(folder / "6.png")
    Image.fromarray(np.eye(*SIZE, dtype=np.uint8)).save(folder / "8.png")
    (folder / "10.png").unlink()
    faults = (
        f"{folder / '2.jpg'}: cannot be read",
        f"{folder / '4.png'}: cannot be read",
        f"{folder / '6.png'} has no foreground (128 or more)",
        f"{folder / '8.png'} holds only 0 and 1, expected 0 and 255",
        f"{folder / '10.png'} is missing",
    )
    with pytest.raises(FsbenchError) as caught:
        read_class_folders(tree, KEYS, workers=1)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{tree}: 5 of 20 samples cannot be used: ")
    assert all(fault in message for fault in faults)
    assert message.endswith("mend the files, or give --root the folder that holds the class folders")


def test_an_optional_sample_may_be_missing_but_not_broken(tree: Path) -> None:
    (tree / "apple" / "3.jpg").unlink()
    (tree / "pear" / "7.png").unlink()
    read = read_samples(tree, OPTIONAL, 1)
    assert read.faults == ()
    assert [s.id for s in read.samples if not s.present] == ["apple/3", "pear/7"]
    assert len(read.samples) == 20
    assert set(read.area) == {(i.sample, i.class_id) for i in WANTED} - {("apple/3", 0), ("pear/7", 1)}
    strict = read_samples(tree, WANTED, 1)
    assert len(strict.faults) == 2
    assert strict.masks_digest == read.masks_digest
    (tree / "apple" / "5.png").write_bytes(b"no picture")
    (fault,) = read_samples(tree, OPTIONAL, 1).faults
    assert "5.png: cannot be read" in fault


def test_verify_names_what_changed(small: Benchmark, tmp_path: Path) -> None:
    moved = shutil.copytree(small.roots["root"], tmp_path / "raw")
    benchmark = open_benchmark(small.folder, root=moved)
    assert all(check.passed for check in verify_class_folders(benchmark, 1))
    mask = np.zeros((24, 32), np.uint8)
    mask[3, 4] = 255
    Image.fromarray(mask).save(moved / "thing_01" / "4.png")
    (moved / "thing_03" / "9.jpg").unlink()
    failed = {check.name: check.said for check in verify_class_folders(benchmark, 1) if not check.passed}
    assert set(failed) == {"samples readable", "masks", "areas"}
    assert f"{moved / 'thing_03' / '9.jpg'} is missing" in failed["samples readable"]
    assert "thing_01/4 thing_01 has 1 pixels" in failed["areas"]
