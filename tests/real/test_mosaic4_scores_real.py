"""Models that can be reasoned about, asked about mosaics of real photographs: what comes out is what must."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsbench import Record, evaluate
from fsbench.records.counts import Row, read_counts
from mosaic4.benchmark import MosaicBenchmark, build

MASKS = "17314ee2240bff7a26617cefc17c7deb4f4939998914069dd26bf0fc17a37981"
RECIPE = "33b65ee7772c"


@pytest.fixture(scope="module")
def mosaic(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> MosaicBenchmark:
    raw, folder = shared_data / "fss_like", tmp_path_factory.mktemp("mosaic")
    names = sorted(path.name for path in raw.iterdir() if path.is_dir())
    (folder / "classes.txt").write_text("\n".join(names))
    built = build(raw, folder / "built", classes=folder / "classes.txt")
    assert isinstance(built, MosaicBenchmark)
    return built


def asked(model: str, mosaic: MosaicBenchmark, out: Path) -> tuple[Record, list[Row]]:
    record = evaluate(model, mosaic, out=out)
    assert record.protocol == "mosaic4-v1"
    return record, read_counts(out / record.folder() / "counts.parquet")


def test_270_mosaics_of_real_photographs(mosaic: MosaicBenchmark) -> None:
    assert mosaic.title == "Mosaic-4 layout [27 own classes]"
    assert mosaic.dataset.recipe.digest.startswith(RECIPE)
    assert mosaic.digests.masks == MASKS


def test_everything_is_foreground(mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    """All four objects are covered alike, so none is named; three quarters of the prediction leak."""
    record, rows = asked("foreground", mosaic, tmp_path)
    said = {name: score.score for name, score in record.other.items()}
    assert (said["named"], said["hit"], said["miss"], said["leak"]) == (0.0, 0.0, 0.0, 0.75)
    assert said["false_alarm_5"] == 1.0
    present = [row for row in rows if not row.absent]
    wrong = [sum(row.scene.areas) - row.truth for row in present if row.scene is not None]
    assert said["wrong_object"] == pytest.approx(sum(w / 448**2 for w in wrong) / len(wrong), abs=1e-9)
    of_class: dict[int, list[int]] = {}
    for row in present:
        of_class.setdefault(row.class_id, []).append(row.truth)
    ious = [sum(areas) / (len(areas) * 448**2) for areas in of_class.values()]
    assert record.miou == pytest.approx(sum(ious) / 27)


@pytest.mark.parametrize("model", ["center", "random"])
def test_guesses_that_know_no_name_are_at_chance(model: str, mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    """One of four: 0.25 lies in the interval, or ties take from it; no tile holds more than half of the prediction."""
    record, _ = asked(model, mosaic, tmp_path)
    interval = record.other["named"].ci95
    assert interval is not None
    assert interval[0] < 0.26
    assert interval[1] > 0.20
    assert record.other["hit"].score == 0.0
    assert record.other["leak"].score == pytest.approx(0.75, abs=0.01)


@pytest.mark.long
def test_a_model_that_looks_is_above_chance(mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    record, _ = asked("prototype", mosaic, tmp_path)
    interval = record.other["named"].ci95
    assert record.shots == 1
    assert interval is not None
    assert interval[0] > 0.5
