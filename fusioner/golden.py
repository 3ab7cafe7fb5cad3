"""Golden files: weights, inputs and outputs of the released code, and our differences from them.

A golden file is an ``.npz`` with ``meta`` (the text of a dictionary: ``d_model``, ``layers``, ``heads``, ``grid``,
``target``, ``temperature``, ``visual_dim``, ``text_dim``; grid and target are one number, or height and width),
``visual`` (B x N x Dv), ``text`` (B x K x Dt), every parameter under its name in the released code, and the outputs:
``fused_visual`` (B x N x d), ``fused_text`` (B x K x d), ``decoded`` (B x d x H x W), ``logits`` (B x K x H x W), all
floats. With K > 1, all classes in one pass. Nothing in it is executed or unpickled, and array sizes are checked first.
"""

from __future__ import annotations

import ast
import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fsbench.errors import CheckFailedError, FsbenchError
from fsbench.io.untrusted import check_size, open_regular, plain
from fusioner.decoder import full_size
from fusioner.fusion import FusionConfig
from fusioner.model import Fusioner

TOLERANCE = 1e-4
LARGEST = 4 * 2**30
"""Bytes of all arrays of a golden file together; those of the paper's model have some 0.4 GB."""
LONGEST_META = 10_000
"""Characters of ``meta``."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DAMAGE = (OSError, ValueError, EOFError, SyntaxError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
OUTPUTS = ("fused_visual", "fused_text", "decoded", "logits")
SIZES = ("d_model", "layers", "heads", "visual_dim", "text_dim")


@dataclass(frozen=True)
class Golden:
    """A golden file, read and checked."""

    config: FusionConfig
    grid: tuple[int, int]
    target: tuple[int, int]
    arrays: Mapping[str, Tensor]


def read_golden(path: Path) -> Golden:
    """Read and check a golden file. Raises FsbenchError, one line, for any other file."""
    meta, arrays = _arrays(path)
    lacking = [key for key in (*SIZES, "grid", "target", "temperature") if key not in meta]
    if lacking:
        raise FsbenchError(f"{path}: meta lacks {', '.join(lacking)}: give a golden file of the released code")
    if not isinstance(meta["temperature"], float | int):
        raise FsbenchError(f"{path}: meta has temperature {meta['temperature']!r}: expected a number")
    try:
        config = FusionConfig(**{key: meta[key] for key in SIZES}, temperature=float(meta["temperature"]))
    except FsbenchError as error:
        raise FsbenchError(f"{path}: meta: {error}") from error
    golden = Golden(config, _pair(path, meta, "grid"), _pair(path, meta, "target"), arrays)
    _check_shapes(path, golden)
    return golden


@torch.no_grad()
def outputs(golden: Golden) -> dict[str, Tensor]:
    """Our outputs for the golden weights and inputs, keyed and shaped as in the file."""
    model = Fusioner(golden.config).eval()
    model.load_state_dict({name: golden.arrays[name] for name in model.state_dict()})
    visual, text, grid, target = golden.arrays["visual"], golden.arrays["text"], golden.grid, golden.target
    fused_visual, fused_text = model.fusion.joint(visual, text)
    decoded = torch.stack([full_size(z, target) for z in model.decoder(fused_visual, grid)])
    logits = (model if text.shape[1] == 1 else model.joint)(visual, text, grid, target)
    return dict(zip(OUTPUTS, (fused_visual, fused_text, decoded, logits), strict=True))


def differences(path: Path) -> dict[str, float]:
    """The largest absolute difference of each output of a golden file; NaN where either has one.

    Raises FsbenchError, naming the file, as ``read_golden``, and for sizes that make no model.
    """
    golden = read_golden(path)
    try:
        ours = outputs(golden)
    except FsbenchError as error:
        raise FsbenchError(f"{path}: {error}") from error
    return {name: float((output - golden.arrays[name]).abs().max()) for name, output in ours.items()}


def check(path: Path, found: Mapping[str, float]) -> None:
    """Raise CheckFailedError unless all differences are within the tolerance."""
    beyond = [f"{name} by {value:.3g}" for name, value in found.items() if not value <= TOLERANCE]
    if beyond:
        raise CheckFailedError(f"{path}: we differ in {', '.join(beyond)}; at most {TOLERANCE:g} is allowed")


def _arrays(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """``meta``, and all other arrays, of an untrusted file."""
    try:
        with open_regular(path) as file:
            check_size(path, file, LARGEST)
            with zipfile.ZipFile(file) as archive:
                arrays = _members(path, archive)
    except FileNotFoundError as error:
        raise FsbenchError(f"{path}: no such file: give a golden .npz file") from error
    except _DAMAGE as error:
        why = plain(getattr(error, "strerror", None) or error)[:200] or type(error).__name__
        raise FsbenchError(f"{path}: no readable .npz archive of arrays ({why}): give a golden .npz file") from error
    meta = _meta(arrays.pop("meta", None))
    if meta is None:
        raise FsbenchError(f"{path}: has no meta with a dictionary of sizes: give a golden file of the released code")
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise FsbenchError(f"{path}: {name} is {array.dtype}: expected floats")
    return meta, {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an archive, at most ``LARGEST`` bytes; a member is read up to the size that the archive names."""
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if size > LARGEST:
        raise FsbenchError(f"{path}: its arrays have {size} bytes, at most {LARGEST} are read: check what it is")
    names = [plain(member.filename.removesuffix(".npy"))[:80] for member in members]
    if len(set(names)) < len(names):
        raise FsbenchError(f"{path}: holds an array twice: give a golden file of the released code")
    return {name: _array(archive.read(member)) for name, member in zip(names, members, strict=True)}


