"""Builds a Mosaic-4 from class folders: reads and checks everything, then writes one of the three forms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fsbench.benchmarks.fss.class_folders import sample_ids
from fsbench.benchmarks.fss.lists import class_keys
from fsbench.errors import FsbenchError
from fsbench.index.index_file import BuilderIndex, write_index
from fsbench.io.files import write_text
from fsbench.io.locks import building
from fsbench.parallel import in_threads
from mosaic4 import croissant, out_folder
from mosaic4.compose import Mosaics
from mosaic4.dataset import FORMS, Dataset, Form, libraries, recipe_for, write_json, write_recipe
from mosaic4.digests import Digests, PixelHashes, dataset_digest, decoder, sources_digest
from mosaic4.parquet_shards import write_parquet_shards
from mosaic4.png_folder import write_png_folder
from mosaic4.recipe import Recipe
from mosaic4.sources import read_sources


def recipe_of_classes(classes: Iterable[str] | None = None, seed: int = 0, grid: int = 2) -> Recipe:
    """The recipe of all samples of each class (default: the 240 test classes); raises FsbenchError if there is none."""
    keys = class_keys("test") if classes is None else classes
    return recipe_for((sample for key in keys for sample in sample_ids(key)), seed, grid)


def build(
    root: Path,
    out: Path,
    recipe: Recipe,
    *,
    form: Form = "recipe",
    workers: int | None = None,
    index: Mapping[str, Any] | None = None,
) -> Dataset:
    """Build ``recipe`` from the class folders in ``root`` into the folder ``out``, and return what was built.

    ``form``: ``recipe`` (``mosaic4.json``, ``recipe.parquet`` and ``croissant.json`` alone), ``png`` or ``parquet``.
    ``index``: the values of a ``benchmark.json`` to write as well. The files are the same for any number of
    ``workers``; ``mosaic4.json`` is written last, and the same build resumes a killed one. Raises one FsbenchError
    that lists all faults of the class folders, before anything is written; and for an ``out`` that cannot be written
    to, holds other files, or is in use by another build.
    """
    if form not in FORMS:
        raise FsbenchError(f"form {form!r}: expected one of {', '.join(FORMS)}")
    sources = read_sources(root, recipe, workers)
    with building(out):
        mosaics, hashes = Mosaics(recipe, sources.tiles), sources.hashes
        digest = dataset_digest(recipe, sources_digest(recipe, hashes))
        identity = {"form": form, "dataset": digest, "decoder": decoder(), "written_with": libraries()}
        with out_folder.begin(out, json.dumps(identity, sort_keys=True)) as log:
            if form == "png":
                pixels = write_png_folder(out, mosaics, log, workers)
            elif form == "parquet":
                pixels = write_parquet_shards(out, mosaics, log, workers)
            else:
                pixels = hash_mosaics(mosaics, workers)
        digests = Digests(recipe.digest, sources_digest(recipe, hashes), digest, pixels.masks, pixels.pixels)
        dataset = Dataset(recipe, hashes, form, digests, decoder(), libraries(), sources.sizes)
        write_recipe(out, dataset)
        write_text(out / croissant.FILE, croissant.croissant_text(out, dataset))
        if index is not None:
            write_index(out, BuilderIndex, index)
        write_json(out, dataset)
        (out / out_folder.MARKER).unlink(missing_ok=True)
        return dataset


def hash_mosaics(mosaics: Mosaics, workers: int | None = None) -> PixelHashes:
    """The hashes of all mosaics, composed one by one."""
    hashes = PixelHashes()
    for image, mask in in_threads(mosaics.__getitem__, range(len(mosaics)), workers, "mosaics"):
        hashes.update(image, mask)
    return hashes
