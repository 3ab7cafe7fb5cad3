"""A benchmark folder: an index of raw data, without pixels.

``benchmark.json`` describes it (``index_file.py``); ``samples.parquet`` and ``pairs.parquet`` list the samples and the
fold lists (``sample_table.py``); masks that are not image files are stored as RLE (``rle_masks.py``). Paths are
relative to the raw root, so the raw data can move (``root=``). Every file has its SHA-256 in the index, so a damaged
benchmark is refused, never scored. Builders call ``write_benchmark``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fsbench.errors import FsbenchError
from fsbench.home import benchmark_folder
from fsbench.index.fold_lists import FoldLists, Pair
from fsbench.index.index_file import (
    INDEX,
    REMEDY,
    SCHEMA,
    BuilderIndex,
    Digests,
    Index,
    read_head,
    read_index,
    write_index,
)
from fsbench.index.rle_masks import FILE as MASKS
from fsbench.index.rle_masks import MaskRow, MaskTable, write_mask_table
from fsbench.index.sample_table import (
    PAIRS,
    SAMPLES,
    Sample,
    count_samples,
    read_pairs,
    read_samples,
    sources_digest,
    write_pairs,
    write_samples,
)
from fsbench.index.truths import MASK_FORMATS, RLE, Truth
from fsbench.io.files import sha256_file
from fsbench.io.images import LARGEST_IMAGE, read_image
from fsbench.io.locks import building
from fsbench.io.resize import resize_nearest
from fsbench.io.untrusted import plain, read_bytes, reading
from fsbench.plugins import load, registered
from fsbench.version import __version__

__all__ = [
    "SCHEMA",
    "Benchmark",
    "Digests",
    "Sample",
    "areas_of",
    "located",
    "open_benchmark",
    "sources_digest",
    "write_benchmark",
]


@dataclass(frozen=True)
class Benchmark:
    """An opened benchmark folder.

    ``areas``: list name -> pixel area per pair (-1 where the mask is missing). ``builder``: the registered builder that
    made and verifies it. ``files``: SHA-256 of the tables in the folder.
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
    files: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    @cached_property
    def mask_table(self) -> MaskTable:
        """The masks of a benchmark whose format is ``rle``; raises FsbenchError if the file was altered."""
        return MaskTable(self.folder, self.files[MASKS])

    @cached_property
    def present(self) -> frozenset[str]:
        """Ids of the samples whose photograph and mask are present."""
        return frozenset(sample.id for sample in self.samples.values() if sample.present)

    @property
    def title(self) -> str:
        """The name as printed; that of a partial benchmark says so."""
        if not self.partial:
            return self.lists.title
        return f"{self.lists.title} [partial {self.counts['val_present']}/{self.counts['val_total']}]"

    def path(self, reference: str) -> Path:
        """The file of a sample's ``image`` or ``mask``."""
        return located(self.roots, reference)

    def image(self, sample: str) -> npt.NDArray[np.uint8]:
        """The photograph, uint8 H x W x 3 RGB; raises FsbenchError if it is missing, altered or broken."""
        entry = self._entry(sample)
        assert entry.image is not None
        path, data = self._unaltered(entry.image, entry.image_sha256)
        image = read_image(path, data)
        self._check_size(path, image.shape, entry)
        return image

    def truth(self, sample: str, class_id: int) -> npt.NDArray[np.uint8]:
        """The class's mask, uint8 H x W in {0, 1, 255 = void}, of its photograph's size; raises as ``image`` does.

        The file in place of a mask that the release lacks (``lists.without_mask``) has its own size.
        """
        entry = self._entry(sample)
        if self.mask_format == RLE:
            return self.mask_table.truth(sample, class_id, (entry.height, entry.width))
        return self._decoded_mask(entry, lambda path, data: MASK_FORMATS[self.mask_format].truth(path, data, class_id))

    def support_mask(self, sample: str, class_id: int) -> npt.NDArray[np.uint8]:
        """The class's mask at its photograph's size, for a support; values and errors as ``truth``."""
        entry, truth = self.samples[sample], self.truth(sample, class_id)
        size = (entry.height, entry.width)
        return truth if truth.shape == size else resize_nearest(truth, size)

    def objects(self, query: str) -> npt.NDArray[np.uint8]:
        """Where the objects of a composed query are: uint8 H x W, p + 1 at position p; raises as ``truth`` does."""
        raise FsbenchError(f"{self.folder}: its queries are no scenes: use another protocol")

    def labels(self, sample: str, class_ids: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Which of ``class_ids`` each pixel is: uint8 H x W as ``truths.join_truths``; raises as ``truth`` does."""
        entry = self._entry(sample)
        if self.mask_format == RLE:
            return self.mask_table.labels(sample, class_ids, (entry.height, entry.width))
        listed, decode = self._listed_classes.get(sample, ()), MASK_FORMATS[self.mask_format].labels
        return self._decoded_mask(entry, lambda path, data: decode(path, data, class_ids, listed))

    def _decoded_mask(self, entry: Sample, decode: Callable[[Path, bytes], Truth]) -> Truth:
        assert entry.mask is not None
        path, data = self._unaltered(entry.mask, entry.mask_sha256)
        mask = decode(path, data)
        self._check_size(path, mask.shape, entry)
        return mask

    @cached_property
    def _listed_classes(self) -> dict[str, tuple[int, ...]]:
        """Sample -> its classes in the val lists, in their order."""
        classes: dict[str, tuple[int, ...]] = {}
        for pairs in self.lists.val.values():
            for sample, class_id in pairs:
                classes[sample] = (*classes.get(sample, ()), class_id)
        return classes

    def _unaltered(self, reference: str, digest: str | None) -> tuple[Path, bytes]:
        """A file and its bytes, unaltered since the build, as the benchmark's digests go into records."""
        path = self.path(reference)
        with reading(path, "put it back, or say --root"):
            data = read_bytes(path, LARGEST_IMAGE)
        if hashlib.sha256(data).hexdigest() != digest:
            raise FsbenchError(f"{path}: was altered since {self.folder} was built: put it back, or build again")
        return path, data

    def _entry(self, sample: str) -> Sample:
        entry = self.samples.get(sample)
        if entry is None or not entry.present:
            raise FsbenchError(f"{self.folder}: sample {sample!r} is not in this benchmark: build it again")
        return entry

    def _check_size(self, path: Path, shape: Sequence[int], entry: Sample) -> None:
        if entry.id not in self.lists.without_mask and tuple(shape[:2]) != (entry.height, entry.width):
            raise FsbenchError(
                f"{path}: is {shape[0]} x {shape[1]} (height x width), but {entry.height} x {entry.width} was built "
                "into the benchmark: restore the file or build again"
            )


def located(roots: Mapping[str, Path], reference: str) -> Path:
    """The file of a ``reference``, which is ``root-name:relative/path``."""
    root, _, relative = reference.partition(":")
    return roots[root] / relative


def areas_of(pairs: Sequence[Pair], area: Mapping[Pair, int]) -> tuple[int, ...]:
    """Areas in the order of ``pairs``, -1 where unknown."""
    return tuple(area.get(pair, -1) for pair in pairs)


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
    """Write the folder (tables first, ``benchmark.json`` last, each atomically) and open it.

    ``samples``: in canonical order (val, then train, each by id); ``area``: pixels of value 1 per present pair;
    ``masks``: with the format ``rle``, all of them in the order of the samples; ``builder``: the registered builder if
    it has another name than the benchmark.
    """
    with building(folder):
        (folder / INDEX).unlink(missing_ok=True)  # an old one does not fit new tables
        if masks is not None:
            write_mask_table(folder, masks)
        write_samples(folder, samples, roots)
        write_pairs(folder, lists, {name: areas_of(pairs, area) for name, pairs in lists.lists().items()})
        tables = (SAMPLES, PAIRS) if masks is None else (SAMPLES, PAIRS, MASKS)
        values = {
            "name": lists.name,
            "title": lists.title,
            "partial": partial,
            "counts": count_samples(samples),
            "partition": lists.partition,
            "mask_rule": lists.mask_rule,
            "mask_format": mask_format,
            "classes": [asdict(c) for c in lists.classes],
            "folds": lists.folds,
            "lists": {name: len(pairs) for name, pairs in lists.lists().items()},
            "train_variants": list(lists.train),
            "without_mask": lists.without_mask,
            "digests": asdict(Digests(lists.digest(), masks_digest, sources_digest(samples))),
            "roots": {name: str(path.resolve()) for name, path in roots.items()},
            "builder": builder or lists.name,
            "builder_version": __version__,
            "files": {name: sha256_file(folder / name) for name in tables},
        }
        write_index(folder, Index, values)
    return open_benchmark(folder)


def open_benchmark(folder: Path | str, *, root: Path | None = None) -> Benchmark:
    """Open a benchmark by folder or by its name under ``FSBENCH_HOME``; ``root``: where its raw data moved to.

    A builder that keeps more than an index opens its folders itself (``open_folder(folder, roots)``). Raises
    FsbenchError for another kind of folder, another schema, an altered file, or a missing raw root.
    """
    folder = benchmark_folder(str(folder))
    builder = read_head(folder).builder
    open_folder = _of_builder(builder, "open_folder")
    if open_folder is None:
        return _checked(_read_benchmark(folder, root))
    index = read_index(folder, BuilderIndex)
    try:
        benchmark: Benchmark = open_folder(folder, _roots(index, root))
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, pa.ArrowException) as error:
        raise FsbenchError(f"{folder}: is no whole benchmark folder ({plain(error)[:200]}): {REMEDY}") from error
    if (index.name, index.title) != (benchmark.lists.name, benchmark.lists.title):
        raise FsbenchError(f"{folder / INDEX}: names {index.name!r}, expected {benchmark.lists.name!r}: {REMEDY}")
    return _checked(benchmark)


