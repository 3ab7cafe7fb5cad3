"""Reads a raw COCO for COCO-20i: annotations once, masks in processes, photographs in threads.

Samples bear the names of 2014, which the published lists use; images of 2017 are found by their image id.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.benchmarks.coco.annotations import CocoImage, read_annotations
from fsbench.benchmarks.coco.masks import ImageMasks, Job, make_masks
from fsbench.benchmarks.coco.remarks import Unreadable, refusal
from fsbench.episodes.protocols import FILLPOLY
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Sample
from fsbench.index.fold_lists import Pair
from fsbench.index.rle_masks import MaskRow
from fsbench.io.files import sha256_file
from fsbench.io.images import read_photograph
from fsbench.parallel import in_threads, processors
from fsbench.progress import progress

SPLITS: tuple[coco_lists.Split, ...] = ("val", "train")
CHUNK = 128
FEW = 2000
"""Images that are not worth starting processes for."""


@dataclass(frozen=True)
class Raw:
    """A raw COCO, read: the samples of the published lists in canonical order, their masks, and the list rule.

    ``listed``: sample id, or ``image N`` for one in no list -> classes that the rule keeps, None where not looked at.
    ``files``: the annotation files. ``unreadable``: photographs that were left out. ``skipped``: annotation file -> ids
    of the annotations with polygons of fewer than three points, ascending.
    """

    samples: tuple[Sample, ...]
    rows: tuple[MaskRow, ...]
    listed: dict[str, tuple[int, ...] | None]
    files: tuple[Path, ...]
    unreadable: tuple[Unreadable, ...]
    skipped: dict[Path, tuple[int, ...]]

    @cached_property
    def area(self) -> dict[Pair, int]:
        """(sample, class id) -> pixels, of the pairs that have any."""
        return {(row.sample, row.class_id): row.area for row in self.rows if row.area}


def read_coco(
    root: Path,
    mask_rule: str,
    masks: Path | None,
    *,
    partial: bool,
    workers: int | None,
    list_rule: bool = False,
    built: frozenset[str] | None = None,
) -> Raw:
    """Read annotations, photographs and masks; raises FsbenchError for what is missing or damaged.

    With ``partial`` a photograph that is missing or cannot be read is left out. ``list_rule``: look at every image as
    the published lists' rule does, also where masks are made otherwise. ``built``: verification gives the samples of
    the benchmark; no others are read, and no photographs, whose hashes it compares elsewhere.
    """
    images, digests = read_annotations(root)
    of_id = coco_lists.sample_of_image_id()
    by_sample = {of_id[image.id]: image for image in images if image.id in of_id}
    named = [(sample, split) for split in SPLITS for sample in coco_lists.samples(split)]
    wanted = [sample for sample, _ in named if built is None or sample in built]
    files = ", ".join(path.name for path in digests)
    lacking = {s: lack for s in wanted if (lack := _lack(root, masks, s, by_sample.get(s), files))}
    if lacking and not partial:
        first = next((lack for s, lack in lacking.items() if s in by_sample), next(iter(lacking.values())))
        raise FsbenchError(
            f"{root}: {len(lacking)} of {len(named)} images that the published lists name are missing, first {first}: "
            "add them, or build from what is present with --partial"
        )
    hashes: dict[str, str | None] = {sample: None for sample in wanted if sample not in lacking}
    unreadable: list[Unreadable] = []
    for sample, read in _photographs(root, list(hashes) if built is None else (), by_sample, workers):
        if isinstance(read, str):
            hashes[sample] = read
        elif partial:
            unreadable.append(read)
            del hashes[sample]
        else:
            raise refusal(read) from read.error
    if not any(sample in hashes and split == "val" for sample, split in named):
        faults = [str(photo.error) for photo in unreadable if photo.sample.startswith("val")] + list(lacking.values())
        first = f"; first {faults[0]}" if faults else ""
        raise FsbenchError(
            f"{root}: not one val image of the published lists can be used: nothing could be evaluated{first}"
        )
    jobs = _jobs(hashes, by_sample, images, of_id, mask_rule, masks, list_rule)
    jobs_done = list(zip(jobs, _masks(jobs, workers), strict=True))
    skipped: dict[Path, list[int]] = {}
    for job, done in jobs_done:
        skipped.setdefault(job.image.annotations, []).extend(done.skipped)
    pngs = {}
    if masks is not None:
        png_files = [masks / f"{sample}.png" for sample in hashes]
        pngs = dict(zip(hashes, in_threads(sha256_file, png_files, workers, "PNGs"), strict=True))

    def sample_of(sample: str, split: str) -> Sample:
        if sample not in hashes:
            return Sample(sample, split, 0, 0, None, None, None, None)
        image = by_sample[sample]
        mask, mask_sha256 = f"root:{image.annotations.relative_to(root).as_posix()}", digests[image.annotations]
        if masks is not None:
            mask, mask_sha256 = f"masks:{sample}.png", pngs[sample]
        photograph = f"root:{image.photograph}"
        return Sample(sample, split, image.height, image.width, photograph, mask, hashes[sample], mask_sha256)

    return Raw(
        tuple(sample_of(*item) for item in named),
        tuple(row for job, done in jobs_done if job.name in by_sample for row in done.rows),
        {job.name: done.listed for job, done in jobs_done},
        tuple(digests),
        tuple(unreadable),
        {path: tuple(sorted(ids)) for path, ids in skipped.items() if ids},
    )


def _lack(root: Path, masks: Path | None, sample: str, image: CocoImage | None, files: str) -> str | None:
    """What a listed sample lacks of annotation, photograph and (where ``masks`` is given) PNG mask; None if nothing."""
    if image is None:
        return f"{sample} (not in {files})"
    paths = [root / image.photograph] if masks is None else [root / image.photograph, masks / f"{sample}.png"]
    return next((f"{path} (annotated, but not on disk)" for path in paths if not path.is_file()), None)


def _photographs(
    root: Path, samples: Sequence[str], by_sample: dict[str, CocoImage], workers: int | None
) -> Iterator[tuple[str, str | Unreadable]]:
    """Each sample with its photograph's SHA-256 (hex) or fault; raises FsbenchError for one of another size."""

    def read(sample: str) -> tuple[str, str | Unreadable]:
        image = by_sample[sample]
        path = root / image.photograph
        try:
            height, width, digest = read_photograph(path)
        except FsbenchError as error:
            return sample, Unreadable(sample, path, error)
        if (height, width) != (image.height, image.width):
            raise FsbenchError(
                f"{path}: is {height} x {width} (height x width), but annotated as {image.height} x {image.width} in "
                f"{image.annotations}: take photographs and annotations of one year"
            )
        return sample, digest

    yield from in_threads(read, samples, workers, "photographs")


