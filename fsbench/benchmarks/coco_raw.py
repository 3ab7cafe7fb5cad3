"""Reads a raw COCO for COCO-20i: annotations once, masks in processes, photographs in threads.

Samples bear the names of 2014, which the published lists use; images of 2017 are found by their image id.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fsbench.benchmark import Sample
from fsbench.benchmarks import coco_lists
from fsbench.benchmarks.coco_annotations import CocoImage, read_annotations
from fsbench.benchmarks.coco_masks import ImageMasks, Job, make_masks
from fsbench.benchmarks.photographs import read_photograph
from fsbench.environment import processors
from fsbench.errors import FsbenchError
from fsbench.files import sha256_file
from fsbench.fold_lists import Pair
from fsbench.mask_table import MaskRow
from fsbench.parallel import in_threads
from fsbench.progress import progress
from fsbench.protocols import FILLPOLY

CHUNK = 128
FEW = 2000
"""Images that are not worth starting processes for."""
SHOWN = 3


@dataclass(frozen=True)
class Raw:
    """A raw COCO, read: the samples of the published lists in canonical order, their masks, and the list rule.

    ``listed``: sample id, or ``image N`` for one in no list -> classes that the rule keeps, None where not looked at.
    """

    samples: tuple[Sample, ...]
    rows: tuple[MaskRow, ...]
    listed: dict[str, tuple[int, ...] | None]

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
    photographs: bool = True,
) -> Raw:
    """Read annotations, photographs and masks; raises FsbenchError for what is missing (unless ``partial``) or broken.

    ``list_rule``: look at every image as the published lists' rule does, also where masks are made otherwise.
    ``photographs``: False leaves sizes and hashes of photographs out (verification has them).
    """
    images, digests = read_annotations(root)
    of_id = coco_lists.sample_of_image_id()
    by_sample = {of_id[image.id]: image for image in images if image.id in of_id}
    named = [
        (sample, split)
        for split in ("val", "train")
        for sample in coco_lists.samples("val" if split == "val" else "train")
    ]
    lacking = {s: lack for s, _ in named if (lack := _lack(root, masks, s, by_sample.get(s)))}
    if lacking and not partial:
        first = next((lack for s, lack in lacking.items() if s in by_sample), next(iter(lacking.values())))
        raise FsbenchError(
            f"{root}: {len(lacking)} of {len(named)} images that the published lists name are missing, first {first}: "
            "add them, or build from what is at hand with --partial"
        )
    gone = set(lacking)
    jobs = _jobs(named, by_sample, images, of_id, mask_rule, masks, list_rule, gone)
    made = list(_masks(jobs, workers))
    rows = [row for job, done in zip(jobs, made, strict=True) if job.name in by_sample for row in done.rows]
    listed = {job.name: done.listed for job, done in zip(jobs, made, strict=True)}

    def sample_of(item: tuple[str, str]) -> Sample:
        sample, split = item
        image = by_sample.get(sample)
        if image is None or sample in gone:
            return Sample(sample, split, 0, 0, None, None, None, None)
        mask, mask_digest = f"root:{image.file}", digests[image.file]
        if masks is not None:
            mask, mask_digest = f"masks:{sample}.png", sha256_file(masks / f"{sample}.png")
        found = Sample(sample, split, image.height, image.width, f"root:{image.photograph}", mask, None, mask_digest)
        return _with_photograph(found, root / image.photograph) if photographs else found

    samples = tuple(in_threads(sample_of, named, workers, "photographs"))
    if not any(sample.present and sample.split == "val" for sample in samples):
        raise FsbenchError(f"{root}: not one val image of the published lists is there: nothing could be evaluated")
    return Raw(samples, tuple(rows), listed)


def _lack(root: Path, masks: Path | None, sample: str, image: CocoImage | None) -> str | None:
    """What a listed sample lacks of annotation, photograph and (where ``masks`` is given) PNG mask; None if nothing."""
    if image is None:
        return f"{sample} (no annotation)"
    files = [root / image.photograph] if masks is None else [root / image.photograph, masks / f"{sample}.png"]
    return next((f"{path} (annotated, but not on disk)" for path in files if not path.is_file()), None)


def _jobs(
    named: Sequence[tuple[str, str]],
    by_sample: dict[str, CocoImage],
    images: Sequence[CocoImage],
    of_id: dict[int, str],
    mask_rule: str,
    masks: Path | None,
    list_rule: bool,
    gone: set[str],
) -> list[Job]:
    """A job for each sample at hand, in canonical order; then, for the list rule, for each image in no list."""
    jobs = []
    for sample, _ in named:
        if sample not in gone:
            png = None if masks is None else masks / f"{sample}.png"
            jobs.append(Job(sample, by_sample[sample], mask_rule, png, list_rule))
    if list_rule or mask_rule == FILLPOLY:
        unlisted = sorted((image for image in images if image.id not in of_id), key=lambda image: image.id)
        jobs += [Job(f"image {image.id}", image, FILLPOLY, None, True) for image in unlisted]
    return jobs


def _with_photograph(sample: Sample, path: Path) -> Sample:
    height, width, digest = read_photograph(path)
    if (height, width) != (sample.height, sample.width):
        raise FsbenchError(
            f"{path}: is {height} x {width} (height x width), but annotated as {sample.height} x {sample.width}: take "
            "photographs and annotations of one year"
        )
    return replace(sample, image_sha256=digest)


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
            said = "a process that makes masks died (out of memory, or the calling script has no __main__ guard)"
            raise FsbenchError(f"{said}: use --workers 1") from error


def list_differences(raw: Raw) -> list[str]:
    """Where the rule gives other pairs than the published lists, for the images that it was run on."""
    published: dict[str, set[int]] = {}
    for split in ("val", "train"):
        for sample, class_id in coco_lists.pairs_of("val" if split == "val" else "train", range(80)):
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
