"""``mosaic4.json`` and ``recipe.parquet``: the dataset without pixels, in two files that can be shared.

``recipe.parquet`` has a row per tile in order: mosaic, position, sample, class, and the SHA-256 of the sample's
photograph and mask. ``mosaic4.json`` holds name, seed, sizes, classes and digests. Neither holds a path of a machine,
so equal datasets built with equal library versions have equal files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from fsbench.benchmarks.name_files import check_folder_name
from fsbench.errors import FsbenchError
from fsbench.io.files import atomic_write, write_text
from fsbench.io.parquet import PARQUET_ERRORS, read_table
from fsbench.io.resize import Size
from fsbench.io.typed_json import read_typed
from fsbench.io.untrusted import plain
from fsbench.version import __version__
from mosaic4.compose import Mosaics
from mosaic4.croissant_hashes import check_described
from mosaic4.digests import Digests
from mosaic4.recipe import NoRecipeError, Recipe, class_of, in_sample_order, make_recipe
from mosaic4.resample import LARGEST, SIDE, SMALLEST
from mosaic4.tiles import Hashes, TileReader

SCHEMA = "mosaic4/1"
JSON = "mosaic4.json"
PARQUET = "recipe.parquet"
COLUMNS = pa.schema(
    [("mosaic", pa.int32()), ("position", pa.int32())]
    + [(name, pa.string()) for name in ("sample", "class", "image_sha256", "mask_sha256")]
)

MOST_ROWS = 2_000_000
"""Rows of a recipe: 1000 classes of 10 samples on the largest grid are 160,000."""

Form = Literal["recipe", "png", "parquet"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True)
class Dataset:
    """A built Mosaic-4: ``hashes`` are sample id -> SHA-256 of photograph and mask.

    ``sizes``: sample id -> height and width of its photograph where that is not 224 x 224, in sample order.
    ``decoder``: what decoded the photographs for the ``pixels`` digest. ``written_with``: library -> version; they
    determine the bytes of written files.
    """

    recipe: Recipe
    hashes: Hashes
    form: Form
    digests: Digests
    decoder: str
    written_with: dict[str, str]
    sizes: Mapping[str, Size]

    def mosaics(self, root: Path) -> Mosaics:
        """The mosaics, composed from the class folders in ``root``; an altered file is refused."""
        return Mosaics(self.recipe, TileReader(root, self.hashes))


def recipe_for(sample_ids: Iterable[str], seed: int = 0, grid: int = 2) -> Recipe:
    """``make_recipe``, with its refusals as FsbenchError."""
    try:
        return make_recipe(sample_ids, seed, grid)
    except NoRecipeError as error:
        raise FsbenchError(str(error)) from error


def libraries() -> dict[str, str]:
    """The libraries that determine the bytes of written files, with versions."""
    return {"fsbench": __version__, "pyarrow": pa.__version__, "deflate": version("deflate")}


def dataset_json(dataset: Dataset) -> str:
    """The text of ``mosaic4.json``."""
    recipe = dataset.recipe
    values = {
        "schema": SCHEMA,
        "name": recipe.name,
        "form": dataset.form,
        "grid": recipe.grid,
        "seed": recipe.seed,
        "seed_used": recipe.seed_used,
        "order": recipe.order_string,
        "counts": {name: len(getattr(recipe, name)) for name in ("classes", "samples", "mosaics")},
        "tile": [SIDE, SIDE],
        "size": [recipe.grid * SIDE, recipe.grid * SIDE],
        "resized": dataset.sizes,
        "classes": recipe.classes,
        "digests": asdict(dataset.digests),
        "decoder": dataset.decoder,
        "written_with": dataset.written_with,
    }
    return _json_text(values)


def _json_text(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def recipe_table(recipe: Recipe, hashes: Hashes) -> pa.Table:
    """The table of ``recipe.parquet``."""
    rows = [
        (mosaic, position, sample, class_of(sample), *hashes[sample])
        for mosaic, samples in enumerate(recipe.mosaics)
        for position, sample in enumerate(samples)
    ]
    return pa.table(dict(zip(COLUMNS.names, zip(*rows, strict=True), strict=True)), schema=COLUMNS)


def write_table(table: pa.Table, sink: Path | pa.BufferOutputStream) -> None:
    """Write ``recipe.parquet``; ``metadata_check`` compares its bytes."""
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)


def write_recipe(folder: Path, dataset: Dataset) -> None:
    """Write ``recipe.parquet`` atomically."""
    with atomic_write(folder / PARQUET) as temporary:
        write_table(recipe_table(dataset.recipe, dataset.hashes), temporary)


def write_json(folder: Path, dataset: Dataset) -> None:
    """Write ``mosaic4.json`` atomically; it completes the folder, so it comes last."""
    write_text(folder / JSON, dataset_json(dataset))


_Text = Annotated[str, Field(max_length=400)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Side = Annotated[int, Field(ge=SMALLEST, le=LARGEST)]


class _Json(BaseModel):
    """``mosaic4.json``; ``_dataset`` compares its values with the recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal["mosaic4/1"] = Field(alias="schema")
    name: _Text
    form: Form
    grid: Literal[2, 3, 4]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    seed_used: _Text
    order: _Text
    counts: dict[_Text, int]
    tile: tuple[int, int]
    size: tuple[int, int]
    resized: dict[_Text, tuple[_Side, _Side]]
    classes: tuple[_Text, ...]
    digests: dict[_Text, _Sha256]
    decoder: _Text
    written_with: dict[_Text, _Text]


