"""``mosaic4.json`` and ``recipe.parquet``: the dataset itself, with no pixels, in two files that can be shared.

``recipe.parquet`` has a row per tile in order: mosaic, position, sample, class, and the SHA-256 of the sample's
photograph and mask. ``mosaic4.json`` says name, seed, sizes, classes and digests. No path of a machine is in either,
so equal datasets built with equal library versions have equal files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from fsbench import __version__
from fsbench.benchmarks.name_files import check_folder_name
from fsbench.errors import FsbenchError
from fsbench.files import write_text, written_whole
from mosaic4.compose import Mosaics
from mosaic4.digests import Digests
from mosaic4.recipe import NoRecipeError, Recipe, class_of, in_sample_order, make_recipe
from mosaic4.tiles import SIDE, Hashes, TileReader

SCHEMA = "mosaic4/1"
JSON = "mosaic4.json"
PARQUET = "recipe.parquet"
COLUMNS = pa.schema(
    [("mosaic", pa.int32()), ("position", pa.int32())]
    + [(name, pa.string()) for name in ("sample", "class", "image_sha256", "mask_sha256")]
)

_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException)
"""What reading an altered file was seen to raise."""

Form = Literal["recipe", "png", "parquet"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True)
class Dataset:
    """A built Mosaic-4: ``hashes`` are sample id -> SHA-256 of photograph and mask.

    ``decoder``: what decoded the photographs for the ``pixels`` digest. ``written_with``: library -> version, which
    decide the bytes of written files.
    """

    recipe: Recipe
    hashes: Hashes
    form: Form
    digests: Digests
    decoder: str
    written_with: dict[str, str]

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of a tile."""
        return SIDE, SIDE

    def mosaics(self, root: Path) -> Mosaics:
        """The mosaics, composed from the class folders in ``root``, of which no file may be altered."""
        return Mosaics(self.recipe, TileReader(root, self.hashes))


def recipe_for(sample_ids: Iterable[str], seed: int = 0, grid: int = 2) -> Recipe:
    """``make_recipe``, with its refusals as FsbenchError."""
    try:
        return make_recipe(sample_ids, seed, grid)
    except NoRecipeError as error:
        raise FsbenchError(str(error)) from error


def libraries() -> dict[str, str]:
    """What decides the bytes of written files, with versions."""
    return {"fsbench": __version__, "pyarrow": pa.__version__, "deflate": version("deflate")}


def dataset_json(dataset: Dataset) -> str:
    """The text of ``mosaic4.json``."""
    recipe, (height, width) = dataset.recipe, dataset.tile
    said = {
        "schema": SCHEMA,
        "name": recipe.name,
        "form": dataset.form,
        "grid": recipe.grid,
        "seed": recipe.seed,
        "seed_used": recipe.seed_used,
        "order": recipe.order_string,
        "counts": {
            "classes": len(recipe.classes),
            "samples": len(recipe.samples),
            "mosaics": len(recipe.mosaics),
        },
        "tile": [height, width],
        "size": [recipe.grid * height, recipe.grid * width],
        "classes": recipe.classes,
        "digests": asdict(dataset.digests),
        "decoder": dataset.decoder,
        "written_with": dataset.written_with,
    }
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def recipe_table(recipe: Recipe, hashes: Hashes) -> pa.Table:
    """The table of ``recipe.parquet``."""
    tiles = [(i, p, sample) for i, samples in enumerate(recipe.mosaics) for p, sample in enumerate(samples)]
    columns = {
        "mosaic": [i for i, _, _ in tiles],
        "position": [p for _, p, _ in tiles],
        "sample": [sample for _, _, sample in tiles],
        "class": [class_of(sample) for _, _, sample in tiles],
        "image_sha256": [hashes[sample][0] for _, _, sample in tiles],
        "mask_sha256": [hashes[sample][1] for _, _, sample in tiles],
    }
    return pa.table(columns, schema=COLUMNS)