def _jobs(
    present: Iterable[str],
    by_sample: dict[str, CocoImage],
    images: Sequence[CocoImage],
    of_id: dict[int, str],
    mask_rule: str,
    masks: Path | None,
    list_rule: bool,
) -> list[Job]:
    """A job for each present sample, in canonical order; then, for the list rule, for each image in no list."""
    jobs = []
    for sample in present:
        png = None if masks is None else masks / f"{sample}.png"
        jobs.append(Job(sample, by_sample[sample], mask_rule, png, list_rule))
    if list_rule or mask_rule == FILLPOLY:
        unlisted = sorted((image for image in images if image.id not in of_id), key=lambda image: image.id)
        jobs += [Job(f"image {image.id}", image, FILLPOLY, None, True) for image in unlisted]
    return jobs


def _masks(jobs: Sequence[Job], workers: int | None) -> Iterator[ImageMasks]:
    """The masks of each job, in order: pycocotools holds Python's lock, so in processes where there are many."""
    count = workers or processors()
    chunks = [jobs[first : first + CHUNK] for first in range(0, len(jobs), CHUNK)]
    with progress("masks", len(jobs)) as advance:
        if count == 1 or len(jobs) <= FEW:
            for chunk in chunks:
                yield from make_masks(chunk)
                advance(len(chunk))
            return
        waiting: deque[Future[list[ImageMasks]]] = deque()
        try:
            with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
                for chunk in chunks:
                    waiting.append(pool.submit(make_masks, chunk))
                    if len(waiting) > 4 * count:
                        done = waiting.popleft().result()
                        yield from done
                        advance(len(done))
                while waiting:
                    yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            raise FsbenchError(
                "a process that makes masks died (out of memory, or the calling script has no __main__ guard): "
                "use --workers 1"
            ) from error


def list_differences(raw: Raw) -> list[str]:
    """Where the rule gives other pairs than the published lists, for the images that it was run on."""
    published: dict[str, set[int]] = {}
    for split in SPLITS:
        for sample, class_id in coco_lists.pairs_of(split, range(80)):
            published.setdefault(sample, set()).add(class_id)
    differences = []
    for name, listed in raw.listed.items():
        if listed is None:
            continue
        wanted = published.get(name, set())
        for class_id in sorted(wanted ^ set(listed)):
            fault = "is not in the masks" if class_id in wanted else "is not published"
            differences.append(f"{name} {coco_lists.CLASSES[class_id]} {fault}")
    return differences
