"""Building and verifying PASCAL-5i from a raw VOC 2012 that is made up, and every refusal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal import pascal5i
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from tests.fsbench.benchmarks.synthetic_voc import label_map, listed_samples, write_sbd, write_voc
from tests.refusals import refusal


@pytest.fixture(scope="module")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return pascal5i.build(raw, tmp_path_factory.mktemp("built"), partial=True)


def test_a_partial_benchmark_is_marked(built: Benchmark) -> None:
    samples = listed_samples()
    val = len(set(samples) & set(pascal_lists.samples("val")))
    train = len(samples) - val
    counts = {"val_present": val, "val_total": 1449, "train_present": train, "train_total": 10582}
    assert (built.partial, built.counts) == (True, counts)
    assert built.title == f"PASCAL-5i [partial {val}/1449]"
    assert json.loads((built.folder / "benchmark.json").read_text())["partial"] is True
    assert built.lists == pascal5i.published_lists()
    assert {path.name for path in built.folder.iterdir()} == {"benchmark.json", "pairs.parquet", "samples.parquet"}


def test_areas_truths_and_photographs(built: Benchmark) -> None:
    present = set(listed_samples())
    checked = 0
    for name, pairs in built.lists.lists().items():
        for (sample, class_id), area in zip(pairs, built.areas[name], strict=True):
            if sample not in present:
                assert area == -1
                continue
            checked += 1
            expected = label_map(sample)
            assert area == np.count_nonzero(expected == class_id + 1)
            if checked % 25 == 0:
                truth = built.truth(sample, class_id)
                assert truth.dtype == np.uint8
                assert np.array_equal(truth, np.select([expected == class_id + 1, expected == 255], [1, 255], 0))
                assert built.image(sample).shape == (240, 320, 3)
    assert checked > 150


def test_masks_made_from_sbd_are_those_of_segmentation_class_aug(built: Benchmark, tmp_path: Path) -> None:
    root = write_voc(tmp_path, listed_samples(), masks="SegmentationClass")
    sbd = write_sbd(tmp_path, [sample for sample in listed_samples() if sample not in pascal_lists.official()])
    made = pascal5i.build(root, tmp_path / "out", sbd=sbd, partial=True)
    assert made.digests.masks == built.digests.masks
    assert made.digests.lists == built.digests.lists
    assert made.digests.sources != built.digests.sources
    from_mat = next(s for s in made.samples.values() if s.mask is not None and s.mask.endswith(".mat"))
    class_id = int(label_map(from_mat.id).max()) - 1
    assert np.array_equal(made.truth(from_mat.id, class_id) == 1, label_map(from_mat.id) == class_id + 1)
    assert all(check.passed for check in verify_benchmark(made))


def test_raw_data_that_moved_and_what_verify_finds_changed(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    checks = {check.name: check for check in verify_benchmark(built)}
    assert [check for check in checks.values() if not check.passed] == []
    assert {"sources", "published lists", "rebuilt lists", "masks", "areas", "train/val overlap"} <= set(checks)
    decided = f"the part of the 12 lists that {len(listed_samples())} of 12031 masks decide"
    assert checks["rebuilt lists"].said == decided

    moved = shutil.copytree(raw / "VOC2012", tmp_path / "VOCdevkit" / "VOC2012")
    one, other = sorted(sample for sample in built.present if built.samples[sample].split == "val")[:2]
    for root in (moved, moved.parent):
        assert open_benchmark(built.folder, root=root).roots["root"] == moved
    again = open_benchmark(built.folder, root=moved)
    assert np.array_equal(again.image(one), built.image(one))
    with pytest.raises(FsbenchError, match=r"gone.*--root"):
        open_benchmark(built.folder, root=tmp_path / "gone")

    photograph, mask = moved / "JPEGImages" / f"{one}.jpg", moved / "SegmentationClassAug" / f"{other}.png"
    data = bytearray(photograph.read_bytes())
    data[len(data) // 2] ^= 1
    photograph.write_bytes(data)
    Image.fromarray(np.zeros((240, 320), dtype=np.uint8)).save(mask)
    failed = {check.name: check.said for check in verify_benchmark(again) if not check.passed}
    assert set(failed) == {"sources", "rebuilt lists", "masks", "areas"}
    assert str(photograph) in failed["sources"]
    assert str(mask) in failed["sources"]
    assert other in failed["rebuilt lists"]
    assert other in failed["areas"]
    mask.unlink()
    failed = {check.name: check.said for check in verify_benchmark(again) if not check.passed}
    assert str(mask) in failed["masks readable"]
    assert f"only {len(listed_samples()) - 1} of {len(listed_samples())} masks" in failed["rebuilt lists"]


def refused(root: Path, out: Path, partial: bool = True) -> str:
    message = refusal(pascal5i.build, root, out, partial=partial)
    assert not (out / "benchmark.json").exists()
    return message


LABELS = label_map("2007_000033")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (LABELS[:-1], "{mask}: is 239 x 320 (height x width), but its photograph {photograph} is 240 x 320"),
        (np.where(LABELS == 0, np.uint8(37), LABELS), "{mask}: unknown class id 37"),
        (LABELS * 0, "the masks do not give the published lists (1 pairs differ, first: val-fold0: 2007_000033"),
    ],
)
def test_damaged_files_are_refused(labels: np.ndarray, expected: str, tmp_path: Path) -> None:
    voc = write_voc(tmp_path, [*pascal_lists.samples("val")[:2], pascal_lists.samples("train")[0]]) / "VOC2012"
    photograph, mask = voc / "JPEGImages" / "2007_000033.jpg", voc / "SegmentationClassAug" / "2007_000033.png"
    Image.fromarray(labels).save(mask)
    assert expected.format(photograph=photograph, mask=mask) in refused(voc, tmp_path / "out")
    for path in (mask, photograph):
        path.write_bytes(path.read_bytes()[:-30])
        assert f"{path}: cannot be read" in refused(voc, tmp_path / "out")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    root = write_voc(tmp_path, list(pascal_lists.samples("train")[:2]))
    assert "not one val sample" in refused(root, tmp_path / "out")
    message = refused(root, tmp_path / "out", partial=False)
    assert "12029 of 12031 photographs" in message
    assert "JPEGImages/2007_000033.jpg" in message
    assert "--partial" in message
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FsbenchError, match=r"file/out.*--out"):
        pascal5i.build(root, tmp_path / "file" / "out", partial=True)
