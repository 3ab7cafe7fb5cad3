"""Mosaic-4 as a benchmark: what ``fsbench build|verify|episodes|evaluate|show mosaic4`` use.

The folder holds the dataset (``mosaic4.json``, ``recipe.parquet``, ``croissant.json``) and ``benchmark.json``, which
names the class folders on this machine. Mosaics are composed from them as they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from fsbench.benchmarks.fss.fss1000 import FOLD, find_root
from fsbench.benchmarks.fss.names import plain_name
from fsbench.benchmarks.name_files import check_folder_name, read_names
from fsbench.benchmarks.verification import SHOTS, Check, check
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import protocol_named
from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, Digests, Sample
from fsbench.index.fold_lists import ClassName, FoldLists, Scenes
from fsbench.version import __version__
from mosaic4.build import build as build_dataset
from mosaic4.build import recipe_of_classes
from mosaic4.compose import Mosaics
from mosaic4.dataset import Dataset, Form, read_dataset
from mosaic4.queries import absent_classes, mosaic_id, present_pairs, support_samples
from mosaic4.recipe import Recipe
from mosaic4.resample import SIDE, Pixels
from mosaic4.verification import verify_dataset

EXAMPLE = "Example: fsbench build mosaic4 --root FSS-1000; with no data: fsbench build mosaic4 --recipe-only"

NAME = "mosaic4"
TILE_FORMAT = "grey-128"


@dataclass(frozen=True)
class MosaicBenchmark(Benchmark):
    """A benchmark whose queries are the mosaics of ``dataset``; supports are photographs of any size."""

    dataset: Dataset

    @cached_property
    def mosaics(self) -> Mosaics:
        """The mosaics by number."""
        return self.dataset.mosaics(self.roots["root"])

    def image(self, sample: str) -> Pixels:
        """The image of a mosaic or a photograph, as in ``Benchmark.image``."""
        return self.mosaics.image(int(sample)) if sample in self._listed_classes else super().image(sample)

    def objects(self, query: str) -> Pixels:
        """The mask of a mosaic's objects: uint8 H x W, p + 1 at position p, else 0."""
        return self.mosaics.mask(int(query))

    def truth(self, sample: str, class_id: int) -> Pixels:
        """The truth for a mosaic or a photograph, as in ``Benchmark.truth``."""
        mosaic = sample in self._listed_classes
        return self.labels(sample, (class_id,)) if mosaic else super().truth(sample, class_id)

    def labels(self, sample: str, class_ids: Sequence[int]) -> Pixels:
        """The labels of a mosaic or a photograph, as in ``Benchmark.labels``."""
        if sample not in self._listed_classes:
            return super().labels(sample, class_ids)
        places = [class_ids.index(c) + 1 if c in class_ids else 0 for c in self._listed_classes[sample]]
        found: Pixels = np.array([0, *places], np.uint8)[self.objects(sample)]
        return found


def mosaic_lists(recipe: Recipe) -> FoldLists:
    """Classes, pairs and scenes of a recipe."""
    return FoldLists(
        name=f"mosaic{recipe.grid**2}" + ("" if is_official(recipe) else "-classes"),
        title=title_of(recipe),
        partition=f"{recipe.name}, recipe seed {recipe.seed}",
        mask_rule=TILE_FORMAT,
        classes=tuple(ClassName(class_id, key, plain_name(key)) for class_id, key in enumerate(recipe.classes)),
        folds={FOLD: tuple(range(len(recipe.classes)))},
        val={FOLD: present_pairs(recipe)},
        train={},
        scenes=Scenes(
            protocol=recipe.name,
            tiles={mosaic_id(mosaic): samples for mosaic, samples in enumerate(recipe.mosaics)},
            absent=absent_classes(recipe),
            supports=support_samples(recipe),
        ),
    )


def title_of(recipe: Recipe) -> str:
    """The title of a recipe; it says whether its classes are not the official ones."""
    own = "" if is_official(recipe) else f" layout [{len(recipe.classes)} own classes]"
    return f"Mosaic-{recipe.grid**2}{own}" + (f" (seed {recipe.seed})" if recipe.seed else "")


def is_official(recipe: Recipe) -> bool:
    """Whether a recipe has the samples of the 240 official test classes."""
    return recipe.samples == _official_samples()


@cache
def _official_samples() -> tuple[str, ...]:
    return recipe_of_classes().samples


def published_lists() -> FoldLists:
    """The lists of the official Mosaic-4 with seed 0; no data is needed."""
    return mosaic_lists(recipe_of_classes())


