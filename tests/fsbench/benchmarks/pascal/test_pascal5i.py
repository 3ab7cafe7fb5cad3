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
from tests.fsbench.benchmarks.synthetic_voc import chosen_samples, label_map, write_sbd, write_voc


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voc(tmp_path_factory.mktemp("raw"), chosen_samples())


@pytest.fixture(scope="module")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return pascal5i.build(raw, tmp_path_factory.mktemp("built"), partial=True)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A raw VOC of a few samples that a test may damage."""
    return write_voc(tmp_path, [*pascal_lists.samples("val")[:2], *pascal_lists.samples("train")[:2]])


def damaged(small: Path) -> tuple[Path, Path]:
    """Photograph and mask of a sample in ``small``."""
    sample = pascal_lists.samples("val")[0]
    voc = small / "VOC2012"
    return voc / "JPEGImages" / f"{sample}.jpg", voc / "SegmentationClassAug" / f"{sample}.png"


def refusal(root: Path, out: Path, **options: object) -> str:
    with pytest.raises(FsbenchError) as caught:
        pascal5i.build(root, out, **({"partial": True} | options))  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert not (out / "benchmark.json").exists()
    return str(caught.value)


def test_a_partial_benchmark_says_so(built: Benchmark) -> None:
    here = chosen_samples()
    val = sum(sample in set(here) for sample in pascal_lists.samples("val"))
    assert built.partial
    assert built.counts == {
        "val_present": val,
        "val_total": 1449,
        "train_present": len(here) - val,
        "train_total": 10582,
    }
    assert built.title == f"PASCAL-5i [partial {val}/1449]"
    assert json.loads((built.folder / "benchmark.json").read_text())["partial"] is True


def test_the_folder_holds_all_published_lists_and_no_pixels(built: Benchmark) -> None:
    assert built.lists == pascal5i.published_lists()
    assert {path.name for path in built.folder.iterdir()} == {"benchmark.json", "pairs.parquet", "samples.parquet"}


def test_areas_truths_and_photographs(built: Benchmark) -> None:
    here = set(chosen_samples())
    checked = 0
    for name, pairs in built.lists.lists().items():
        for (sample, class_id), area in zip(pairs, built.areas[name], strict=True):
            if sample not in here:
                assert area == -1
                continue
            checked += 1
            expected = label_map(sample)
            assert area == np.count_nonzero(expected == class_id + 1)
            if checked % 25 == 0:
                truth = built.truth(sample, class_id)
                assert truth.dtype == np.uint8
                assert np.array_equal(truth == 1, expected == class_id + 1)
                assert np.array_equal(truth == 255, expected == 255)
                assert set(np.unique(truth)) <= {0, 1, 255}
                assert built.image(sample).shape == (240, 320, 3)
    assert checked > 300


def test_any_number_of_workers_gives_the_same_folder(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    again = pascal5i.build(raw, tmp_path / "again", partial=True, workers=1)
    for name in ("benchmark.json", "pairs.parquet", "samples.parquet"):
        assert (again.folder / name).read_bytes() == (built.folder / name).read_bytes()


def test_masks_made_from_sbd_are_those_of_segmentation_class_aug(built: Benchmark, tmp_path: Path) -> None:
    samples = chosen_samples()
    root = write_voc(tmp_path, samples, masks="SegmentationClass")
    sbd = write_sbd(tmp_path, [sample for sample in samples if sample not in pascal_lists.official()])
    made = pascal5i.build(root, tmp_path / "out", sbd=sbd, partial=True)
    assert made.digests.masks == built.digests.masks
    assert made.digests.lists == built.digests.lists
    assert made.digests.sources != built.digests.sources
    from_mat = next(s for s in made.samples.values() if s.mask is not None and s.mask.endswith(".mat"))
    class_id = int(label_map(from_mat.id).max()) - 1
    assert np.array_equal(made.truth(from_mat.id, class_id) == 1, label_map(from_mat.id) == class_id + 1)
    assert all(check.passed for check in verify_benchmark(made))


def test_the_raw_data_can_move(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(raw / "VOC2012", moved)
    sample = next(iter(built.present))
    assert np.array_equal(open_benchmark(built.folder, root=moved).image(sample), built.image(sample))
    devkit = tmp_path / "VOCdevkit"
    devkit.mkdir()
    moved.rename(devkit / "VOC2012")
    assert open_benchmark(built.folder, root=devkit).roots["root"] == devkit / "VOC2012"
    with pytest.raises(FsbenchError, match=r"gone.*--root"):
        open_benchmark(built.folder, root=tmp_path / "gone")


def test_verify_passes(built: Benchmark) -> None:
    checks = verify_benchmark(built)
    assert [check.name for check in checks if not check.passed] == []
    names = {"sources", "published lists", "rebuilt lists", "masks", "areas", "train/val overlap"}
    assert names <= {check.name for check in checks}
    said = next(check.said for check in checks if check.name == "rebuilt lists")
    assert said == f"the part of the 12 lists that {len(chosen_samples())} of 12031 masks decide"


def test_verify_names_an_altered_photograph_and_a_mask(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    moved = tmp_path / "altered"
    shutil.copytree(raw / "VOC2012", moved)
    kept = [s for s, ids in ((p[0], p[1]) for p in built.lists.val["0"]) if s in built.present]
    photograph = moved / "JPEGImages" / f"{kept[0]}.jpg"
    data = bytearray(photograph.read_bytes())
    data[len(data) // 2] ^= 1
    photograph.write_bytes(data)
    mask = moved / "SegmentationClassAug" / f"{kept[1]}.png"
    Image.fromarray(np.zeros((240, 320), dtype=np.uint8)).save(mask)
    checks = verify_benchmark(open_benchmark(built.folder, root=moved))
    failed = {check.name: check.said for check in checks if not check.passed}
    assert set(failed) == {"sources", "rebuilt lists", "masks", "areas"}
    assert str(photograph) in failed["sources"]
    assert str(mask) in failed["sources"]
    assert kept[1] in failed["rebuilt lists"]
    assert kept[1] in failed["areas"]


def test_missing_photographs_are_counted_and_named(small: Path, tmp_path: Path) -> None:
    said = refusal(small, tmp_path / "out", partial=False)
    assert "12027 of 12031 photographs" in said
    assert "JPEGImages/2007_000061.jpg" in said
    assert "--partial" in said


def test_wrong_root(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(tmp_path, tmp_path / "out")


def test_truncated_photograph(small: Path, tmp_path: Path) -> None:
    photograph, _ = damaged(small)
    photograph.write_bytes(photograph.read_bytes()[:2000])
    assert str(photograph) in refusal(small, tmp_path / "out")


def test_mask_of_another_size(small: Path, tmp_path: Path) -> None:
    _, mask = damaged(small)
    Image.fromarray(label_map(mask.stem)[:-1]).save(mask)
    said = refusal(small, tmp_path / "out")
    assert str(mask) in said
    assert "239 x 320" in said
    assert "240 x 320" in said


def test_unknown_class_id(small: Path, tmp_path: Path) -> None:
    _, mask = damaged(small)
    wrong = label_map(mask.stem)
    wrong[100, 100] = 37
    Image.fromarray(wrong).save(mask)
    said = refusal(small, tmp_path / "out")
    assert str(mask) in said
    assert "37" in said


def test_masks_that_do_not_give_the_lists(small: Path, tmp_path: Path) -> None:
    _, mask = damaged(small)
    Image.fromarray(np.zeros((240, 320), dtype=np.uint8)).save(mask)
    said = refusal(small, tmp_path / "out")
    assert mask.stem in said
    assert "published lists" in said


def test_truncated_mask(small: Path, tmp_path: Path) -> None:
    _, mask = damaged(small)
    mask.write_bytes(mask.read_bytes()[:200])
    assert str(mask) in refusal(small, tmp_path / "out")


def test_output_folder_that_cannot_be_written(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FsbenchError, match=r"file/out.*--out"):
        pascal5i.build(small, tmp_path / "file" / "out", partial=True)


def test_nothing_to_evaluate(tmp_path: Path) -> None:
    root = write_voc(tmp_path, list(pascal_lists.samples("train")[:2]))
    assert "not one val sample" in refusal(root, tmp_path / "out")


@pytest.mark.parametrize(
    "damage", ["{", "{}", '{"schema": "fsbench-benchmark/9"}', '{"schema": "fsbench-benchmark/1"}']
)
def test_a_damaged_benchmark_folder(built: Benchmark, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built.folder, folder)
    (folder / "benchmark.json").write_text(damage)
    with pytest.raises(FsbenchError, match=r"benchmark\.json: .*: build it again"):
        open_benchmark(folder)
    (folder / "benchmark.json").write_bytes((built.folder / "benchmark.json").read_bytes())
    (folder / "pairs.parquet").write_bytes(b"PAR1")
    with pytest.raises(FsbenchError, match=r"pairs\.parquet: .*: build it again"):
        open_benchmark(folder)
