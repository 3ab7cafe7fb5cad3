"""Records of scenes: the same bytes however they are made, rescored alike, and refused where forged."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fsbench import Record, evaluate
from fsbench.records.counts import Row, SceneCounts, read_counts, rows_digest, write_counts
from fsbench.results.compare import compare
from fsbench.results.merge import merge_records
from fsbench.results.rescore import rescore
from fsbench.scoring.scenes import SCORES, fits
from mosaic4.benchmark import MosaicBenchmark
from tests.fsbench.engine.saved_predictions import saved_and_handed_in
from tests.fsbench.sample_models import Bright
from tests.refusals import refusal


def same(a: Record, b: Record) -> bool:
    """Equal but for timings."""
    return a.model_copy(update={"timings": b.timings}) == b


@pytest.fixture(scope="module")
def results(mosaic: MosaicBenchmark, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    out = tmp_path_factory.mktemp("results")
    record = evaluate(Bright(), mosaic, out=out, workers=2)
    return out / record.folder(), record


def test_workers_batches_and_resuming_change_nothing(
    results: tuple[Path, Record], mosaic: MosaicBenchmark, tmp_path: Path
) -> None:
    folder, record = results
    assert same(evaluate(Bright(), mosaic, out=tmp_path / "one", workers=1), record)
    assert (tmp_path / "one" / record.folder() / "counts.parquet").read_bytes() == (
        folder / "counts.parquet"
    ).read_bytes()
    again = evaluate(Bright(), mosaic, out=tmp_path / "small", batch_size=2)
    assert again.counts_sha256 == record.counts_sha256


def test_a_killed_run_resumes(results: tuple[Path, Record], mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    """A scene whose numbers in the log can't be true is asked again."""
    with pytest.raises(KeyboardInterrupt):
        evaluate(Bright(batches=6), mosaic, out=tmp_path)
    (log,) = tmp_path.rglob("*.partial.jsonl")
    lines = log.read_text().splitlines()
    assert len(lines) > 2
    entry = json.loads(lines[1])
    entry["rows"][0][9][1][0] += 1  # one more pixel in the first tile
    log.write_text("\n".join([lines[0], json.dumps(entry), *lines[2:]]) + "\n")
    model = Bright()
    assert evaluate(model, mosaic, out=tmp_path).counts_sha256 == results[1].counts_sha256
    asked = len(lines) - 1 - 1  # batches in the log, less the damaged one
    assert len(model.seen) == 50 - asked


def test_rescoring_gives_the_same_scores(results: tuple[Path, Record]) -> None:
    folder, record = results
    again = rescore(folder)
    assert again.own
    assert again.mean["miou"].score == record.miou
    assert again.mean["miou"].ci95 == record.ci95
    for name in SCORES:
        assert (again.mean[name].score, again.mean[name].ci95) == (record.other[name].score, record.other[name].ci95)
    by_image = rescore(folder, average="image").folds["test"]
    assert by_image.episodes == 200, "absent queries have no IoU"


def test_comparing_and_merging(results: tuple[Path, Record], mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    folder, record = results
    found = compare(folder, folder)
    assert (found.images, found.miou.difference, found.miou.ci95) == (50, 0.0, (0.0, 0.0))  # type: ignore[union-attr]
    assert same(merge_records([folder], tmp_path), record)


FORGED = {
    "a tile": lambda scene: scene._replace(tiles=(scene.tiles[0] + 1, *scene.tiles[1:])),
    "an object": lambda scene: scene._replace(objects=(*scene.objects[:3], scene.areas[3] + 1)),
    "an area": lambda scene: scene._replace(areas=(scene.areas[0] + 1, *scene.areas[1:])),
    "a position": lambda scene: scene._replace(position=7),
    "a tile less": lambda scene: SceneCounts(scene.position, *(numbers[:3] for numbers in scene[1:])),
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_scenes_are_refused(results: tuple[Path, Record], tmp_path: Path, what: str) -> None:
    folder, record = results
    rows = read_counts(folder / "counts.parquet")
    assert rows[0].scene is not None
    rows[0] = rows[0]._replace(scene=FORGED[what](rows[0].scene))
    forge(folder, tmp_path, record, rows)
    assert "do not follow from the counts" in refusal(rescore, tmp_path)


def test_a_forged_score_is_refused(results: tuple[Path, Record], tmp_path: Path) -> None:
    folder, record = results
    values = json.loads(record.json_text())
    values["folds"]["test"]["other"]["named"]["score"] = 0.99
    forge(folder, tmp_path, Record.model_validate(values), read_counts(folder / "counts.parquet"))
    assert "do not follow from the counts" in refusal(rescore, tmp_path)


def forge(folder: Path, out: Path, record: Record, rows: list[Row]) -> None:
    (out / "bootstrap.parquet").write_bytes((folder / "bootstrap.parquet").read_bytes())
    write_counts(out / "counts.parquet", rows)
    forged = record.model_copy(update={"counts_sha256": rows_digest(rows)})
    (out / "record.json").write_text(forged.json_text(), encoding="utf-8")


def test_counts_of_scenes_read_back(tmp_path: Path) -> None:
    row = Row("test", 0, "000000", "cat/1", 3, 2, 5, 4, 16, SceneCounts(0, (3, 2, 0, 0), (2, 1, 0, 0), (4, 4, 4, 3)))
    assert fits(row, 4)
    assert not fits(row, 9)
    assert not fits(row, None)
    write_counts(tmp_path / "counts.parquet", [row])
    assert read_counts(tmp_path / "counts.parquet") == [row]
    assert row.line() == "test 0 000000 cat/1 3 2 5 4 16 0 3,2,0,0 2,1,0,0 4,4,4,3"
    assert pq.read_schema(tmp_path / "counts.parquet").names[9:] == [
        "position",
        "tile_predicted",
        "object_predicted",
        "object_pixels",
    ]
    plain = row._replace(scene=None)
    assert plain.line() == "test 0 000000 cat/1 3 2 5 4 16"
    assert not fits(plain, 4)


def test_saved_predictions_give_the_same_counts(mosaic: MosaicBenchmark, tmp_path: Path) -> None:
    saved_and_handed_in(Bright(), mosaic, tmp_path, limit=10)
