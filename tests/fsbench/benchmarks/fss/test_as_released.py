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
from tests.fss_as_released import BROKEN, SIZES, STRAY, write_release

SIDE = 400
ASKED = {
    ("fsbench-v1", 1): (2399, "16c1e4ab7df5b089993db156bec21e3368673dcc6536f6f2ca88f942f709ec39"),
    ("hsnet", 1): (2400, "82980416a1bebee4e506e90eee18b80e890c608cfab12f8cf2dac8c7208f3e49"),
    ("lseg", 0): (2400, "208ed7891bbb8ef84d8963727fbd7e2e1b7222bf2682cfc1e870da6449ee53d5"),
}
"""Protocol and shots -> questions, and the digest of the manifest; those of hsnet and lseg are the original code's."""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("raw") / "fewshot_data")


@pytest.fixture(scope="module")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return fss1000.build(raw.parent, tmp_path_factory.mktemp("built") / "fss-1000", workers=2)


class CopiesTheSupport:
    """Answers the first support's mask, stretched over the query."""

    card = fsbench.ModelCard(name="copies-the-support", prompts="mask")

    def segment(self, episodes: list[fsbench.Episode]) -> list[torch.Tensor]:
        masks = [episode.prompts[0].support_masks[0] for episode in episodes]
        for episode, mask in zip(episodes, masks, strict=True):
            assert mask.shape == episode.prompts[0].support_images[0].shape[1:]
        return [interpolate(mask[None, None].float(), (SIDE, SIDE))[0] == 1 for mask in masks]


def test_everything_is_there_at_its_own_size(built: Benchmark) -> None:
    assert (built.title, built.partial, built.counts["val_present"]) == ("FSS-1000", False, 2400)
    sizes = {s.id: (s.height, s.width) for s in built.samples.values() if s.present}
    assert {sample: size for sample, size in sizes.items() if size != (224, 224)} == SIZES
    for sample, size in SIZES.items():
        assert built.truth(sample, 760 + class_keys("test").index(sample.partition("/")[0])).shape == size
    assert any((built.roots["root"] / f"{sample}.jpeg").exists() for sample in STRAY)
    assert not any(str(s.image).endswith(".jpeg") for s in built.samples.values())


def test_verify_names_the_sample_that_is_left_out(built: Benchmark) -> None:
    checks = {check.name: check for check in verify_benchmark(built, 2)}
    assert all(check.passed for check in checks.values()), checks
    assert checks["left out"].said.startswith(
        f"{BROKEN}: the release has no mask of it: fsbench-v1 asks the other 2399"
    )


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
            truth = square(grey_mask(root / key / f"{number}.png"))
            with Image.open(root / key / f"{support}.jpg") as photograph:
                shown = (photograph.height, photograph.width)
            predicted = square(nearest(grey_mask(root / key / f"{support}.png"), shown))
            found.append((int((truth & predicted).sum()), int(predicted.sum()), int(truth.sum())))
    return found


def grey_mask(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) >= 128


def nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return (interpolate(torch.from_numpy(mask)[None, None].float(), size, mode="nearest")[0, 0] == 1).numpy()


def square(mask: np.ndarray) -> np.ndarray:
    return nearest(mask, (SIDE, SIDE))


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
    ours = fsbench.evaluate("center", built, shots=0, limit=30, out=tmp_path)
    lseg = fsbench.evaluate("center", built, protocol="lseg", shots=0, limit=30, out=tmp_path)
    (path,) = tmp_path.rglob("fsbench-v1*/record.json")
    assert json.loads(path.read_text(encoding="utf-8"))["benchmark"]["without_mask"] == [BROKEN]
    print_tables([ours], Console())
    assert f"{BROKEN}: the release has no mask of it; left out." in " ".join(capsys.readouterr().out.split())
    print_tables([lseg], Console())
    assert f"{BROKEN}: the release has no mask of it; kept" in " ".join(capsys.readouterr().out.split())


def test_a_copy_with_a_repaired_mask_is_asked_the_same_questions(built: Benchmark, raw: Path, tmp_path: Path) -> None:
    key = BROKEN.partition("/")[0]
    (tmp_path / "classes.txt").write_text(f"{key}\ncrt_screen\n", encoding="utf-8")
    for name in (key, "crt_screen"):
        shutil.copytree(raw / name, tmp_path / "repaired" / name)
    Image.fromarray(np.full((224, 224), 255, np.uint8)).save(tmp_path / "repaired" / f"{BROKEN}.png")
    both = [
        fss1000.build(root, tmp_path / name, tmp_path / "classes.txt")
        for name, root in (("as_released", raw), ("mended", tmp_path / "repaired"))
    ]
    for protocol in ("fsbench-v1", "hsnet"):
        asked = {draw(b.lists, "test", PROTOCOLS[protocol], 1, 0).sha256 for b in both}
        assert len(asked) == 1
    assert both[0].lists.digest() == both[1].lists.digest()
    assert both[0].digests.masks != both[1].digests.masks  # hsnet reads the file
    assert len(draw(both[1].lists, "test", PROTOCOLS["fsbench-v1"], 1, 0).questions) == 19


def test_other_faults_stay_one_error_that_lists_them(raw: Path, tmp_path: Path) -> None:
    for name in ("crt_screen", "ruler"):
        shutil.copytree(raw / name, tmp_path / "raw" / name)
    (tmp_path / "classes.txt").write_text("crt_screen\nruler\n", encoding="utf-8")
    Image.new("L", (224, 224), 255).save(tmp_path / "raw" / "crt_screen" / "6.png")
    (tmp_path / "raw" / "ruler" / "3.jpg").unlink()
    with pytest.raises(fsbench.FsbenchError) as error:
        fss1000.build(tmp_path / "raw", tmp_path / "out", tmp_path / "classes.txt")
    said = str(error.value)
    assert "2 of 20 samples cannot be used" in said
    assert "6.png is 224 x 224, its photograph 500 x 500" in said
    assert f"{tmp_path / 'raw' / 'ruler' / '3.jpg'} is missing" in said
    assert "\n" not in said


def test_it_opens_again(built: Benchmark) -> None:
    assert open_benchmark(built.folder).lists == built.lists
