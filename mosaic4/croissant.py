"""``croissant.json``: the dataset described in MLCommons Croissant 1.0, for catalogues and loaders.

It names the files of its folder with their SHA-256, and the digests of the dataset. It is written after the files that
it describes, except ``mosaic4.json``, whose text is known in advance.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from fsbench.version import __version__
from mosaic4.croissant_hashes import FILE as FILE
from mosaic4.dataset import COLUMNS, JSON, PARQUET, Dataset, dataset_json
from mosaic4.parquet_shards import shard_paths
from mosaic4.png_folder import METADATA

SPECIFIED = "2026-11-24"
"""When mosaic4-v1 was specified; a description holds no time of building, so that equal datasets have equal ones."""

_ALIASES = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes isLiveDataset "
    "jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source "
    "subField transform"
)
_FILE_NAMES = {"file_name": "sc:Text", "mask_file_name": "sc:Text"}
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _ALIASES.split()},
}


def croissant_text(out: Path, dataset: Dataset) -> str:
    """The text of ``croissant.json`` for the files in ``out``."""
    recipe, digests = dataset.recipe, dataset.digests
    tiles = recipe.grid * recipe.grid
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": recipe.name,
        "description": (
            f"{len(recipe.mosaics)} mosaics of {tiles} photographs each, from {len(recipe.samples)} samples of "
            f"{len(recipe.classes)} classes in the layout of FSS-1000, seed {recipe.seed}. Masks hold p + 1 where the "
            f"object at position p is, 0 elsewhere. SHA-256 of recipe {digests.recipe}, sources {digests.sources}, "
            f"dataset {digests.dataset}, masks {digests.masks}, pixels {digests.pixels} ({dataset.decoder})."
        ),
        "version": "1.0.0",
        "datePublished": SPECIFIED,
        "license": "Recipe: Apache-2.0. Photographs and masks: as FSS-1000, from which they are taken unchanged.",
        "url": f"urn:sha256:{digests.dataset}",
        "citeAs": f"{recipe.name}, built by fsbench {__version__}; dataset digest {digests.dataset}",
        "isLiveDataset": False,
        "distribution": [
            _file(JSON, dataset_json(dataset).encode(), "application/json"),
            _file(PARQUET, (out / PARQUET).read_bytes(), "application/x-parquet"),
            *(_pngs(out) if dataset.form == "png" else []),
            *(_shards(out, len(recipe.mosaics)) if dataset.form == "parquet" else []),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "tiles",
                "name": "tiles",
                "description": "Which sample stands where; the hashes are those of the sample's files.",
                "key": [{"@id": "tiles/mosaic"}, {"@id": "tiles/position"}],
                "field": [
                    _column(
                        "tiles", PARQUET, "fileObject", name, "sc:Integer" if field.type == pa.int32() else "sc:Text"
                    )
                    for name, field in zip(COLUMNS.names, COLUMNS, strict=True)
                ],
            },
            *([_mosaics(METADATA, "fileObject", _FILE_NAMES)] if dataset.form == "png" else []),
            *([_shard_records()] if dataset.form == "parquet" else []),
        ],
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _file(name: str, data: bytes, encoding: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{len(data)} B",
        "encodingFormat": encoding,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _file_set(name: str, encoding: str, includes: str) -> dict[str, Any]:
    return {"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": encoding, "includes": includes}


def _pngs(out: Path) -> list[dict[str, Any]]:
    return [
        _file(METADATA, (out / METADATA).read_bytes(), "application/jsonlines"),
        *(_file_set(name, "image/png", f"{name}/*.png") for name in ("images", "masks")),
    ]


def _shards(out: Path, mosaics: int) -> list[dict[str, Any]]:
    names = [path.relative_to(out).as_posix() for path in shard_paths(out, mosaics)]
    return [
        *(_file(name, (out / name).read_bytes(), "application/x-parquet") for name in names),
        _file_set("shards", "application/x-parquet", "data/*.parquet"),
    ]


def _column(records: str, source: str, kind_of_source: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    extract = {kind_of_source: {"@id": source}, "extract": {"column": name}}
    field = {"@type": "cr:Field", "@id": f"{records}/{name}", "name": name, "dataType": kind, "source": extract}
    return field | more


def _shard_records() -> dict[str, Any]:
    records = _mosaics("shards", "fileSet", {"image": "sc:ImageObject", "mask": "sc:ImageObject"})
    for field in records["field"][1:3]:
        field["source"]["transform"] = {"jsonPath": "bytes"}
    return records


def _mosaics(source: str, kind_of_source: str, images: dict[str, str]) -> dict[str, Any]:
    columns = {"mosaic": "sc:Integer", **images}
    fields = [_column("mosaics", source, kind_of_source, name, kind) for name, kind in columns.items()]
    lists = [_column("mosaics", source, kind_of_source, n, "sc:Text", repeated=True) for n in ("classes", "samples")]
    return {
        "@type": "cr:RecordSet",
        "@id": "mosaics",
        "name": "mosaics",
        "description": "One mosaic a record: its image, its mask, and class and sample of each tile.",
        "key": {"@id": "mosaics/mosaic"},
        "field": [*fields, *lists],
    }
