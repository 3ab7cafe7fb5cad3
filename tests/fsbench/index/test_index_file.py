"""A benchmark folder with altered or impossible values is refused in one line that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.index.fold_lists import check_sample_id
from fsbench.index.index_file import BuilderIndex, Index, read_index, write_index
from fsbench.index.sample_table import Sample, count_samples, write_samples
from fsbench.io.files import sha256_file, sha256_json
from tests.refusals import refusal

FIELDS = [*Index.model_fields][1:]
"""All but ``schema``."""


@pytest.fixture
def folder(small: Benchmark, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small.folder, tmp_path / "copy"))


def values_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "benchmark.json").read_bytes())
    return found


def write(folder: Path, values: dict[str, Any], *, sealed: bool) -> None:
    """Write ``values``; ``sealed``: with the digest that belongs to them, as a forger would."""
    if sealed:
        del values["sha256"]
        values["sha256"] = sha256_json(values)
    (folder / "benchmark.json").write_text(json.dumps(values), encoding="utf-8")


def refused(folder: Path, file: str, match: str) -> None:
    with pytest.raises(FsbenchError, match=match) as caught:
        open_benchmark(folder)
    line = str(caught.value)
    assert line.startswith(f"{folder / file}: ")
    assert line.endswith(": build it again")
    assert "\n" not in line


def other(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return "0" * 64 if len(value) == 64 else f"{value}x"
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value[1:], other(value[0])] if value else ["x"]
    return {key: other(of) for key, of in value.items()}


@pytest.mark.parametrize("field", FIELDS)
def test_an_altered_field_is_refused(folder: Path, field: str) -> None:
    whole = values_of(folder)
    write(folder, {**whole, field: other(whole[field])}, sealed=False)
    refused(folder, "benchmark.json", "is not the index of a benchmark")
    for value in (None, 3, [{}], {"x": None}):
        write(folder, {**whole, field: value}, sealed=field != "sha256")
        refused(folder, "benchmark.json", rf"is not the index of a benchmark \({field}")


EDITS: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("lists or counts are not those of its tables", lambda v: v["classes"][0].update(name="another")),
    ("lists or counts are not those of its tables", lambda v: v.update(partition="another")),
    ("lists or counts are not those of its tables", lambda v: v["counts"].update(val_total=81)),
    ("lists or counts are not those of its tables", lambda v: v.update(without_mask=["thing_00/1"])),
    ("a fold names an unknown class", lambda v: v["folds"].update({"0": [0, 8]})),
    ("class ids are not 0, 1, 2", lambda v: v["classes"].pop(0)),
    ("two classes have the same key", lambda v: v["classes"][0].update(key="thing_01")),
    ("its lists are not those of its folds", lambda v: v["lists"].pop("val-fold0")),
    ("files lacks", lambda v: v["files"].pop("pairs.parquet")),
    ("mask format 'rle' does not fit its files", lambda v: v.update(mask_format="rle")),
    ("mask format 'none' does not fit its files", lambda v: v.update(mask_format="none")),
    ("Extra inputs are not permitted", lambda v: v.update(extra=1)),
]


def test_values_that_do_not_fit_are_refused_with_their_digest_too(folder: Path, small: Benchmark) -> None:
    write(folder, values_of(folder), sealed=False)
    assert open_benchmark(folder).lists == small.lists, "white space is no alteration"
    for match, edit in EDITS:
        values = values_of(small.folder)
        edit(values)
        write(folder, values, sealed=True)
        refused(folder, "benchmark.json", match)


@pytest.mark.parametrize("file", ["samples.parquet", "pairs.parquet"])
def test_an_altered_table_is_refused(folder: Path, file: str) -> None:
    pq.write_table(pq.read_table(folder / file), folder / file, compression="none")
    refused(folder, file, "it was altered after it was written")


@pytest.mark.parametrize(
    ("file", "column", "value", "match"),
    [
        ("samples.parquet", "id", "a b", "must not be empty or hold"),
        ("samples.parquet", "id", "x" * 201, "has more than 200 bytes"),
        ("samples.parquet", "id", "thing_00/2", "sample thing_00/2: is listed twice"),
        ("samples.parquet", "split", "test", "split is 'test': expected val or train"),
        ("samples.parquet", "height", 0, "height is 0: expected 1 to 65535 pixels"),
        ("samples.parquet", "width", 65536, "width is 65536"),
        ("samples.parquet", "image", "root:../1.jpg", r"image is 'root:\.\./1.jpg': expected root:relative/path"),
        ("samples.parquet", "image", "root:/etc/1.jpg", "image is 'root:/etc/1.jpg'"),
        ("samples.parquet", "mask", "other:1.png", "mask is 'other:1.png'"),
        ("samples.parquet", "image_sha256", "0", "image_sha256 is '0': expected the SHA-256"),
        ("samples.parquet", "mask_sha256", None, "mask_sha256 is None"),
        ("samples.parquet", "id", None, "it has nulls"),
        ("pairs.parquet", "list", "val-fold9", "its lists are not val-fold0, val-fold1"),
        ("pairs.parquet", "sample", "thing_99/1", "thing_99/1"),
        ("pairs.parquet", "class_id", 8, "class ids are 0 to 8, expected 0 to 7"),
        ("pairs.parquet", "area", -2, "an area is -2"),
    ],
)
def test_a_forged_table_is_refused(folder: Path, file: str, column: str, value: object, match: str) -> None:
    """Its SHA-256 stands in the index, but the first row says what cannot be."""
    table = pq.read_table(folder / file)
    values = [value, *table[column].to_pylist()[1:]]
    place = table.schema.names.index(column)
    pq.write_table(
        table.set_column(place, table.schema.field(column), pa.array(values, table[column].type)), folder / file
    )
    index = values_of(folder)
    index["files"][file] = sha256_file(folder / file)
    write(folder, index, sealed=True)
    refused(folder, file, match)


def test_impossible_samples_are_not_written(tmp_path: Path) -> None:
    sample = Sample("a", "val", 70_000, 10, "root:a.jpg", "root:a.png", "0" * 64, "0" * 64)
    with pytest.raises(FsbenchError, match="sample a: height is 70000: expected 1 to 65535 pixels"):
        write_samples(tmp_path, [sample], ["root"])
    assert list(tmp_path.iterdir()) == []
    assert check_sample_id("é" * 100)
    assert "has more than 200 bytes: shorten the file's path" in refusal(check_sample_id, "é" * 101)


def test_counts_of_samples() -> None:
    here = Sample("a", "val", 1, 1, "root:a", "root:b", "0" * 64, "0" * 64)
    gone = Sample("b", "val", 0, 0, None, None, None, None)
    assert count_samples([here, gone]) == {"val_present": 1, "val_total": 2}
    assert count_samples([gone]) == {"val_present": 0, "val_total": 1}


def test_the_index_of_a_builder_with_files_of_its_own(tmp_path: Path) -> None:
    values = {"name": "mine", "title": "Mine", "roots": {"root": "/raw"}, "builder": "mine", "builder_version": "1"}
    write_index(tmp_path, BuilderIndex, values)
    assert read_index(tmp_path, BuilderIndex).title == "Mine"
    write(tmp_path, {**values_of(tmp_path), "title": "Yours"}, sealed=False)
    with pytest.raises(FsbenchError, match=r"benchmark\.json: .*its values were altered after it was written"):
        read_index(tmp_path, BuilderIndex)
    with pytest.raises(FsbenchError, match=r"benchmark\.json: cannot be written \(roots: "):
        write_index(tmp_path, BuilderIndex, {**values, "roots": {}})
    with pytest.raises(FsbenchError, match=r"benchmark\.json: cannot be written \('.*/raw/\?' is not UTF-8\): rename"):
        write_index(tmp_path, BuilderIndex, {**values, "roots": {"root": "/raw/\udcff"}})