def _read_benchmark(folder: Path, root: Path | None) -> Benchmark:
    """The benchmark in a folder that ``write_benchmark`` wrote; its tables are compared with its index."""
    index = read_index(folder, Index)
    if index.mask_format not in {*MASK_FORMATS, RLE} or (index.mask_format == RLE) != (MASKS in index.files):
        raise FsbenchError(f"{folder / INDEX}: mask format {index.mask_format!r} does not fit its files: {REMEDY}")
    samples = read_samples(folder, index.files[SAMPLES], index.roots)
    pairs, areas = read_pairs(folder, index.files[PAIRS], index.lists, samples, len(index.classes))
    lists = FoldLists(
        name=index.name,
        title=index.title,
        partition=index.partition,
        mask_rule=index.mask_rule,
        classes=index.class_names(),
        folds=index.folds,
        val={fold: pairs[f"val-fold{fold}"] for fold in index.folds},
        train={
            variant: {fold: pairs[f"train-fold{fold}-{variant}"] for fold in index.folds}
            for variant in index.train_variants
        },
        without_mask=index.without_mask,
    )
    if lists.digest() != index.digests.lists or count_samples(samples.values()) != index.counts:
        raise FsbenchError(f"{folder / INDEX}: its lists or counts are not those of its tables: {REMEDY}")
    return Benchmark(
        folder=folder,
        roots=_roots(index, root),
        lists=lists,
        mask_format=index.mask_format,
        digests=index.digests,
        partial=index.partial,
        counts=index.counts,
        samples=samples,
        areas=areas,
        builder=index.builder,
        builder_version=index.builder_version,
        files=index.files,
    )


def _checked(benchmark: Benchmark) -> Benchmark:
    for name, where in benchmark.roots.items():
        if not where.is_dir():
            raise FsbenchError(
                f"{where}: raw data ({name}) of {benchmark.folder} is not there: say where it is with --root"
            )
    return benchmark


def _roots(index: Index | BuilderIndex, root: Path | None) -> dict[str, Path]:
    """Name -> folder of raw data; ``root`` may be any folder that the benchmark's builder takes."""
    roots = {name: Path(where) for name, where in index.roots.items()}
    if root is not None:
        find = _of_builder(index.builder, "find_root")
        roots["root"] = Path(find(root)) if find is not None and root.is_dir() else root
    return roots


def _of_builder(builder: str, name: str) -> Callable[..., Any] | None:
    """The function of this name of a registered builder, if it has one."""
    point = registered("benchmarks").get(builder)
    return getattr(load(point), name, None) if point else None
