"""Proves a built Mosaic-4 against its class folders: every digest is computed again, every written file compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from fsbench.errors import FsbenchError
from fsbench.files import sha256_file, sha256_text
from fsbench.parallel import in_threads
from fsbench.verification import Check, check
from mosaic4 import croissant, png_folder
from mosaic4.build import hash_mosaics
from mosaic4.dataset import (
    JSON,
    PARQUET,
    Dataset,
    dataset_json,
    libraries,
    read_dataset,
    recipe_for,
    recipe_table,
    write_table,
)
from mosaic4.digests import PixelHashes, dataset_digest, decoder
from mosaic4.out_folder import strangers
from mosaic4.queries import mosaic_id
from mosaic4.written import mosaic_files, written_faults, written_images


def verify_dataset(folder: Path, root: Path, workers: int | None = None) -> list[Check]:
    """All checks of the Mosaic-4 in ``folder`` against the class folders in ``root``.

    What is found wrong is a failed check that names it. A ``pixels`` digest that alone is another is no failure but a
    warning: photographs decode a little differently with another JPEG decoder. Raises FsbenchError where ``folder``
    holds no Mosaic-4 that can be read.
    """
    dataset = read_dataset(folder)
    return list(_checks(folder, dataset, root, workers))


def _checks(folder: Path, dataset: Dataset, root: Path, workers: int | None) -> Iterator[Check]:
    yield check(
        "recipe", _recipe_faults(dataset), f"{len(dataset.recipe.mosaics)} mosaics, {_short(dataset, 'recipe')}"
    )
    altered = _source_faults(dataset, root, workers)
    yield check("sources", altered, f"{2 * len(dataset.hashes)} files unchanged, {_short(dataset, 'sources')}")
    yield check("dataset", _dataset_faults(dataset), _short(dataset, "dataset"))
    composed = dataset.mosaics(root)
    hashes: PixelHashes | None = None
    unread = "mosaics cannot be composed: see sources"
    if not altered:
        try:
            hashes = hash_mosaics(composed, workers)
        except FsbenchError as error:
            unread = str(error)
    same_masks = hashes is not None and hashes.masks == dataset.digests.masks
    same_pixels = hashes is not None and hashes.pixels == dataset.digests.pixels
    said = unread if hashes is None else f"masks give {hashes.masks[:12]}…, not {dataset.digests.masks[:12]}…"
    yield check("masks", [] if same_masks else [said], _short(dataset, "masks"))
    yield _pixels(dataset, hashes, unread, alone=same_masks)
    other_decoder = same_masks and not same_pixels
    faults = _text_faults(folder, dataset)
    faults += [f"{path} is no part of it" for path in strangers(folder, mosaic_files(folder, dataset))]
    exact = dataset.written_with == libraries() and not other_decoder
    faults += written_faults(folder, dataset, composed, workers, exact=exact, images=not other_decoder)
    if other_decoder and dataset.form != "recipe":
        faults += _images_faults(folder, dataset)
    yield check("written files", faults, f"form {dataset.form}, as built")


def _recipe_faults(dataset: Dataset) -> list[str]:
    recipe = dataset.recipe
    try:
        again = recipe_for(recipe.samples, recipe.seed, recipe.grid)
    except FsbenchError as error:
        return [str(error)]
    faults = [
        f"mosaic {mosaic_id(i)} is {' '.join(stored)}, expected {' '.join(made)}"
        for i, (stored, made) in enumerate(zip(recipe.mosaics, again.mosaics, strict=False))
        if stored != made
    ]
    if again.seed_used != recipe.seed_used:
        faults.append(f"seed used is {recipe.seed_used}, expected {again.seed_used}")
    return faults


def _source_faults(dataset: Dataset, root: Path, workers: int | None) -> list[str]:
    files = [
        (root / f"{sample}{suffix}", digest)
        for sample in dataset.recipe.samples
        for suffix, digest in zip((".jpg", ".png"), dataset.hashes[sample], strict=True)
    ]

    def fault(item: tuple[Path, str]) -> str | None:
        path, digest = item
        try:
            return None if sha256_file(path) == digest else f"{path} was altered"
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"

    faults = [said for said in in_threads(fault, files, workers, "sources") if said]
    if not faults and _sources_digest(dataset) != dataset.digests.sources:
        faults = [f"{PARQUET} does not give the sources digest of {JSON}"]
    return faults


def _sources_digest(dataset: Dataset) -> str:
    return sha256_text("".join(f"{sample} {' '.join(dataset.hashes[sample])}\n" for sample in dataset.recipe.samples))


def _dataset_faults(dataset: Dataset) -> list[str]:
    digest = dataset_digest(dataset.recipe.name, dataset.recipe.digest, _sources_digest(dataset))
    return [] if digest == dataset.digests.dataset else [f"gives {digest[:12]}…, not {_short(dataset, 'dataset')}"]


def _pixels(dataset: Dataset, hashes: PixelHashes | None, unread: str, *, alone: bool) -> Check:
    if hashes is None:
        return Check("pixels", False, unread)
    if hashes.pixels == dataset.digests.pixels:
        return Check("pixels", True, f"{_short(dataset, 'pixels')}, decoded by {decoder()}")
    said = (
        f"{hashes.pixels[:12]}…, not {_short(dataset, 'pixels')}: decoded by {decoder()}, built with {dataset.decoder}"
    )
    return Check("pixels", alone, f"warning: {said}" if alone else said)


def _images_faults(folder: Path, dataset: Dataset) -> list[str]:
    """With another JPEG decoder than the build's, written images are compared with its ``pixels`` digest."""
    hashes = PixelHashes()
    for image in written_images(folder, dataset):
        if image is None:
            return ["an image cannot be read"]
        hashes.update_image(image)
    if hashes.pixels == dataset.digests.pixels:
        return []
    return [
        f"the images give {hashes.pixels[:12]}…, not {_short(dataset, 'pixels')} (which, {dataset.decoder} can tell)"
    ]


def _text_faults(folder: Path, dataset: Dataset) -> list[str]:
    """Faults of the files beside the mosaics."""
    wanted = {JSON: dataset_json(dataset).encode()}
    if dataset.form == "png":
        wanted[png_folder.METADATA] = png_folder.metadata(dataset.recipe).encode()
    if dataset.written_with == libraries():
        sink = pa.BufferOutputStream()
        write_table(recipe_table(dataset.recipe, dataset.hashes), sink)
        wanted[PARQUET] = sink.getvalue().to_pybytes()
    faults = [said for name, data in wanted.items() if (said := _file_fault(folder / name, data))]
    if not faults and dataset.written_with == libraries():  # it holds the hashes of the others
        try:
            described = croissant.croissant_text(folder, dataset).encode()
        except OSError as error:
            return [f"{error.filename} cannot be read ({error.strerror})"]
        said = _file_fault(folder / croissant.FILE, described)
        faults += [said] if said else []
    return faults


def _file_fault(path: Path, wanted: bytes) -> str | None:
    try:
        return None if path.read_bytes() == wanted else f"{path} was altered"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"


def _short(dataset: Dataset, name: str) -> str:
    return f"digest {getattr(dataset.digests, name)[:12]}…"
