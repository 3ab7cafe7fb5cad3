"""FSS-1000 as its only release has it, on a made-up tree: built, verified, asked by each protocol, and evaluated.

The replay of ``hsnet`` is compared, count by count, with a loop written from the protocol's description alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch.nn.functional import interpolate

import fsbench
from fsbench.benchmarks.fss import fss1000
from fsbench.benchmarks.fss.lists import class_keys
from fsbench.benchmarks.verification import verify_benchmark
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.records.counts import read_counts
from fsbench.tables.table import print_tables
from tests.fss_as_released import BROKEN, SIZES, STRAY

SIDE = 400
ASKED = {
    ("fsbench-v1", 1): (2399, "16c1e4ab7df5b089993db156bec21e3368673dcc6536f6f2ca88f942f709ec39"),
    ("hsnet", 1): (2400, "82980416a1bebee4e506e90eee18b80e890c608cfab12f8cf2dac8c7208f3e49"),
    ("lseg", 0): (2400, "208ed7891bbb8ef84d8963727fbd7e2e1b7222bf2682cfc1e870da6449ee53d5"),
}
"""Protocol and shots -> questions, and the digest of the manifest; those of hsnet and lseg are the original code's."""


class CopiesTheSupport:
    """Answers the first support's mask, stretched over the query."""

    card = fsbench.ModelCard(name="copies-the-support", prompts="mask")

    def segment(self, episodes: list[fsbench.Episode]) -> list[torch.Tensor]:
        masks = [episode.prompts[0].support_masks[0] for episode in episodes]
        for episode, mask in zip(episodes, masks, strict=True):
            assert mask.shape == episode.prompts[0].support_images[0].shape[1:]
        return [interpolate(mask[None, None].float(), (SIDE, SIDE))[0] == 1 for mask in masks]


def test_the_test_classes_are_enough_and_keep_their_sizes(built: Benchmark, raw: Path) -> None:
    assert (built.title, built.partial, built.builder) == ("FSS-1000", False, "fss-1000")
    assert built.lists == fss1000.published_lists() == open_benchmark(built.folder).lists
    assert built.counts == {"val_present": 2400, "val_total": 2400, "train_present": 20, "train_total": 7600}
    samples = list(built.samples.values())
    assert [s.id for s in samples] == [sample for pairs in built.lists.lists().values() for sample, _ in pairs]
    assert [s.split for s in samples] == ["val"] * 2400 + ["train"] * 7600
    sizes = {s.id: (s.height, s.width) for s in samples if s.present}
    assert {sample: size for sample, size in sizes.items() if size != (224, 224)} == SIZES
    for sample, size in SIZES.items():
        assert built.truth(sample, 760 + class_keys("test").index(sample.partition("/")[0])).shape == size
    assert any((raw / f"{sample}.jpeg").exists() for sample in STRAY)
    assert not any(str(s.image).endswith(".jpeg") for s in samples)
    for (sample, _), area in zip(built.lists.val["test"][:30], built.areas["val-foldtest"][:30], strict=True):
        assert area == np.count_nonzero(grey_mask(raw / f"{sample}.png"))


def test_verify_names_the_sample_that_is_left_out(built: Benchmark) -> None:
    checks = {check.name: check for check in verify_benchmark(built, 2)}
    assert all(check.passed for check in checks.values()), checks
    assert {"published lists", "samples readable", "masks", "sources"} <= set(checks)
    assert checks["areas"].said == "2420 pairs"
    left_out = f"{BROKEN}: the release has no mask of it: fsbench-v1 asks the other 2399"
    assert checks["left out"].said.startswith(left_out)


@pytest.mark.parametrize(("protocol", "shots"), ASKED)
def test_each_protocol_asks_what_it_should(built: Benchmark, protocol: str, shots: int) -> None:
    manifest = draw(built.lists, "test", PROTOCOLS[protocol], shots, 0)
    assert (len(manifest.questions), manifest.sha256) == ASKED[protocol, shots]
    named = {sample for question in manifest.questions for sample in question.samples()}
    assert (BROKEN in named) == (protocol != "fsbench-v1")


def naive_hsnet(root: Path) -> list[tuple[int, int, int]]:
    """Intersection, predicted and true pixels of each episode at 1 shot, as the protocol's description says it."""
    generator = np.random.RandomState(0)
    found = []
    for key in sorted(class_keys("test")):
        for number in sorted(range(1, 11), key=str):
            support = number
            while support == number:
                support = int(generator.choice(range(1, 11), 1, replace=False)[0])
            truth = nearest(grey_mask(root / key / f"{number}.png"), (SIDE, SIDE))
            with Image.open(root / key / f"{support}.jpg") as photograph:
                size = (photograph.height, photograph.width)
            predicted = nearest(nearest(grey_mask(root / key / f"{support}.png"), size), (SIDE, SIDE))
            found.append((int((truth & predicted).sum()), int(predicted.sum()), int(truth.sum())))
    return found


def grey_mask(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) >= 128


def nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return (interpolate(torch.from_numpy(mask)[None, None].float(), size, mode="nearest")[0, 0] == 1).numpy()


@pytest.mark.long
def test_hsnet_counts_what_a_naive_loop_counts(built: Benchmark, raw: Path, tmp_path: Path) -> None:
    record = fsbench.evaluate(CopiesTheSupport(), built, protocol="hsnet", shots=1, out=tmp_path, device="cpu")
    (counts,) = tmp_path.rglob("counts.parquet")
    rows = read_counts(counts)
    assert [(row.intersection, row.predicted, row.truth) for row in rows] == naive_hsnet(raw)
    assert any(row.query == BROKEN and row.truth > 0 for row in rows)
    assert "imagewise" in record.other
    assert record.benchmark.without_mask == (BROKEN,)


def test_records_and_tables_name_the_sample(
    built: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for protocol, remark in (("fsbench-v1", "; left out."), ("lseg", "; kept")):
        record = fsbench.evaluate("center", built, protocol=protocol, shots=0, limit=30, out=tmp_path)
        print_tables([record], Console())
        assert f"{BROKEN}: the release has no mask of it{remark}" in " ".join(capsys.readouterr().out.split())
        saved = json.loads((tmp_path / record.folder() / "record.json").read_text(encoding="utf-8"))
        assert saved["benchmark"]["without_mask"] == [BROKEN]


def test_a_copy_with_a_repaired_mask_is_asked_the_same_questions(raw: Path, tmp_path: Path) -> None:
    key = BROKEN.partition("/")[0]
    (tmp_path / "classes.txt").write_text(f"{key}\ncrt_screen\n", encoding="utf-8")
    for name in (key, "crt_screen"):
        shutil.copytree(raw / name, tmp_path / "repaired" / name)
    Image.fromarray(np.full((224, 224), 255, np.uint8)).save(tmp_path / "repaired" / f"{BROKEN}.png")
    released, repaired = (
        fss1000.build(root, tmp_path / name, tmp_path / "classes.txt")
        for name, root in (("as_released", raw), ("mended", tmp_path / "repaired"))
    )
    for protocol, asked in (("fsbench-v1", 19), ("hsnet", 20)):
        manifests = [draw(b.lists, "test", PROTOCOLS[protocol], 1, 0) for b in (released, repaired)]
        assert [len(manifest.questions) for manifest in manifests] == [asked, asked]
        assert manifests[0].sha256 == manifests[1].sha256
    assert released.lists.digest() == repaired.lists.digest()
    assert released.digests.masks != repaired.digests.masks  # hsnet reads the file
