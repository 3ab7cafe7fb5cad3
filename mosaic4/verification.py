"""Verifies a built Mosaic-4 against its class folders: recomputes every digest, compares every written file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fsbench.benchmarks.verification import Check
from fsbench.errors import FsbenchError
from fsbench.io.files import alteration
from fsbench.parallel import in_threads
from mosaic4.build import hash_mosaics
from mosaic4.compose import Mosaics
from mosaic4.dataset import JSON, PARQUET, Dataset, libraries, read_unchecked, recipe_for
from mosaic4.digests import PixelHashes, dataset_digest, decoder, sources_digest
from mosaic4.metadata_check import metadata_faults
from mosaic4.out_folder import extra_files
from mosaic4.pixel_check import mosaic_files, written_faults, written_images
from mosaic4.queries import mosaic_id
from mosaic4.tiles import KeptTiles, tile_paths


def verify_dataset(folder: Path, root: Path, workers: int | None = None) -> list[Check]:
    """All checks of the Mosaic-4 in ``folder`` against the class folders in ``root``.

    A fault is a failed check that names it. Where the ``pixels`` digest alone differs, it is a warning: JPEG decoders
    differ a little. Raises FsbenchError where ``folder`` holds no Mosaic-4 that can be read.
    """
    return list(_checks(folder, read_unchecked(folder), root, workers))


def _checks(folder: Path, dataset: Dataset, root: Path, workers: int | None) -> Iterator[Check]:
    mosaics = len(dataset.recipe.mosaics)
    yield _check("recipe", _recipe_faults(dataset), f"{mosaics} mosaics, {_short(dataset, 'recipe')}")
    altered = _source_faults(dataset, root, workers)
    yield _check("sources", altered, f"{2 * len(dataset.hashes)} files unchanged, {_short(dataset, 'sources')}")
    digest = dataset_digest(dataset.recipe, sources_digest(dataset.recipe, dataset.hashes))
    differs = f"{PARQUET} gives {digest[:12]}…, {JSON} the {_short(dataset, 'dataset')}"
    yield _check("dataset", [differs] * (digest != dataset.digests.dataset), _short(dataset, "dataset"))
    composed = Mosaics(dataset.recipe, KeptTiles(root, dataset.hashes))
    hashes: PixelHashes | None = None
    unread = "mosaics cannot be composed: see sources"
    if not altered:
        try:
            hashes = hash_mosaics(composed, workers)
        except FsbenchError as error:
            unread = str(error)
    same_masks = hashes is not None and hashes.masks == dataset.digests.masks
    same_pixels = hashes is not None and hashes.pixels == dataset.digests.pixels
    fault = unread if hashes is None else f"masks give {hashes.masks[:12]}…, not {_short(dataset, 'masks')}"
    yield _check("masks", [] if same_masks else [fault], _short(dataset, "masks"))
    yield _pixels(dataset, hashes, unread, alone=same_masks)
    other_decoder = same_masks and not same_pixels
    exact = dataset.written_with == libraries() and not other_decoder
    faults = [f"{path} does not belong to it" for path in extra_files(folder, mosaic_files(folder, dataset))]
    faults += written_faults(folder, dataset, composed, workers, exact=exact, images=not other_decoder)
    if other_decoder and dataset.form != "recipe":
        faults += _images_faults(folder, dataset)
    faults += metadata_faults(folder, dataset, faults)
    as_built = "as built, byte for byte" if exact else "as built; other library versions wrote them"
    yield _check("written files", faults, f"form {dataset.form}, {as_built}")


def _check(name: str, faults: Sequence[str], fine: str) -> Check:
    """``fsbench.benchmarks.verification.check`` that names every fault: each is a file that must be repaired."""
    return Check(name, not faults, "; ".join(faults) or fine)


def _recipe_faults(dataset: Dataset) -> list[str]:
    recipe = dataset.recipe
    try:
        again = recipe_for(recipe.samples, recipe.seed, recipe.grid)
    except FsbenchError as error:
        return [str(error)]
    faults = [
        f"mosaic {mosaic_id(i)} is {' '.join(found)}, expected {' '.join(expected)}"
        for i, (found, expected) in enumerate(zip(recipe.mosaics, again.mosaics, strict=True))
        if found != expected
    ]
    more = [f"{len(faults) - 1} more mosaics differ"] if len(faults) > 1 else []
    if again.seed_used != recipe.seed_used:
        more.append(f"seed used is {recipe.seed_used} in {JSON}, expected {again.seed_used}")
    return faults[:1] + more


def _source_faults(dataset: Dataset, root: Path, workers: int | None) -> list[str]:
    files = [
        (path, digest)
        for sample in dataset.recipe.samples
        for path, digest in zip(tile_paths(root, sample), dataset.hashes[sample], strict=True)
    ]

    faults = [found for found in in_threads(lambda file: alteration(*file), files, workers, "sources") if found]
    if not faults and sources_digest(dataset.recipe, dataset.hashes) != dataset.digests.sources:
        faults = [f"{PARQUET} does not give the sources digest of {JSON}"]
    return faults


def _pixels(dataset: Dataset, hashes: PixelHashes | None, unread: str, *, alone: bool) -> Check:
    if hashes is None:
        return Check("pixels", False, unread)
    if hashes.pixels == dataset.digests.pixels:
        return Check("pixels", True, f"{_short(dataset, 'pixels')}, decoded by {decoder()}")
    warning = "warning: " if alone else ""
    differs = f"{hashes.pixels[:12]}…, not {_short(dataset, 'pixels')}"
    return Check("pixels", alone, f"{warning}{differs}: decoded by {decoder()}, built with {dataset.decoder}")


def _images_faults(folder: Path, dataset: Dataset) -> list[str]:
    """With another JPEG decoder than the build's, the ``pixels`` digest is that of the written images."""
    hashes = PixelHashes()
    for mosaic, image in enumerate(written_images(folder, dataset)):
        if image is None:
            return [f"{folder}: the image of mosaic {mosaic_id(mosaic)} or a later one of its file cannot be read"]
        hashes.update(image)
    if hashes.pixels == dataset.digests.pixels:
        return []
    return [
        f"{folder}: its images give {hashes.pixels[:12]}…, not {_short(dataset, 'pixels')}; "
        f"verify with {dataset.decoder} to find which"
    ]


def _short(dataset: Dataset, name: str) -> str:
    return f"digest {getattr(dataset.digests, name)[:12]}…"
