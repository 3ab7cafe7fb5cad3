"""Records of single folds become the record of a run of all folds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import fsbench
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.results.merge import merge_records
from tests.fsbench.sample_models import Bright


def one_by_one(small: Benchmark, out: Path, folds: Sequence[Any] = (0, 1), **options: Any) -> list[Path]:
    """The records of runs of ``folds``, one each."""
    found = []
    for fold in folds:
        fsbench.evaluate(Bright(), small, folds=fold, out=out / f"{fold}", threads=1, **options)
        found += (out / f"{fold}").glob("**/record.json")
    return found


@pytest.fixture(scope="module")
def runs(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one run a fold, of folds 0 and 1; not to be changed."""
    out = tmp_path_factory.mktemp("runs")
    one_by_one(small, out)
    return out


@pytest.fixture
def paths(runs: Path, tmp_path: Path) -> list[Path]:
    """The records of folds 0 and 1, in a copy that a test may alter."""
    shutil.copytree(runs, tmp_path / "runs")
    return sorted((tmp_path / "runs").glob("**/record.json"))


def test_merged_folds_are_the_whole_record(small: Benchmark, tmp_path: Path) -> None:
    whole = fsbench.evaluate(Bright(), small, out=tmp_path / "whole", threads=1)
    merged = merge_records(one_by_one(small, tmp_path, (3, 0, (1, 2))), tmp_path / "merged")
    ours = tmp_path / "merged" / merged.folder()
    expected = tmp_path / "whole" / whole.folder()
    for name in ("counts.parquet", "bootstrap.parquet"):
        assert (ours / name).read_bytes() == (expected / name).read_bytes()
    a, b = (json.loads((place / "record.json").read_text()) for place in (ours, expected))
    assert a.pop("timings")["seconds"] > 0
    b.pop("timings")
    assert a == b


def test_folders_of_some_folds_have_no_mean(paths: list[Path], tmp_path: Path) -> None:
    merged = merge_records([path.parent for path in paths], tmp_path / "merged")
    assert list(merged.folds) == ["0", "1"]
    assert (merged.miou, merged.fb_iou, merged.ci95) == (None, None, None)


def test_refusals(small: Benchmark, paths: list[Path], tmp_path: Path) -> None:
    def refused(match: str, *records: Path, out: str = "out") -> None:
        with pytest.raises(FsbenchError, match=match):
            merge_records(records, tmp_path / out)

    refused(r"fold 0 is in .* as well", paths[0], paths[0])
    refused(r"seed is '1', but '0' in", paths[0], *one_by_one(small, tmp_path / "seed", (1,), seed=1))
    refused(
        r"environment.batch_size is '4', but '8' in", paths[0], *one_by_one(small, tmp_path / "4", (1,), batch_size=4)
    )
    paths[1].write_text(paths[1].read_text().replace('"licence": "unknown"', '"licence": "mine"'))
    refused(r"model.licence is 'mine', but 'unknown' in", *paths)
    merge_records(paths[:1], tmp_path / "out")
    refused("exists: choose another", paths[1])
    shutil.copy(paths[0], paths[1])
    refused(r"counts\.parquet: is not of the record beside it", paths[1])
    (paths[0].parent / "bootstrap.parquet").write_bytes(b"PAR1")
    refused(r"bootstrap.parquet: cannot be read", paths[0], out="another")
    (paths[0].parent / "counts.parquet").write_bytes(b"")
    refused(r"counts.parquet: cannot be read", paths[0], out="another")


def test_different_machines_are_both_named(paths: list[Path], tmp_path: Path) -> None:
    paths[1].write_text(paths[1].read_text().replace('"processor": "', '"processor": "Other '))
    merged = merge_records(paths, tmp_path / "out")
    assert " | Other " in merged.environment.processor or merged.environment.processor.startswith("Other ")
    assert " | " in merged.environment.processor
