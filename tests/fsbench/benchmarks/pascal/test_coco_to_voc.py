"""The transfer COCO-20i -> PASCAL VOC: its folds and lists, built and verified from a made-up VOC, and its refusals."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fsbench
from fsbench.benchmarks.coco.lists import CLASSES
from fsbench.benchmarks.pascal import coco_to_voc
from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.engine.loaded_model import check_contamination
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.models.contract import ModelCard, TrainingCard
from fsbench.models.registry import published_lists
from tests.fsbench.benchmarks.synthetic_voc import chosen_samples, label_map, write_sbd, write_voc


def val_samples() -> list[str]:
    val = set(pascal_lists.samples("val"))
    return [sample for sample in chosen_samples() if sample in val]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voc(tmp_path_factory.mktemp("raw"), val_samples())


@pytest.fixture(scope="module")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return coco_to_voc.build(raw, tmp_path_factory.mktemp("built"), partial=True, workers=2)


def refusal(root: Path, out: Path, **options: bool) -> str:
    with pytest.raises(FsbenchError) as caught:
        coco_to_voc.build(root, out, **({"partial": True} | options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not (out / "benchmark.json").exists()
    return str(caught.value)


def test_lists_hold_every_published_pair_once_in_the_folds_of_coco() -> None:
    lists = published_lists("coco-20i-to-pascal-voc")
    assert lists is not None
    assert (lists.title, lists.train) == ("COCO-20i to PASCAL VOC", {})
    assert sorted(c for ids in lists.folds.values() for c in ids) == list(range(20))
    every = [pair for pairs in lists.val.values() for pair in pairs]
    assert len(every) == len(set(every)) == 346 + 451 + 725 + 346
    assert set(every) == {pair for fold in pascal_lists.FOLDS for pair in pascal_lists.val(fold)}
    for fold, pairs in lists.val.items():
        assert list(pairs) == sorted(pairs)
        assert {class_id for _, class_id in pairs} == set(lists.folds[fold])
    keys = {fold: [lists.classes[c].key for c in ids] for fold, ids in lists.folds.items()}
    assert keys["1"] == ["bicycle", "bus", "horse", "sofa"]
    assert keys["3"] == ["bottle", "cat", "cow", "motorbike"]


@pytest.mark.parametrize("fold", "0123")
def test_a_model_of_cocos_fold_is_clean_on_this_fold_alone(fold: str) -> None:
    """The names of COCO meet those of VOC, so that a fold which the model was trained on is refused."""
    lists = coco_to_voc.published_lists()
    trained = [name for c, name in enumerate(CLASSES) if c % 4 != int(fold)]
    card = ModelCard(name="m", prompts="text", training={"*": TrainingCard(training_classes=tuple(trained))})
    assert not check_contamination(card, lists, [fold], accepted=False)
    for other in set("0123") - {fold}:
        with pytest.raises(FsbenchError, match=f"was trained on classes of fold {other}"):
            check_contamination(card, lists, [other], accepted=False)


@pytest.mark.parametrize("class_id", range(20))
def test_every_class_of_voc_is_known_by_its_name_in_coco(class_id: int) -> None:
    lists = coco_to_voc.published_lists()
    (fold,) = (fold for fold, ids in lists.folds.items() if class_id in ids)
    met = []
    for c, name in enumerate(CLASSES):
        card = ModelCard(name="m", prompts="text", training={"*": TrainingCard(training_classes=(name,))})
        try:
            check_contamination(card, lists, [fold], accepted=False)
        except FsbenchError as error:
            if f"({lists.classes[class_id].key})" in str(error):
                met.append(c)
    assert len(met) == 1
    assert met[0] % 4 == int(fold)


def test_only_val_is_indexed(built: Benchmark) -> None:
    assert built.counts == {"val_present": len(val_samples()), "val_total": 1449}
    assert built.title == f"COCO-20i to PASCAL VOC [partial {len(val_samples())}/1449]"
    assert built.lists == coco_to_voc.published_lists()
    assert tuple(built.samples) == pascal_lists.samples("val")
    checked = 0
    for name, pairs in built.lists.lists().items():
        for (sample, class_id), area in zip(pairs, built.areas[name], strict=True):
            expected = -1
            if sample in built.present:
                checked += 1
                expected = int(np.count_nonzero(label_map(sample) == class_id + 1))
                if checked % 20 == 0:
                    truth = built.truth(sample, class_id)
                    assert np.array_equal(truth == 1, label_map(sample) == class_id + 1)
            assert area == expected
    assert checked >= 80


def test_verify_passes_and_finds_what_changed(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    checks = {check.name: check for check in verify_benchmark(built)}
    assert [check for check in checks.values() if not check.passed] == []
    assert {"published lists", "rebuilt lists", "masks", "areas"} <= set(checks)
    moved = shutil.copytree(raw / "VOC2012", tmp_path / "moved")
    sample = built.lists.val["0"][0][0]
    Image.fromarray(np.zeros((240, 320), np.uint8)).save(moved / "SegmentationClassAug" / f"{sample}.png")
    failed = {check.name: check.said for check in verify_benchmark(open_benchmark(built.folder, root=moved))}
    assert sample in failed["rebuilt lists"]
    assert sample in failed["areas"]
    classes = tuple(replace(c, name=c.name.replace("airplane", "plane")) for c in built.lists.classes)
    altered = replace(built, lists=replace(built.lists, classes=classes))
    failed = {check.name: check.said for check in verify_benchmark(altered) if not check.passed}
    assert set(failed) == {"lists digest", "published lists"}


def test_vocs_own_masks_serve_as_well(built: Benchmark, tmp_path: Path) -> None:
    root = write_voc(tmp_path, val_samples(), masks="SegmentationClass")
    plain = coco_to_voc.build(root, tmp_path / "plain", partial=True)
    with_sbd = coco_to_voc.build(root, tmp_path / "sbd-out", sbd=write_sbd(tmp_path, []), partial=True)
    assert plain.digests.masks == with_sbd.digests.masks == built.digests.masks
    assert plain.digests.lists == built.digests.lists
    assert list(with_sbd.roots) == ["root"]
    assert all(check.passed for check in verify_benchmark(with_sbd))


def test_evaluation_names_the_folds_of_coco(built: Benchmark, tmp_path: Path) -> None:
    record = fsbench.evaluate("foreground", built, shots=1, out=tmp_path)
    assert list(record.folds) == ["0", "1", "2", "3"]
    assert record.benchmark.name == "coco-20i-to-pascal-voc"
    assert record.benchmark.partition == "COCO-20i's class % 4"


def test_refusals(raw: Path, tmp_path: Path) -> None:
    here = len(val_samples())
    said = refusal(raw, tmp_path / "out", partial=False)
    assert f"{1449 - here} of 1449 photographs that the published lists name are missing" in said
    assert "holds no VOC 2012" in refusal(tmp_path, tmp_path / "out")
    moved = shutil.copytree(raw, tmp_path / "VOCdevkit")
    sample = coco_to_voc.published_lists().val["0"][0][0]
    mask = moved / "VOC2012" / "SegmentationClassAug" / f"{sample}.png"
    Image.fromarray(np.zeros((240, 320), np.uint8)).save(mask)
    said = refusal(moved, tmp_path / "out")
    assert "the masks do not give the published lists" in said
    assert sample in said
    shutil.rmtree(mask.parent)
    assert "has no folder SegmentationClassAug" in refusal(moved, tmp_path / "out")