def write_table(table: pa.Table, sink: Path | pa.BufferOutputStream) -> None:
    """``recipe.parquet`` as it is written, and as ``verification`` compares it."""
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)


def write_recipe(folder: Path, dataset: Dataset) -> None:
    """Write ``recipe.parquet``, whole or not at all."""
    with written_whole(folder / PARQUET) as temporary:
        write_table(recipe_table(dataset.recipe, dataset.hashes), temporary)


def write_json(folder: Path, dataset: Dataset) -> None:
    """Write ``mosaic4.json``, whole or not at all; with it the folder is finished, so it comes last."""
    write_text(folder / JSON, dataset_json(dataset))


def read_dataset(folder: Path) -> Dataset:
    """The dataset in a folder; raises FsbenchError, naming the file, where one is missing, broken or does not fit."""
    said = _read_json(folder / JSON)
    table = _read_recipe(folder / PARQUET)
    try:
        dataset = _dataset(said, table)
    except _DAMAGE as error:
        raise FsbenchError(f"{folder / JSON}: does not fit {PARQUET} ({_one_line(error)}): build it again") from error
    for key in dataset.recipe.classes:
        check_folder_name(str(folder / PARQUET), key)  # it becomes a path under the root
    if dataset.recipe.digest != dataset.digests.recipe:
        raise FsbenchError(
            f"{folder / PARQUET}: gives the recipe digest {dataset.recipe.digest}, but {folder / JSON} says "
            f"{dataset.digests.recipe}: build it again"
        )
    return dataset


def _read_json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        schema = said["schema"]
    except _DAMAGE as error:
        raise FsbenchError(f"{path}: is no whole Mosaic-4 ({_one_line(error)}): build it again") from error
    if schema != SCHEMA:
        raise FsbenchError(f"{path}: schema is {schema!r}, expected {SCHEMA!r}: build it again")
    return dict(said)


def _read_recipe(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except _DAMAGE as error:
        raise FsbenchError(f"{path}: cannot be read ({_one_line(error)}): build it again") from error
    if table.schema != COLUMNS:
        raise FsbenchError(f"{path}: its columns are not those of a recipe: build it again")
    return table


def _dataset(said: dict[str, Any], table: pa.Table) -> Dataset:
    """Raises one of ``_DAMAGE`` where the two do not fit together."""
    grid = int(said["grid"])
    tiles = table["sample"].to_pylist()
    numbers = list(zip(table["mosaic"].to_pylist(), table["position"].to_pylist(), strict=True))
    if numbers != [divmod(row, grid**2) for row in range(len(tiles))] or len(tiles) % grid**2:
        raise ValueError("rows are not mosaic by mosaic, position by position")
    mosaics = tuple(tuple(tiles[row : row + grid**2]) for row in range(0, len(tiles), grid**2))
    samples = in_sample_order(mosaic[0] for mosaic in mosaics)
    if set(tiles) != set(samples):
        raise ValueError("not every position has the same samples")
    classes = tuple(dict.fromkeys(map(class_of, samples)))
    recipe = Recipe(grid, int(said["seed"]), str(said["seed_used"]), classes, samples, mosaics)
    if said["name"] != recipe.name or said["form"] not in FORMS or said["tile"] != [SIDE, SIDE]:
        raise ValueError(f"name {said['name']!r}, form {said['form']!r}, tile {said['tile']!r}")
    pairs = zip(table["image_sha256"].to_pylist(), table["mask_sha256"].to_pylist(), strict=True)
    return Dataset(
        recipe=recipe,
        hashes=dict(zip(tiles, pairs, strict=True)),
        form=said["form"],
        digests=Digests(**{name: str(digest) for name, digest in said["digests"].items()}),
        decoder=str(said["decoder"]),
        written_with={str(name): str(version) for name, version in said["written_with"].items()},
    )


def _one_line(error: BaseException) -> str:
    missing = isinstance(error, KeyError)
    return " ".join(str(error).split()) + (" is missing" if missing else "") or type(error).__name__