def build(
    root: Annotated[Path | None, typer.Option(help="The folder that holds FSS-1000's class folders.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write. Default: the benchmark's name under FSBENCH_HOME.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the recipe.")] = 0,
    grid: Annotated[int, typer.Option(min=2, max=4, help="Tiles a side: 2, or 3 and 4, which are harder.")] = 2,
    classes: Annotated[
        Path | None, typer.Option(help="Use these classes instead of the 240 test classes, one a line.")
    ] = None,
    form: Annotated[
        Form,
        typer.Option("--format", help="recipe: no pixels on disk; png or parquet: for Hugging Face datasets as well."),
    ] = "recipe",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that read and write.")] = None,
    recipe_only: Annotated[
        bool, typer.Option("--recipe-only", help="Only print the recipe's digest; no data is needed.")
    ] = False,
) -> Benchmark | None:
    """Build Mosaic-4 from FSS-1000: mosaics of 2 x 2 samples of different classes, the same everywhere.

    Raises one FsbenchError that lists all faults of the class folders, before anything is written.
    """
    if not recipe_only:
        if root is None:
            raise FsbenchError("--root is missing: give the folder of FSS-1000 that holds abacus, or use --recipe-only")
        root = find_root(root)
    keys = None if classes is None else read_names(classes, "class file", check_folder_name)
    recipe = recipe_of_classes(keys, seed, grid)
    if root is None or recipe_only:
        if root is not None or out is not None or form != "recipe":
            raise FsbenchError("--recipe-only reads and writes nothing: leave --root, --out and --format out")
        typer.echo(
            f"recipe: {recipe.name}\nseed: {recipe.seed_used}\nclasses: {len(recipe.classes)}\n"
            f"mosaics: {len(recipe.mosaics)}\nrecipe digest: {recipe.digest}"
        )
        return None
    lists = mosaic_lists(recipe)
    if out is None:
        out = home() / (lists.name + (f"-seed{seed}" if seed else ""))
    index = {
        "name": lists.name,
        "title": lists.title,
        "roots": {"root": str(root.resolve())},
        "builder": NAME,
        "builder_version": __version__,
    }
    dataset = build_dataset(root, out, recipe, form=form, workers=workers, index=index)
    return _benchmark(out, {"root": root}, dataset, lists)


def open_folder(folder: Path, roots: Mapping[str, Path]) -> MosaicBenchmark:
    """Open a built Mosaic-4; raises FsbenchError where its files are not one."""
    dataset = read_dataset(folder)
    return _benchmark(folder, roots, dataset, mosaic_lists(dataset.recipe))


def _benchmark(folder: Path, roots: Mapping[str, Path], dataset: Dataset, lists: FoldLists) -> MosaicBenchmark:
    recipe = dataset.recipe
    ids = [mosaic_id(mosaic) for mosaic in range(len(recipe.mosaics))]
    size = recipe.grid * SIDE, recipe.grid * SIDE
    samples = {query: Sample(query, "mosaic", *size, None, None, None, None) for query in ids}
    for tile in recipe.samples:
        image, mask = f"root:{tile}.jpg", f"root:{tile}.png"
        own_size = dataset.sizes.get(tile, (SIDE, SIDE))
        samples[tile] = Sample(tile, "tile", *own_size, image, mask, *dataset.hashes[tile])
    return MosaicBenchmark(
        folder=folder,
        roots=roots,
        lists=lists,
        mask_format=TILE_FORMAT,
        digests=Digests(lists.digest(), dataset.digests.masks, dataset.digests.sources),
        partial=False,
        counts={"val_present": len(ids), "val_total": len(ids)},
        samples=samples,
        areas={},
        builder=NAME,
        builder_version=dataset.written_with["fsbench"],
        dataset=dataset,
    )


def verify_whole(benchmark: Benchmark, workers: int | None = None) -> list[Check]:
    """All checks: those of the dataset, and that no mosaic holds one of its supports."""
    checks = verify_dataset(benchmark.folder, benchmark.roots["root"], workers)
    scenes = benchmark.lists.scenes
    assert scenes is not None
    protocol = protocol_named(scenes.protocol)
    shots = min(SHOTS, min(map(len, scenes.supports.values())) - 1)
    faults = []
    for question in draw(benchmark.lists, FOLD, protocol, shots, 0).questions:
        shown = {benchmark.samples[tile].image_sha256 for tile in scenes.tiles[question.query]}
        faults += [
            f"support {support} is in its mosaic {question.query}"
            for support in question.supports[0]
            if benchmark.samples[support].image_sha256 in shown
        ]
    asked = 5 * len(scenes.tiles)
    what = f"{asked} episodes of {protocol.id} at {shots} shots"
    return [*checks, check("supports stand in no query", faults, what)]
