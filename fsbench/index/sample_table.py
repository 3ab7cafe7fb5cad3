"""The Parquet tables of a benchmark folder: ``samples.parquet`` and ``pairs.parquet``.

The first has the samples with their files, sizes and hashes; the second the (list, sample, class) pairs in list order
with pixel areas. Their SHA-256 are in ``benchmark.json``; their values are checked as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import FoldLists, Pair, check_sample_id
from fsbench.io.files import sha256_text
from fsbench.io.parquet import PARQUET_ERRORS, read_table, refused, write_table

SAMPLES, PAIRS = "samples.parquet", "pairs.parquet"
REMEDY = "build it again"
SPLITS = ("val", "train")
LARGEST_SIDE = 65_535
"""Pixels of the longest side that JPEG allows (ITU-T T.81, B.2.2)."""
MOST_SAMPLES, MOST_PAIRS = 5_000_000, 20_000_000
"""Rows of the largest tables; COCO-20i has 118,998 samples and 253,064 pairs."""

_OPTIONAL = ("image", "mask", "image_sha256", "mask_sha256")
SAMPLE_SCHEMA = pa.schema(
    [("id", pa.string()), ("split", pa.string()), ("height", pa.int32()), ("width", pa.int32())]
    + [(name, pa.string()) for name in _OPTIONAL]
)
PAIR_SCHEMA = pa.schema(
    [("list", pa.string()), ("sample", pa.string()), ("class_id", pa.int32()), ("area", pa.int64())]
)
_HASH, _FILE = "expected the SHA-256 of its file", "expected root:relative/path, without '..'"
_SIDE = f"expected 1 to {LARGEST_SIDE} pixels"
_EXPECTED = {"split": f"expected {' or '.join(SPLITS)}", "height": _SIDE, "width": _SIDE, "image": _FILE, "mask": _FILE}
_EXPECTED |= {"image_sha256": _HASH, "mask_sha256": _HASH}


@dataclass(frozen=True)
class Sample:
    """A photograph with its mask. ``image`` and ``mask`` are ``root-name:relative/path``, None where missing."""

    id: str
    split: str
    height: int
    width: int
    image: str | None
    mask: str | None
    image_sha256: str | None
    mask_sha256: str | None

    @property
    def present(self) -> bool:
        """Whether photograph and mask are both present."""
        return self.image is not None and self.mask is not None


def sources_digest(samples: Sequence[Sample]) -> str:
    """SHA-256 (hex) over the lines ``id image-sha256 mask-sha256`` in sample order, ``-`` for a missing file."""
    return sha256_text("".join(f"{s.id} {s.image_sha256 or '-'} {s.mask_sha256 or '-'}\n" for s in samples))


def count_samples(samples: Iterable[Sample]) -> dict[str, int]:
    """``val_present``, ``val_total``, ``train_present``, …: samples of each split that are present, and all."""
    found = Counter((sample.split, sample.present) for sample in samples)
    counts: dict[str, int] = {}
    for split in SPLITS:
        if total := found[split, True] + found[split, False]:
            counts |= {f"{split}_present": found[split, True], f"{split}_total": total}
    return counts


def write_samples(folder: Path, samples: Sequence[Sample], roots: Collection[str]) -> None:
    """Write ``samples.parquet`` atomically; raises FsbenchError for an impossible sample."""
    columns = [[getattr(sample, name) for sample in samples] for name in SAMPLE_SCHEMA.names]
    table = pa.table(columns, schema=SAMPLE_SCHEMA)
    _check_samples(table, roots)
    write_table(folder / SAMPLES, table)


def write_pairs(folder: Path, lists: FoldLists, areas: Mapping[str, Sequence[int]]) -> None:
    """Write ``pairs.parquet`` atomically; ``areas``: list name -> pixel area per pair, -1 where unknown."""
    named = lists.lists()
    columns = [
        [name for name, pairs in named.items() for _ in pairs],
        [sample for pairs in named.values() for sample, _ in pairs],
        [class_id for pairs in named.values() for _, class_id in pairs],
        [area for name in named for area in areas[name]],
    ]
    write_table(folder / PAIRS, pa.table(columns, schema=PAIR_SCHEMA))


def read_samples(folder: Path, sha256: str, roots: Collection[str]) -> dict[str, Sample]:
    """Id -> sample, in the order of ``samples.parquet``; ``roots``: the known names of raw roots.

    Raises FsbenchError, which names the file, for another digest than ``sha256`` and for impossible values.
    """
    path = folder / SAMPLES
    try:
        table = read_table(path, [SAMPLE_SCHEMA], MOST_SAMPLES, nullable=_OPTIONAL, sha256=sha256)
        _check_samples(table, roots)
    except (*PARQUET_ERRORS, FsbenchError) as error:
        raise refused(path, "samples", error, REMEDY) from error
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return {row[0]: Sample(*row) for row in rows}


def read_pairs(
    folder: Path, sha256: str, lists: Mapping[str, int], samples: Mapping[str, Sample], classes: int
) -> tuple[dict[str, tuple[Pair, ...]], dict[str, tuple[int, ...]]]:
    """Pairs and areas of each list in ``pairs.parquet``.

    ``lists``: list name -> number of pairs; ``classes``: number of classes. Raises FsbenchError as ``read_samples``.
    """
    path = folder / PAIRS
    try:
        table = read_table(path, [PAIR_SCHEMA], MOST_PAIRS, sha256=sha256)
        names, of_samples, class_ids, found = (column.to_pylist() for column in table.columns)
        if names != [name for name, count in lists.items() for _ in range(count)]:
            raise ValueError(f"its lists are not {', '.join(lists)[:80]}, one after the other")
        if class_ids and not 0 <= min(class_ids) <= max(class_ids) < classes:
            raise ValueError(f"class ids are {min(class_ids)} to {max(class_ids)}, expected 0 to {classes - 1}")
        if found and min(found) < -1:
            raise ValueError(f"an area is {min(found)}, expected -1 or more")
        ids = {sample: sample for sample in samples}
        pairs = list(zip([ids[sample] for sample in of_samples], class_ids, strict=True))
    except PARQUET_ERRORS as error:
        raise refused(path, "fold lists", error, REMEDY) from error
    ends = list(accumulate(lists.values(), initial=0))
    slices = {name: slice(*bounds) for name, bounds in zip(lists, pairwise(ends), strict=True)}
    return (
        {name: tuple(pairs[rows]) for name, rows in slices.items()},
        {name: tuple(found[rows]) for name, rows in slices.items()},
    )


def _check_samples(table: pa.Table, roots: Collection[str]) -> None:
    """Raise FsbenchError, which names the first one, for impossible samples."""
    ids = table["id"].to_pylist()
    if len(set(ids)) != len(ids):
        raise FsbenchError(f"sample {next(i for i, n in Counter(ids).items() if n > 1)}: is listed twice")
    for sample in ids:
        check_sample_id(sample)
    present = pc.cast(pc.and_(pc.is_valid(table["image"]), pc.is_valid(table["mask"])), pa.int32())
    sound = {"split": pc.is_in(table["split"], pa.array(SPLITS))}
    for name in ("height", "width"):
        sides = table[name]
        sound[name] = pc.and_(pc.greater_equal(sides, present), pc.less_equal(sides, LARGEST_SIDE))
    within = f"^(?:{'|'.join(map(re.escape, roots))}):[^/]"
    for name in ("image", "mask"):
        files, digests = table[name], table[f"{name}_sha256"]
        leads_out = pc.match_substring(files, "..")
        sound[name] = pc.and_not(pc.match_substring_regex(files, within), leads_out)
        hashed = pc.fill_null(pc.match_substring_regex(digests, "^[0-9a-f]{64}$"), False)
        sound[f"{name}_sha256"] = pc.or_(pc.is_null(files), hashed)
    for name, fine in sound.items():
        row = pc.index(pc.fill_null(fine, True), False).as_py()
        if row >= 0:
            raise FsbenchError(f"sample {ids[row]}: {name} is {table[name][row].as_py()!r}: {_EXPECTED[name]}")
