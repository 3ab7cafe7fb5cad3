"""Compares the other files of a dataset with what they must be: JSON, recipe, metadata and Croissant description.

``croissant.json`` holds the hashes of the others, so that an altered byte in any of them is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from fsbench.errors import FsbenchError
from fsbench.io.files import alteration
from fsbench.version import __version__
from mosaic4 import croissant, png_folder
from mosaic4.croissant_hashes import described_files
from mosaic4.dataset import JSON, PARQUET, Dataset, dataset_json, libraries, recipe_table, write_table


def metadata_faults(folder: Path, dataset: Dataset, known: Sequence[str]) -> list[str]:
    """A line per fault; a file that ``known`` names is not named again."""
    faults = [fault for name, data in _expected(dataset).items() if (fault := _difference(folder / name, data))]
    faults += list(_png_faults(folder, dataset, known)) if dataset.form == "png" else []
    try:
        hashes = described_files(folder)
    except FsbenchError as error:
        return [*faults, str(error)]
    for name, digest in hashes.items():
        path = folder / name
        if not any(str(path) in fault for fault in (*known, *faults)) and alteration(path, digest):
            faults.append(f"{path} was altered, or its hash in {folder / croissant.FILE} was")
    if not faults and not known and dataset.written_with["fsbench"] == __version__:
        fault = _difference(folder / croissant.FILE, croissant.croissant_text(folder, dataset).encode())
        faults += [fault] if fault else []
    return faults


def _expected(dataset: Dataset) -> dict[str, bytes]:
    """File -> bytes, for those that are known without reading them."""
    expected = {JSON: dataset_json(dataset).encode()}
    if dataset.written_with == libraries():
        sink = pa.BufferOutputStream()
        write_table(recipe_table(dataset.recipe, dataset.hashes), sink)
        expected[PARQUET] = sink.getvalue().to_pybytes()
    return expected


def _png_faults(folder: Path, dataset: Dataset, known: Sequence[str]) -> Iterator[str]:
    """Faults of ``metadata.jsonl``, and PNGs that do not have the hashes in it."""
    mosaics = len(dataset.recipe.mosaics)
    try:
        hashes = png_folder.written_hashes(folder)
        expected = png_folder.metadata(dataset.recipe, hashes) if len(hashes) == mosaics else ""
    except FsbenchError as error:
        yield str(error)
        return
    fault = _difference(folder / png_folder.METADATA, expected.encode())
    if fault:
        yield fault
        return
    for mosaic, of_files in enumerate(hashes):
        for path, digest in zip(png_folder.png_paths(folder, mosaic), of_files, strict=True):
            if not any(str(path) in line for line in known) and alteration(path, digest):
                yield f"{path} was altered, or its hash in {folder / png_folder.METADATA} was"


def _difference(path: Path, expected: bytes) -> str | None:
    return alteration(path, hashlib.sha256(expected).hexdigest())
