"""Reads a raw VOC 2012 for PASCAL-5i: every mask once, and from it sizes, areas, listed classes and digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fsbench.benchmarks.pascal.list_rule import listed_classes, rebuild
from fsbench.benchmarks.pascal.lists import Split, samples
from fsbench.benchmarks.pascal.voc import MaskFolders, find_voc
from fsbench.benchmarks.reading import ReadSample, ReadSamples, read_each
from fsbench.benchmarks.verification import Check, check
from fsbench.errors import FsbenchError
from fsbench.home import home
from fsbench.index.benchmark import Benchmark, Sample, located, write_benchmark
from fsbench.index.fold_lists import FoldLists
from fsbench.io.files import sha256_file
from fsbench.io.images import read_photograph
from fsbench.io.label_maps import read_label_areas
from fsbench.io.locks import building
from fsbench.parallel import in_threads

NAMED = 3


@dataclass(frozen=True)
class Masks:
    """Masks read in canonical order. ``listed``: sample -> 0-based classes that the published lists keep."""

    read: ReadSamples
    listed: Mapping[str, tuple[int, ...]]

    def list_differences(self, lists: FoldLists) -> list[str]:
        """Where the lists that these masks give differ from ``lists``, both cut to the samples that were read."""
        areas: dict[str, dict[int, int]] = {sample.id: {} for sample in self.read.samples}
        for (sample_id, class_id), pixels in self.read.area.items():
            areas[sample_id][class_id + 1] = pixels
        rebuilt = rebuild((s.id, s.split, areas[s.id], self.listed[s.id]) for s in self.read.samples)
        differences = []
        for name, published in lists.lists().items():
            expected = [pair for pair in published if pair[0] in areas]
            if list(rebuilt[name]) == expected:
                continue
            given, wanted = set(rebuilt[name]), set(expected)
            differences += [
                f"{name}: {sample} {lists.classes[c].key} {fault}"
                for fault, pairs in (("is not in the masks", wanted - given), ("is not published", given - wanted))
                for sample, c in sorted(pairs)
            ]
            if given == wanted:
                differences.append(f"{name}: its order differs")
        return differences


def read_masks(
    wanted: Sequence[Sample], locate: Callable[[str], Path], workers: int | None, *, raising: bool = False
) -> Masks:
    """Read the masks that ``wanted`` have, in order; a fault is kept as a line, or raised with ``raising``.

    A mask of another size than its photograph is one.
    """
    listed: dict[str, tuple[int, ...]] = {}

    def read(sample: Sample) -> ReadSample:
        assert sample.mask is not None
        path = locate(sample.mask)
        label_map, areas = read_label_areas(path)
        height, width = label_map.shape
        if sample.image is not None and (sample.height, sample.width) != label_map.shape:
            raise FsbenchError(
                f"{path}: is {height} x {width} (height x width), but its photograph "
                f"{locate(sample.image)} is {sample.height} x {sample.width}: take both from VOC 2012 again"
            )
        listed[sample.id] = listed_classes(label_map, "val" if sample.split == "val" else "train")
        of_class = {label - 1: pixels for label, pixels in areas.items() if 0 < label < 255}
        return ReadSample(replace(sample, height=height, width=width), label_map, of_class)

    with_mask = [sample for sample in wanted if sample.mask is not None]
    return Masks(read_each(read, with_mask, workers, "masks", raising=raising), listed)


def build_from_voc(
    root: Path,
    out: Path | None,
    folders: MaskFolders,
    lists: FoldLists,
    published: FoldLists,
    *,
    splits: Sequence[Split],
    partial: bool,
    workers: int | None,
    remedy: str,
) -> Benchmark:
    """Index the samples of ``splits`` with the masks of ``folders``, and write the benchmark of ``lists``.

    Raises FsbenchError for missing files (unless ``partial``), broken ones, a mask of another size than its photograph,
    and masks that do not give the ``published`` lists, with ``remedy``.
    """
    voc = find_voc(root)
    roots = {"root": voc} if folders.sbd is None else {"root": voc, "sbd": folders.sbd}
    with building(home() / lists.name if out is None else out) as out:
        found = _find_samples(root, roots, folders, splits, partial, workers)
        masks = read_masks(found, lambda reference: located(roots, reference), workers, raising=True)
        differences = masks.list_differences(published)
        if differences:
            raise FsbenchError(
                f"{root}: the masks do not give the published lists ({len(differences)} pairs differ, first: "
                f"{'; '.join(differences[:NAMED])}): {remedy}"
            )
        sized = {sample.id: sample for sample in masks.read.samples}
        return write_benchmark(
            out,
            lists=lists,
            roots=roots,
            mask_format="voc-label-map",
            samples=[sized.get(sample.id, sample) for sample in found],
            area=masks.read.area,
            masks_digest=masks.read.masks_digest,
            partial=not all(sample.present for sample in found),
        )


def verify_masks(benchmark: Benchmark, published: FoldLists, workers: int | None) -> Iterator[Check]:
    """Masks are readable and give the ``published`` lists; masks and areas are as they were built."""
    masks = read_masks(list(benchmark.samples.values()), benchmark.path, workers)
    count, total = len(masks.read.samples), len(benchmark.samples)
    yield check("masks readable", masks.read.faults, f"{count} masks")
    built = sum(sample.mask is not None for sample in benchmark.samples.values())
    faults = masks.list_differences(published)
    faults += [] if count == built else [f"only {count} of {built} masks could be read"]
    lists = len(benchmark.lists.lists())
    proved = f"all {lists} lists, byte for byte, from {total} masks"
    if count < total:
        proved = f"the part of the {lists} lists that {count} of {total} masks decide"
    yield check("rebuilt lists", faults, proved)
    yield from masks.read.compare_masks(benchmark)


def _find_samples(
    root: Path,
    roots: Mapping[str, Path],
    folders: MaskFolders,
    splits: Sequence[Split],
    partial: bool,
    workers: int | None,
) -> list[Sample]:
    """The samples in canonical order (val, then train, each by id), with photographs' sizes and files' hashes."""
    images = roots["root"] / "JPEGImages"
    named = [(sample, split) for split in splits for sample in samples(split)]
    photographs = {path.stem for path in images.glob("*.jpg")}
    masks = {sample: path for sample, _ in named if (path := folders.mask_path(sample)).is_file()}
    lacking = {
        "photographs": [f"JPEGImages/{sample}.jpg" for sample, _ in named if sample not in photographs],
        "masks": [f"{sample}.png" for sample, _ in named if sample not in masks],
    }
    for what, missing in lacking.items():
        if missing and not partial:
            raise FsbenchError(
                f"{root}: {len(missing)} of {len(named)} {what} that the published lists name are missing, first "
                f"{', '.join(missing[:NAMED])}: add them, or build from what is present with --partial"
            )

    def find(item: tuple[str, Split]) -> Sample:
        id, split = item
        sample = Sample(id, split, 0, 0, None, None, None, None)
        if id in photographs:
            height, width, digest = read_photograph(images / f"{id}.jpg")
            image = f"root:JPEGImages/{id}.jpg"
            sample = replace(sample, height=height, width=width, image=image, image_sha256=digest)
        if id in masks:
            name = "sbd" if masks[id].suffix == ".mat" else "root"
            reference = f"{name}:{masks[id].relative_to(roots[name]).as_posix()}"
            sample = replace(sample, mask=reference, mask_sha256=sha256_file(masks[id]))
        return sample

    found = list(in_threads(find, named, workers, "files"))
    if not any(sample.present and sample.split == "val" for sample in found):
        raise FsbenchError(f"{root}: not one val sample has its photograph and its mask: nothing could be evaluated")
    return found
