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
from tests.fsbench.benchmarks.synthetic_voc import label_map, listed_samples, write_sbd, write_voc
from tests.refusals import refusal

VAL = sorted(set(listed_samples()) & set(pascal_lists.samples("val")))


@pytest.fixture(scope="module")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return coco_to_voc.build(raw, tmp_path_factory.mktemp("built"), partial=True, workers=2)


def trained_on(*classes: str) -> ModelCard:
    return ModelCard(name="m", prompts="text", training={"*": TrainingCard(training_classes=classes)})


def test_lists_hold_every_published_pair_once_in_the_folds_of_coco() -> None:
    lists = coco_to_voc.published_lists()
    assert (lists.title, lists.train) == ("COCO-20i to PASCAL VOC", {})
    assert sorted(c for ids in lists.folds.values() for c in ids) == list(range(20))
    every = [pair for pairs in lists.val.values() for pair in pairs]
    assert len(every) == len(set(every)) == 346 + 451 + 725 + 346
    assert set(every) == {pair for fold in pascal_lists.FOLDS for pair in pascal_lists.val(fold)}
    for fold, pairs in lists.val.items():
        assert list(pairs) == sorted(pairs)
        assert {class_id for _, class_id in pairs} == set(lists.folds[fold])


def test_a_model_trained_on_a_class_of_coco_is_refused_in_the_fold_of_that_class_alone() -> None:
    lists = coco_to_voc.published_lists()
    met: dict[str, list[int]] = {c.key: [] for c in lists.classes}
    for c, name in enumerate(CLASSES):
        for fold, ids in lists.folds.items():
            try:
                check_contamination(trained_on(name), lists, [fold], accepted=False)
            except FsbenchError as error:
                assert c % 4 == int(fold)
                (key,) = (lists.classes[i].key for i in ids if f"({lists.classes[i].key})" in str(error))
                met[key].append(c)
    assert {len(of_coco) for of_coco in met.values()} == {1}


def test_only_val_is_indexed_and_evaluated_in_the_folds_of_coco(built: Benchmark, tmp_path: Path) -> None:
    record = fsbench.evaluate("foreground", built, shots=1, limit=5, out=tmp_path)
    assert list(record.folds) == ["0", "1", "2", "3"]
    assert (record.benchmark.name, record.benchmark.partition) == ("coco-20i-to-pascal-voc", "COCO-20i's class % 4")
    assert built.counts == {"val_present": len(VAL), "val_total": 1449}
    assert built.title == f"COCO-20i to PASCAL VOC [partial {len(VAL)}/1449]"
    assert built.lists == coco_to_voc.published_lists()
    assert tuple(built.samples) == pascal_lists.samples("val")
    assert built.present == set(VAL)
    for name, pairs in built.lists.lists().items():
        for place, ((sample, class_id), area) in enumerate(zip(pairs, built.areas[name], strict=True)):
            true = label_map(sample) == class_id + 1
            assert area == (np.count_nonzero(true) if sample in built.present else -1)
            if sample in built.present and place % 20 == 0:
                assert np.array_equal(built.truth(sample, class_id) == 1, true)


def test_verify_passes_and_finds_what_changed(raw: Path, built: Benchmark, tmp_path: Path) -> None:
    checks = {check.name: check for check in verify_benchmark(built)}
    assert [check for check in checks.values() if not check.passed] == []
    assert {"published lists", "rebuilt lists", "masks", "areas"} <= set(checks)
    moved = shutil.copytree(raw / "VOC2012", tmp_path / "moved")
    sample = next(sample for sample, _ in built.lists.val["0"] if sample in built.present)
    Image.fromarray(np.zeros((240, 320), np.uint8)).save(moved / "SegmentationClassAug" / f"{sample}.png")
    failed = {check.name: check.said for check in verify_benchmark(open_benchmark(built.folder, root=moved))}
    assert sample in failed["rebuilt lists"]
    assert sample in failed["areas"]
    classes = tuple(replace(c, name=c.name.replace("airplane", "plane")) for c in built.lists.classes)
    altered = replace(built, lists=replace(built.lists, classes=classes))
    failed = {check.name: check.said for check in verify_benchmark(altered) if not check.passed}
    assert set(failed) == {"lists digest", "published lists"}


def test_vocs_own_masks_serve_as_well(built: Benchmark, tmp_path: Path) -> None:
    root = write_voc(tmp_path, VAL, masks="SegmentationClass")
    plain = coco_to_voc.build(root, tmp_path / "plain", partial=True)
    with_sbd = coco_to_voc.build(root, tmp_path / "sbd-out", sbd=write_sbd(tmp_path, []), partial=True)
    assert plain.digests.masks == with_sbd.digests.masks == built.digests.masks
    assert plain.digests.lists == built.digests.lists
    assert list(with_sbd.roots) == ["root"]
    assert all(check.passed for check in verify_benchmark(with_sbd))


def test_refusals(raw: Path, tmp_path: Path) -> None:
    def refused(root: Path, partial: bool = True) -> str:
        message = refusal(coco_to_voc.build, root, tmp_path / "out", partial=partial)
        assert not (tmp_path / "out" / "benchmark.json").exists()
        return message

    missing = f"{1449 - len(VAL)} of 1449 photographs that the published lists name are missing"
    assert missing in refused(raw, partial=False)
    moved = shutil.copytree(raw, tmp_path / "VOCdevkit")
    mask = moved / "VOC2012" / "SegmentationClassAug" / f"{VAL[0]}.png"
    Image.fromarray(np.zeros((240, 320), np.uint8)).save(mask)
    message = refused(moved)
    assert "the masks do not give the published lists" in message
    assert VAL[0] in message
    shutil.rmtree(mask.parent)
    assert "has no folder SegmentationClassAug" in refused(moved)