def _array(data: bytes) -> np.ndarray[Any, Any]:
    """The array of a ``.npy`` file; raises ValueError where it is broken, holds objects, or has another size."""
    file = io.BytesIO(data)
    read_header = _HEADERS.get(np.lib.format.read_magic(file))
    if read_header is None:
        raise ValueError("an array is of a version other than 1.0 and 2.0")
    shape, by_columns, dtype = read_header(file)
    start = file.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError("an array has another size than its header names")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if by_columns else "C")


def _meta(array: np.ndarray[Any, Any] | None) -> dict[str, Any] | None:
    """The dictionary in ``meta``; None if it holds none."""
    if array is None or array.dtype.kind != "U" or array.size != 1 or array.itemsize > 4 * LONGEST_META:
        return None
    try:
        found = ast.literal_eval(str(array))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _pair(path: Path, meta: Mapping[str, Any], key: str) -> tuple[int, int]:
    value = meta[key]
    sides = (value, value) if isinstance(value, int) else value
    if isinstance(sides, tuple | list) and len(sides) == 2 and all(type(side) is int and side > 0 for side in sides):
        return (sides[0], sides[1])
    raise FsbenchError(f"{path}: meta has {key} {value!r}: expected a whole number above 0, or two (height, width)")


def _check_shapes(path: Path, golden: Golden) -> None:
    """Raise FsbenchError unless the arrays are exactly those that ``meta`` implies."""
    config, arrays = golden.config, golden.arrays
    if "text" not in arrays:
        raise FsbenchError(f"{path}: text is missing: give a golden file of the released code")
    batch, classes = (*arrays["text"].shape, 0, 0)[:2]
    tokens, d = golden.grid[0] * golden.grid[1], config.d_model
    expected = {
        "visual": (batch, tokens, config.visual_dim),
        "text": (batch, classes, config.text_dim),
        "fused_visual": (batch, tokens, d),
        "fused_text": (batch, classes, d),
        "decoded": (batch, d, *golden.target),
        "logits": (batch, classes, *golden.target),
    }
    _compare(path, arrays, expected)
    blocks = len({name.split(".")[2] for name in arrays if name.startswith("fusion.blocks.")})
    if blocks != config.layers:  # so an excessive number of layers is never built
        raise FsbenchError(f"{path}: meta has layers {config.layers}, but there are weights of {blocks} blocks")
    with torch.device("meta"):
        expected |= {name: tuple(p.shape) for name, p in Fusioner(config).state_dict().items()}
    _compare(path, arrays, expected)
    foreign = sorted(arrays.keys() - expected.keys())
    if foreign:
        raise FsbenchError(f"{path}: {foreign[0]} belongs to no model of these sizes: give the file without it")


def _compare(path: Path, arrays: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in expected.items():
        if name not in arrays:
            raise FsbenchError(f"{path}: {name} is missing: give a golden file of the released code")
        found = tuple(arrays[name].shape)
        if found != shape or 0 in shape:
            raise FsbenchError(f"{path}: {name} has shape {found}: expected {shape}, from meta and text")
