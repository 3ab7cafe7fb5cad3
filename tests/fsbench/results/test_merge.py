"""Records of single folds become the record of a run of all folds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fsbench
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.results.merge import merge_records
from tests.fsbench.sample_models import Bright


def parts(small: Benchmark, out: Path, folds: tuple[object, ...], **options: Any) -> list[Path]:
    found = []
    for fold in folds:
        fsbench.evaluate(Bright(), small, folds=fold, out=out / f"{fold}", threads=1, **options)  # type: ignore[arg-type]
        found += (out / f"{fold}").glob("**/record.json")
    return found


def test_merged_folds_are_the_whole_record(small: Benchmark, tmp_path: Path) -> None:
    whole = fsbench.evaluate(Bright(), small, out=tmp_path / "whole", threads=1)
    merged = merge_records(parts(small, tmp_path, (3, 0, (1, 2))), tmp_path / "merged")
    left = tmp_path / "merged" / merged.folder()
    expected = tmp_path / "whole" / whole.folder()
    for name in ("counts.parquet", "bootstrap.parquet"):
        assert (left / name).read_bytes() == (expected / name).read_bytes()
    a, b = (json.loads((place / "record.json").read_text()) for place in (left, expected))
    assert a.pop("timings")["seconds"] > 0
    b.pop("timings")
    assert a == b


def test_some_folds_have_no_mean(small: Benchmark, tmp_path: Path) -> None:
    merged = merge_records(parts(small, tmp_path, (1, 3)), tmp_path / "merged")
    assert list(merged.folds) == ["1", "3"]
    assert (merged.miou, merged.fb_iou, merged.ci95) == (None, None, None)


def test_folders_may_be_given(small: Benchmark, tmp_path: Path) -> None:
    folders = [path.parent for path in parts(small, tmp_path, (0, 1))]
    assert list(merge_records(folders, tmp_path / "merged").folds) == ["0", "1"]


def test_refusals(small: Benchmark, tmp_path: Path) -> None:
    paths = parts(small, tmp_path, (0, 1))
    with pytest.raises(FsbenchError, match=r"fold 0 stands in .* as well"):
        merge_records([paths[0], paths[0]], tmp_path / "out")
    with pytest.raises(FsbenchError, match=r"seed is '1', but '0' in"):
        merge_records([paths[0], *parts(small, tmp_path / "seed", (1,), seed=1)], tmp_path / "out")
    with pytest.raises(FsbenchError, match=r"environment.batch_size is '4', but '8' in"):
        merge_records([paths[0], *parts(small, tmp_path / "batch", (1,), batch_size=4)], tmp_path / "out")
    other = json.loads(paths[1].read_text())
    other["model"]["licence"] = "mine"
    other["model"]["name"] = "bright"
    paths[1].write_text(json.dumps(other))
    with pytest.raises(FsbenchError, match=r"model.licence is 'mine', but 'unknown' in"):
        merge_records(paths, tmp_path / "out")
    merge_records(paths[:1], tmp_path / "out")
    with pytest.raises(FsbenchError, match="is there already"):
        merge_records(paths[1:], tmp_path / "out")
    (paths[0].parent / "bootstrap.parquet").write_bytes(b"PAR1")
    with pytest.raises(FsbenchError, match=r"bootstrap.parquet: cannot be read"):
        merge_records(paths[:1], tmp_path / "another")
    (paths[0].parent / "counts.parquet").write_bytes(b"")
    with pytest.raises(FsbenchError, match=r"counts.parquet: cannot be read"):
        merge_records(paths[:1], tmp_path / "another")


def test_different_machines_are_both_named(small: Benchmark, tmp_path: Path) -> None:
    paths = parts(small, tmp_path, (0, 1))
    paths[1].write_text(paths[1].read_text().replace('"processor": "', '"processor": "Other '))
    merged = merge_records(paths, tmp_path / "out")
    assert " | Other " in merged.environment.processor or merged.environment.processor.startswith("Other ")
    assert " | " in merged.environment.processor


def test_scores_that_do_not_follow_from_counts(small: Benchmark, tmp_path: Path) -> None:
    paths = parts(small, tmp_path, (0, 1))
    said = json.loads(paths[0].read_text())
    said["folds"]["0"]["miou"] = 0.99
    paths[0].write_text(json.dumps(said))
    with pytest.raises(FsbenchError, match=r"record\.json: its scores do not follow from the counts"):
        merge_records(paths, tmp_path / "out")
    from fsbench.records.counts import read_counts, write_counts

    counts = paths[1].parent / "counts.parquet"
    write_counts(counts, read_counts(counts)[1:])
    with pytest.raises(FsbenchError, match=r"counts\.parquet: is not of the record beside it"):
        merge_records(paths[1:], tmp_path / "out")


@pytest.mark.parametrize("forged", ["no scores", "no rows", "impossible counts"])
def test_forged_records_are_refused_in_one_line(small: Benchmark, tmp_path: Path, forged: str) -> None:
    from fsbench.records.counts import read_counts, rows_digest, write_counts

    (path,) = parts(small, tmp_path, (0,))
    said, counts = json.loads(path.read_text()), path.parent / "counts.parquet"
    rows = read_counts(counts)
    if forged == "no scores":
        for of_class in said["folds"]["0"]["classes"].values():
            of_class["iou"] = None
    else:
        rows = [] if forged == "no rows" else [row._replace(intersection=row.valid + 1) for row in rows]
    write_counts(counts, rows)
    said["counts_sha256"] = rows_digest(rows)
    path.write_text(json.dumps(said))
    said_of = "has 0 episodes, expected those of numbers" if forged == "no rows" else "its scores do not follow"
    with pytest.raises(FsbenchError, match=said_of):
        merge_records([path], tmp_path / "out")
