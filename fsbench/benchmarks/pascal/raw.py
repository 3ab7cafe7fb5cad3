"""Reads a raw VOC 2012 for PASCAL-5i: every mask once, and from it sizes, areas, listed classes and digests.

``read_raw`` finds the files and reads everything, ``read_splits`` a part of it (a build); ``read_masks`` reads the
masks of samples that are known already (a build's second half, and verification).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fsbench.benchmarks.pascal.list_rule import listed_classes, rebuild
from fsbench.benchmarks.pascal.lists import Split, samples
from fsbench.benchmarks.pascal.voc import MaskFolders, find_masks, find_voc
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Sample
from fsbench.index.fold_lists import FoldLists, Pair
from fsbench.io.files import sha256_file
from fsbench.io.label_maps import LabelMap, read_label_areas
from fsbench.io.photographs import read_photograph
from fsbench.parallel import in_threads

SPLITS: tuple[Split, ...] = ("val", "train")
SHOWN = 3


@dataclass(frozen=True)
class MaskRead:
    """What one mask says. ``areas``: label -> pixels; ``listed``: 0-based classes that the published lists keep."""

    sample: str
    split: Split
    height: int
    width: int
    areas: Mapping[int, int]
    listed: tuple[int, ...]


@dataclass(frozen=True)
class MasksRead:
    """All masks at hand, in canonical order; ``digest`` is over the decoded ones. ``faults``: one line each."""

    masks: tuple[MaskRead, ...]
    digest: str
    faults: tuple[str, ...] = ()

    @cached_property
    def area(self) -> dict[Pair, int]:
        """(sample, 0-based class id) -> pixels."""
        return {
            (m.sample, label - 1): pixels for m in self.masks for label, pixels in m.areas.items() if 0 < label < 255
        }

    def list_differences(self, lists: FoldLists) -> list[str]:
        """Where the lists that these masks give differ from ``lists``, both cut to the masks at hand."""
        rebuilt = rebuild((m.sample, m.split, m.areas, m.listed) for m in self.masks)
        read = {m.sample for m in self.masks}
        differences = []
        for name, published in lists.lists().items():
            expected = [pair for pair in published if pair[0] in read]
            if list(rebuilt[name]) == expected:
                continue
            there, wanted = set(rebuilt[name]), set(expected)
            differences += [
                f"{name}: {sample} {lists.classes[c].key} {fault}"
                for fault, pairs in (("is not in the masks", wanted - there), ("is not published", there - wanted))
                for sample, c in sorted(pairs)
            ]
            if there == wanted:
                differences.append(f"{name}: its order differs")
        return differences


@dataclass(frozen=True)
class Raw:
    """A raw VOC 2012, read: the samples in canonical order (val, then train, each by id), and their masks."""

    roots: Mapping[str, Path]
    samples: tuple[Sample, ...]
    masks: MasksRead


def read_masks(
    wanted: Sequence[Sample], locate: Callable[[str], Path], workers: int | None, *, raising: bool = False
) -> MasksRead:
    """Read the masks at hand of ``wanted``, in order; a fault is kept as a line, or raised with ``raising``."""
    at_hand = [sample for sample in wanted if sample.mask is not None]

    def read(sample: Sample) -> tuple[MaskRead, LabelMap] | str:
        assert sample.mask is not None
        try:
            label_map, areas = read_label_areas(locate(sample.mask))
            height, width = label_map.shape
            split: Split = "val" if sample.split == "val" else "train"
            listed = listed_classes(label_map, split)
            return MaskRead(sample.id, split, height, width, areas, listed), label_map
        except FsbenchError as error:
            if raising:
                raise
            return str(error)

    masks: list[MaskRead] = []
    faults: list[str] = []
    digest = hashlib.sha256()
    for result in in_threads(read, at_hand, workers, "masks"):
        if isinstance(result, str):
            faults.append(result)
            continue
        mask, label_map = result
        digest.update(f"{mask.sample} {mask.height} {mask.width}\n".encode())
        digest.update(label_map.data)
        masks.append(mask)
    return MasksRead(tuple(masks), digest.hexdigest(), tuple(faults))


def read_raw(root: Path, sbd: Path | None, *, partial: bool, workers: int | None) -> Raw:
    """Find and read all 12031 samples; raises FsbenchError as ``read_splits``."""
    return read_splits(root, find_masks(find_voc(root), sbd), SPLITS, partial=partial, workers=workers)


def read_splits(
    root: Path, folders: MaskFolders, splits: Sequence[Split], *, partial: bool, workers: int | None
) -> Raw:
    """Find and read the samples of ``splits``, with masks of ``folders``.

    Raises FsbenchError for missing files (unless ``partial``) and for broken ones.
    """
    voc = find_voc(root)
    roots = {"root": voc} if folders.sbd is None else {"root": voc, "sbd": folders.sbd}
    named = [(sample, split) for split in splits for sample in samples(split)]
    photographs = {path.stem for path in (voc / "JPEGImages").glob("*.jpg")}
    masks = {sample: path for sample, _ in named if (path := folders.mask_path(sample)).is_file()}
    if not partial:
        total = len(named)
        _check_complete(root, "photographs", [f"JPEGImages/{s}.jpg" for s, _ in named if s not in photographs], total)
        _check_complete(root, "masks", [f"{s}.png" for s, _ in named if s not in masks], total)

    def reference(path: Path) -> str:
        name = "sbd" if path.suffix == ".mat" else "root"
        return f"{name}:{path.relative_to(roots[name]).as_posix()}"

    def find(item: tuple[str, Split]) -> Sample:
        sample, split = item
        image = voc / "JPEGImages" / f"{sample}.jpg" if sample in photographs else None
        height, width, digest = (0, 0, None) if image is None else read_photograph(image)
        return Sample(
            id=sample,
            split=split,
            height=height,
            width=width,
            image=None if image is None else reference(image),
            mask=reference(masks[sample]) if sample in masks else None,
            image_sha256=digest,
            mask_sha256=sha256_file(masks[sample]) if sample in masks else None,
        )

    found = list(in_threads(find, named, workers, "files"))
    if not any(sample.present and sample.split == "val" for sample in found):
        raise FsbenchError(f"{root}: not one val sample has its photograph and its mask: nothing could be evaluated")

    def locate(reference: str) -> Path:
        name, _, relative = reference.partition(":")
        return roots[name] / relative

    read = read_masks(found, locate, workers, raising=True)
    size_of = {mask.sample: (mask.height, mask.width) for mask in read.masks}
    sized = tuple(_sized(sample, size_of.get(sample.id), locate) for sample in found)
    return Raw(roots, sized, read)


def _check_complete(root: Path, what: str, missing: Sequence[str], total: int) -> None:
    if missing:
        raise FsbenchError(
            f"{root}: {len(missing)} of {total} {what} that the published lists name are missing, first "
            f"{', '.join(missing[:SHOWN])}: add them, or build from what is at hand with --partial"
        )


def _sized(sample: Sample, mask: tuple[int, int] | None, locate: Callable[[str], Path]) -> Sample:
    """The sample with its size, of which photograph and mask must agree."""
    if mask is None:
        return sample
    if sample.image is not None and (sample.height, sample.width) != mask:
        assert sample.mask is not None
        raise FsbenchError(
            f"{locate(sample.mask)}: is {mask[0]} x {mask[1]} (height x width), but its photograph "
            f"{locate(sample.image)} is {sample.height} x {sample.width}: take both from VOC 2012 again"
        )
    return replace(sample, height=mask[0], width=mask[1])