def read_dataset(folder: Path) -> Dataset:
    """The dataset in a folder, whose files must have the hashes in ``croissant.json``.

    Raises CheckFailedError for one that was altered, FsbenchError for one that is missing or does not fit the others.
    """
    dataset = read_unchecked(folder)
    check_described(folder, (JSON, PARQUET))
    return dataset


def read_unchecked(folder: Path) -> Dataset:
    """``read_dataset`` without comparing hashes, for ``verify``, which lists everything that was altered."""
    values = read_typed(folder / JSON, _Json, "a Mosaic-4", "build it again")
    try:
        table = read_table(folder / PARQUET, [COLUMNS], MOST_ROWS)
    except PARQUET_ERRORS as error:
        raise FsbenchError(f"{folder / PARQUET}: cannot be read ({_one_line(error)}): build it again") from error
    try:
        dataset = _dataset(values, table)
    except (ValueError, TypeError, FsbenchError) as error:
        raise FsbenchError(f"{folder / JSON}: does not fit {PARQUET} ({_one_line(error)}): build it again") from error
    if dataset.recipe.digest != dataset.digests.recipe:
        raise FsbenchError(
            f"{folder / PARQUET}: gives the recipe digest {dataset.recipe.digest}, but {folder / JSON} says "
            f"{dataset.digests.recipe}: build it again"
        )
    return dataset


def _dataset(values: _Json, table: pa.Table) -> Dataset:
    """Raises ValueError, TypeError or FsbenchError where the two do not fit together."""
    grid = values.grid
    tiles = table["sample"].to_pylist()
    numbers = list(zip(table["mosaic"].to_pylist(), table["position"].to_pylist(), strict=True))
    if numbers != [divmod(row, grid**2) for row in range(len(tiles))] or len(tiles) % grid**2:
        raise ValueError("rows are not mosaic by mosaic, position by position")
    mosaics = tuple(tuple(tiles[row : row + grid**2]) for row in range(0, len(tiles), grid**2))
    samples = in_sample_order(mosaic[0] for mosaic in mosaics)
    if set(tiles) != set(samples):
        raise ValueError("not every position has the same samples")
    classes = tuple(dict.fromkeys(map(class_of, samples)))
    for key in classes:
        check_folder_name(PARQUET, key)  # it becomes a path under the root
    recipe = Recipe(grid, values.seed, values.seed_used, classes, samples, mosaics)
    pairs = zip(table["image_sha256"].to_pylist(), table["mask_sha256"].to_pylist(), strict=True)
    dataset = Dataset(
        recipe=recipe,
        hashes=dict(zip(tiles, pairs, strict=True)),
        form=values.form,
        digests=Digests(**values.digests),
        decoder=values.decoder,
        written_with=dict(values.written_with),
        sizes={sample: size for sample, size in values.resized.items() if sample in set(samples)},
    )
    if dataset_json(dataset) != _json_text(values.model_dump(by_alias=True)):
        raise ValueError("its name, order, counts, sizes or classes are not those of the recipe")
    return dataset


def _one_line(error: BaseException) -> str:
    return plain(" ".join(str(error).split()))[:200] or type(error).__name__
