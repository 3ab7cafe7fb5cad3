"""A benchmark folder: an index of raw data, with no pixels in it.

``benchmark.json`` says what it is; ``samples.parquet`` lists the samples with their files, sizes and hashes;
``pairs.parquet`` lists the (fold, list, sample, class) pairs in list order with pixel areas; masks that are no image
files lie beside them as RLE (``masks.arrow``). Paths are relative to the raw root, so that the raw data can move
(``root=``). ``Benchmark`` opens such a folder and reads photographs and truths from the raw data; whoever builds a
benchmark calls ``write_benchmark``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fsbench import __version__
from fsbench.bounded import read_bytes
from fsbench.errors import FsbenchError
from fsbench.files import make_folder, sha256_text, write_text, written_whole
from fsbench.fold_lists import ClassName, FoldLists, Pair
from fsbench.home import benchmark_folder
from fsbench.images import LARGEST_IMAGE, read_image
from fsbench.mask_table import MaskRow, MaskTable, write_mask_table
from fsbench.plugins import load, registered
from fsbench.truths import MASK_FORMATS, RLE

SCHEMA = "fsbench-benchmark/1"


@dataclass(frozen=True)
class Sample:
    """A photograph with its mask. ``image`` and ``mask`` are ``root-name:relative/path``, None where not at hand."""

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
        """Whether photograph and mask are both at hand."""
        return self.image is not None and self.mask is not None


@dataclass(frozen=True)
class Digests:
    """``lists``: names and lists. ``masks``: decoded masks in order. ``sources``: hashes of the raw files."""

    lists: str
    masks: str
    sources: str


@dataclass(frozen=True)
class Benchmark:
    """An opened benchmark folder.

    ``areas``: list name -> pixel area per pair (-1 where the mask is not at hand). ``builder``: the registered
    builder that made it, which also verifies it.
    """

    folder: Path
    roots: Mapping[str, Path]
    lists: FoldLists
    mask_format: str
    digests: Digests
    partial: bool
    counts: Mapping[str, int]
    samples: Mapping[str, Sample]
    areas: Mapping[str, tuple[int, ...]]
    builder: str
    builder_version: str

    @cached_property
    def mask_table(self) -> MaskTable:
        """The masks of a benchmark whose format is ``rle``; raises FsbenchError where the file is broken."""
        return MaskTable(self.folder)

    @cached_property
    def present(self) -> frozenset[str]:
        """Ids of the samples whose photograph and mask are at hand."""
        return frozenset(sample.id for sample in self.samples.values() if sample.present)

    @property
    def title(self) -> str:
        """The name as tables print it; a partial benchmark never has the bare name."""
        if not self.partial:
            return self.lists.title
        return f"{self.lists.title} [partial {self.counts['val_present']}/{self.counts['val_total']}]"

    def path(self, reference: str) -> Path:
        """The file that a sample's ``image`` or ``mask`` stands for."""
        root, _, relative = reference.partition(":")
        return self.roots[root] / relative

    def image(self, sample: str) -> npt.NDArray[np.uint8]:
        """The photograph, uint8 H x W x 3 RGB; raises FsbenchError if it is missing, altered or broken."""
        entry = self._entry(sample)
        assert entry.image is not None
        path, data = self._unaltered(entry.image, entry.image_sha256)
        image = read_image(path, data)
        self._check_size(path, image.shape, entry)
        return image

    def truth(self, sample: str, class_id: int) -> npt.NDArray[np.uint8]:
        """The class's mask, uint8 H x W in {0, 1, 255 = void}; raises FsbenchError as ``image`` does."""
        entry = self._entry(sample)
        if self.mask_format == RLE:
            return self.mask_table.truth(sample, class_id, (entry.height, entry.width))
        assert entry.mask is not None
        path, data = self._unaltered(entry.mask, entry.mask_sha256)
        truth = MASK_FORMATS[self.mask_format].truth(path, data, class_id)
        self._check_size(path, truth.shape, entry)
        return truth

    def objects(self, query: str) -> npt.NDArray[np.uint8]:
        """Where the objects of a composed query are: uint8 H x W, p + 1 at position p; raises as ``truth`` does."""
        raise FsbenchError(f"{self.folder}: its queries are no scenes: use another protocol")

    def labels(self, sample: str, class_ids: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Which of ``class_ids``, asked together, each pixel is: uint8 H x W as ``truths.join_truths`` says.

        Raises FsbenchError as ``truth`` does.
        """
        entry = self._entry(sample)
        if self.mask_format == RLE:
            return self.mask_table.labels(sample, class_ids, (entry.height, entry.width))
        assert entry.mask is not None
        path, data = self._unaltered(entry.mask, entry.mask_sha256)
        labels = MASK_FORMATS[self.mask_format].labels(path, data, class_ids, self._listed_classes.get(sample, ()))
        self._check_size(path, labels.shape, entry)
        return labels

    @cached_property
    def _listed_classes(self) -> dict[str, tuple[int, ...]]:
        """Sample -> the classes with which it stands in val lists."""
        classes: dict[str, tuple[int, ...]] = {}
        for pairs in self.lists.val.values():
            for sample, class_id in pairs:
                classes[sample] = (*classes.get(sample, ()), class_id)
        return classes

    def _unaltered(self, reference: str, digest: str | None) -> tuple[Path, bytes]:
        """A file and its bytes, which must be those of when the benchmark was built: its digests go into records."""
        path = self.path(reference)
        try:
            data = read_bytes(path, LARGEST_IMAGE)
        except OSError as error:
            raise FsbenchError(f"{path}: cannot be read ({error.strerror}): put it back, or say --root") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise FsbenchError(f"{path}: was altered since {self.folder} was built: put it back, or build again")
        return path, data

    def _entry(self, sample: str) -> Sample:
        entry = self.samples.get(sample)
        if entry is None or not entry.present:
            raise FsbenchError(f"{self.folder}: sample {sample!r} is not at hand in this benchmark: build it again")
        return entry

    def _check_size(self, path: Path, shape: Sequence[int], entry: Sample) -> None:
        if tuple(shape[:2]) != (entry.height, entry.width):
            raise FsbenchError(
                f"{path}: is {shape[0]} x {shape[1]} (height x width), but {entry.height} x {entry.width} was built "
                "into the benchmark: restore the file or build again"
            )


def areas_of(pairs: Sequence[Pair], area: Mapping[Pair, int]) -> tuple[int, ...]:
    """Areas in the order of ``pairs``, -1 where unknown."""
    return tuple(area.get(pair, -1) for pair in pairs)


def sources_digest(samples: Sequence[Sample]) -> str:
    """SHA-256 (hex) over the lines ``id image-sha256 mask-sha256`` in sample order, ``-`` for what is not at hand."""
    return sha256_text("".join(f"{s.id} {s.image_sha256 or '-'} {s.mask_sha256 or '-'}\n" for s in samples))


def write_benchmark(
    folder: Path,
    *,
    lists: FoldLists,
    roots: Mapping[str, Path],
    mask_format: str,
    samples: Sequence[Sample],
    area: Mapping[Pair, int],
    masks_digest: str,
    partial: bool,
    masks: Sequence[MaskRow] | None = None,
    builder: str | None = None,
) -> Benchmark:
    """Write the folder (tables first, ``benchmark.json`` last, each whole or not at all) and open it.

    ``samples`` in canonical order (val, then train, each by id); ``area``: pixels of value 1 per pair at hand;
    ``masks``: with the format ``rle``, all of them in the order of the samples; ``builder``: the registered builder
    where it has another name than the benchmark.
    """
    make_folder(folder)
    (folder / "benchmark.json").unlink(missing_ok=True)  # an old one must not stand beside new tables
    if masks is not None:
        write_mask_table(folder, masks)
    schema = pa.schema(
        [("id", pa.string()), ("split", pa.string()), ("height", pa.int32()), ("width", pa.int32())]
        + [(name, pa.string()) for name in ("image", "mask", "image_sha256", "mask_sha256")]
    )
    _write_table(folder / "samples.parquet", pa.Table.from_pylist([asdict(s) for s in samples], schema))
    columns: dict[str, list[Any]] = {"list": [], "sample": [], "class_id": [], "area": []}
    for name, pairs in lists.lists().items():
        columns["list"] += [name] * len(pairs)
        columns["sample"] += [sample for sample, _ in pairs]
        columns["class_id"] += [class_id for _, class_id in pairs]
        columns["area"] += areas_of(pairs, area)
    types = [("list", pa.string()), ("sample", pa.string()), ("class_id", pa.int32()), ("area", pa.int64())]
    _write_table(folder / "pairs.parquet", pa.table(columns, schema=pa.schema(types)))
    description = {
        "schema": SCHEMA,
        "name": lists.name,
        "title": lists.title,
        "partial": partial,
        "counts": _counts(samples),
        "partition": lists.partition,
        "mask_rule": lists.mask_rule,
        "mask_format": mask_format,
        "classes": [asdict(c) for c in lists.classes],
        "folds": lists.folds,
        "lists": {name: len(pairs) for name, pairs in lists.lists().items()},
        "train_variants": list(lists.train),
        "digests": asdict(Digests(lists.digest(), masks_digest, sources_digest(samples))),
        "roots": {name: str(path.resolve()) for name, path in roots.items()},
        "builder": builder or lists.name,
        "builder_version": __version__,
    }
    write_text(folder / "benchmark.json", json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    return open_benchmark(folder)


def _counts(samples: Sequence[Sample]) -> dict[str, int]:
    counts = {}
    for split in sorted({s.split for s in samples}, reverse=True):
        counts[f"{split}_present"] = sum(s.present for s in samples if s.split == split)
        counts[f"{split}_total"] = sum(s.split == split for s in samples)
    return counts


def _write_table(path: Path, table: pa.Table) -> None:
    with written_whole(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def open_benchmark(folder: Path | str, *, root: Path | None = None) -> Benchmark:
    """Open a benchmark by folder or by its name under ``FSBENCH_HOME``; ``root`` says where the raw data moved to.

    A builder that keeps more than an index opens its folders itself (``open_folder(folder, roots)``). Raises
    FsbenchError for a folder that is none, a schema of another version, or a raw root that is gone.
    """
    folder = benchmark_folder(str(folder))
    path = folder / "benchmark.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["schema"] != SCHEMA:
            raise FsbenchError(f"{path}: schema is {said['schema']!r}, expected {SCHEMA!r}: build it again")
        builder = said.get("builder", said["name"])
        roots = {name: Path(where) for name, where in said["roots"].items()}
        roots |= {"root": _moved(builder, root)} if root else {}
        open_folder = _of_builder(builder, "open_folder")
        if open_folder is not None:
            return _checked(path, open_folder(folder, roots))
        lists, areas = _read_lists(said, pq.read_table(folder / "pairs.parquet"))
        rows = pq.read_table(folder / "samples.parquet").to_pylist()
        benchmark = Benchmark(
            folder=folder,
            roots=roots,
            lists=lists,
            mask_format=said["mask_format"],
            digests=Digests(**said["digests"]),
            partial=said["partial"],
            counts=said["counts"],
            samples={row["id"]: Sample(**row) for row in rows},
            areas=areas,
            builder=builder,
            builder_version=said["builder_version"],
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, pa.ArrowException) as error:
        raise FsbenchError(f"{folder}: is no whole benchmark folder ({error}): build it again") from error
    return _checked(path, benchmark)


def _checked(path: Path, benchmark: Benchmark) -> Benchmark:
    lists = benchmark.lists
    used = {ref.partition(":")[0] for s in benchmark.samples.values() for ref in (s.image, s.mask) if ref}
    named = {c.id for c in lists.classes}
    if (
        benchmark.mask_format not in {*MASK_FORMATS, RLE}
        or not used <= set(benchmark.roots)
        or not {"val_present", "val_total"} <= set(benchmark.counts)
        or not all(class_id in named for ids in lists.folds.values() for class_id in ids)
    ):
        raise FsbenchError(f"{path}: its mask format, roots, counts, classes and folds do not fit: build it again")
    for name, where in benchmark.roots.items():
        if not where.is_dir():
            raise FsbenchError(
                f"{where}: raw data ({name}) of {benchmark.folder} is not there: say where it is with --root"
            )
    return benchmark


def _moved(builder: str, root: Path) -> Path:
    """The raw root meant by ``root``, which may be any folder that the benchmark's builder takes."""
    find = _of_builder(builder, "find_root")
    return Path(find(root)) if find is not None and root.is_dir() else root


def _of_builder(builder: str, name: str) -> Callable[..., Any] | None:
    """A function of a registered builder's, where it has one of this name."""
    point = registered("benchmarks").get(builder)
    return getattr(load(point), name, None) if point else None


def _read_lists(said: Mapping[str, Any], table: pa.Table) -> tuple[FoldLists, dict[str, tuple[int, ...]]]:
    pairs: dict[str, list[Pair]] = {name: [] for name in said["lists"]}
    areas: dict[str, list[int]] = {name: [] for name in said["lists"]}
    columns = (table[name].to_pylist() for name in ("list", "sample", "class_id", "area"))
    for name, sample, class_id, area in zip(*columns, strict=True):
        pairs[name].append((sample, class_id))
        areas[name].append(area)
    lists = FoldLists(
        name=said["name"],
        title=said["title"],
        partition=said["partition"],
        mask_rule=said["mask_rule"],
        classes=tuple(ClassName(**c) for c in said["classes"]),
        folds={fold: tuple(ids) for fold, ids in said["folds"].items()},
        val={fold: tuple(pairs[f"val-fold{fold}"]) for fold in said["folds"]},
        train={
            variant: {fold: tuple(pairs[f"train-fold{fold}-{variant}"]) for fold in said["folds"]}
            for variant in said["train_variants"]
        },
    )
    return lists, {name: tuple(values) for name, values in areas.items()}
