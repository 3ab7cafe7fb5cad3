"""The model against golden files: the released code's, and others by the naive implementation."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fsbench.errors import CheckFailedError, FsbenchError
from fusioner.cli import app
from fusioner.golden import OUTPUTS, TOLERANCE, check, differences, read_golden
from tests import ROOT
from tests.fusioner.naive_fusioner import write_golden


@pytest.fixture(scope="module")
def released() -> Path:
    data = Path(os.environ.get("FSBENCH_DATA") or ROOT.parent / "shared" / "data")
    path = data.parent / "reference" / "fusioner_golden.npz"
    if not path.is_file():
        pytest.skip(f"REFERENCE MISSING: {path} is not there: set FSBENCH_DATA; ours is not compared with the released")
    return path


def test_we_are_within_the_tolerance_of_the_released_code(released: Path) -> None:
    found = differences(released)
    assert found.keys() == set(OUTPUTS)
    assert all(value <= TOLERANCE for value in found.values()), found


def test_the_plain_implementation_is_the_released_one_too(released: Path) -> None:
    from tests.fusioner.naive_fusioner import outputs

    golden = read_golden(released)
    weights = {name: array for name, array in golden.arrays.items() if "." in name}
    plain = outputs(
        weights, golden.arrays["visual"], golden.arrays["text"], golden.grid, golden.target, golden.config.heads
    )
    for name, value in plain.items():
        assert float((value - golden.arrays[name]).abs().max()) <= TOLERANCE, name


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"grid": (2, 5), "target": (37, 16), "batch": 1},
        {"classes": 3, "layers": 1, "heads": 4, "temperature": 0.5},
        {"d": 24, "heads": 3, "visual_dim": 24, "text_dim": 2, "grid": (1, 2), "target": 3, "seed": 9},
        {"layers": 11, "target": 100, "grid": 4},
    ],
    ids=str,
)
def test_files_of_other_sizes(sizes: dict[str, Any], tmp_path: Path) -> None:
    found = differences(write_golden(tmp_path / "golden.npz", **sizes))
    assert all(value <= TOLERANCE for value in found.values()), found


@pytest.mark.parametrize("name", [*OUTPUTS, "fusion.blocks.1.mlp.fc1.weight", "decoder.conv_4.bias", "text"])
def test_a_difference_is_found(name: str, tmp_path: Path) -> None:
    with np.load(write_golden(tmp_path / "golden.npz"), allow_pickle=False) as stored:
        array = stored[name].copy()
    array.flat[0] += 0.5
    path = write_golden(tmp_path / "golden.npz", changed={name: array})
    found = differences(path)
    with pytest.raises(CheckFailedError, match=name if name in OUTPUTS else "logits"):
        check(path, found)


def test_the_command_prints_every_output_and_fails_on_nan(tmp_path: Path) -> None:
    path = write_golden(tmp_path / "golden.npz")
    ended = CliRunner().invoke(app, ["golden", str(path)])
    assert ended.exit_code == 0, ended.output
    assert [line.split()[0] for line in ended.stdout.splitlines()] == list(OUTPUTS)
    found = json.loads(CliRunner().invoke(app, ["golden", str(path), "--json"]).stdout)
    assert (found["tolerance"], found["within"]) == (TOLERANCE, dict.fromkeys(OUTPUTS, True))
    path = write_golden(path, changed={"logits": np.full((2, 1, 20, 20), np.nan, np.float32)})
    ended = CliRunner().invoke(app, ["golden", str(path), "--json"])
    assert isinstance(ended.exception, CheckFailedError)
    assert json.loads(ended.stdout)["differences"]["logits"] is None


def meta(**changed: Any) -> np.ndarray:
    sizes = {"d_model": 8, "layers": 2, "heads": 2, "grid": 3, "target": 20, "temperature": 0.07}
    return np.array(str(sizes | {"visual_dim": 6, "text_dim": 5} | changed))


@pytest.mark.parametrize(
    ("changed", "without", "said"),
    [
        ({}, ("meta",), "meta"),
        ({"meta": np.array("open('x')")}, (), "meta"),
        ({"meta": np.array("{'d_model': 8}")}, (), "meta lacks layers"),
        ({"meta": meta(layers=10**9)}, (), "1000000000"),
        ({"meta": meta(d_model=10**12)}, (), "fused_visual has shape"),
        ({"meta": meta(heads="many")}, (), "heads is 'many'"),
        ({"meta": meta(heads=3)}, (), "heads"),
        ({"meta": meta(grid=0)}, (), "grid 0"),
        ({"meta": meta(target=(1, 2, 3))}, (), "target"),
        ({"meta": meta(temperature="warm")}, (), "'warm'"),
        ({}, ("text",), "text is missing"),
        ({}, ("logits",), "logits is missing"),
        ({}, ("decoder.conv_3.bias",), r"decoder\.conv_3\.bias is missing"),
        ({"visual": np.zeros((2, 8, 6), np.float32)}, (), r"visual has shape \(2, 8, 6\): expected \(2, 9, 6\)"),
        ({"fusion.norm.bias": np.zeros(7, np.float32)}, (), r"fusion\.norm\.bias has shape"),
        ({"text": np.zeros(5, np.float32)}, (), "shape"),
        ({"text": np.zeros((2, 1, 5), np.int64)}, (), "text is int64"),
        ({"decoder.conv_9.bias": np.zeros(8, np.float32)}, (), r"conv_9\.bias belongs to no model"),
        ({"logits": np.array([object()])}, (), "no readable"),
    ],
)
def test_what_is_no_golden_file_is_refused_in_one_line(
    changed: dict[str, np.ndarray], without: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    path = write_golden(tmp_path / "golden.npz", changed=changed, without=without)
    with pytest.raises(FsbenchError, match=said) as caught:
        read_golden(path)
    assert caught.value.exit_code == 2
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sizes_that_make_no_map_name_the_file(tmp_path: Path) -> None:
    path = write_golden(tmp_path / "golden.npz", grid=(1, 2))
    with np.load(path, allow_pickle=False) as stored:
        arrays = {"visual": stored["visual"][:, :1], "fused_visual": stored["fused_visual"][:, :1]}
    path = write_golden(tmp_path / "golden.npz", grid=(1, 2), changed={**arrays, "meta": meta(grid=1)})
    with pytest.raises(FsbenchError, match=r"golden\.npz: the grid is 1 x 1: one point cannot be normalised"):
        differences(path)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    text, array, cut, archive = (tmp_path / name for name in ("a.npz", "b.npz", "c.npz", "d.npz"))
    text.write_text("weights")
    with array.open("wb") as file:
        np.save(file, np.zeros(3))
    whole = write_golden(tmp_path / "golden.npz").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("meta.npy", b"nothing of the kind")
    empty = tmp_path / "e.npz"
    empty.write_bytes(b"")
    spoilt = tmp_path / "f.npz"
    spoilt.write_bytes(whole[:2000] + bytes(b ^ 255 for b in whole[2000:2600]) + whole[2600:])
    for path in (text, array, cut, archive, empty, spoilt, tmp_path, tmp_path / "nothing.npz"):
        with pytest.raises(FsbenchError, match=path.name) as caught:
            read_golden(path)
        assert "\n" not in str(caught.value)
