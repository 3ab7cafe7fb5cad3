"""COCO-20i at COCO's full size: 123,287 images and 896,782 instances, made by repeating a real subset under new ids.

    python -m benchmarks.coco_full_size --coco ROOT --work FOLDER [--workers 2] [--share 1.0]

ROOT holds annotations of a part of COCO with its photographs. FOLDER is filled with hard links (it must lie on one disk
with a copy of the photographs, which is made first) and the generated annotations; it is given the image ids of the
published lists, and each image only the instances of its listed classes, so that the build is a whole one but for the
comparison of lists, which such a set cannot pass: what is timed is reading, masks, hashing and writing.
Prints seconds and peak memory of the process tree (read from /proc, so on Linux alone), for both mask rules.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

from benchmarks.measured import Measured, Ratio, real_data
from fsbench.benchmarks.coco import lists as coco_lists
from fsbench.benchmarks.coco.coco20i import Partition, fold_lists
from fsbench.benchmarks.coco.raw import read_coco
from fsbench.index.benchmark import write_benchmark
from fsbench.index.rle_masks import rows_digest

IMAGES, INSTANCES = {"val": 40504, "train": 82783}, 896_782


def generate(coco: Path, work: Path, share: float) -> None:
    """Write the set."""
    images, categories = [], []
    of_image: dict[int, list[dict[str, Any]]] = {}
    for path in sorted((coco / "annotations").glob("instances_*.json")):
        said = json.loads(path.read_bytes())
        categories = said["categories"]
        folder = coco / path.stem.removeprefix("instances_")
        images += [(folder / image["file_name"], image) for image in said["images"]]
        for annotation in said["annotations"]:
            of_image.setdefault(annotation["image_id"], []).append(annotation)
    copies = work / "copies"
    copies.mkdir(parents=True)
    for path, _ in images:
        shutil.copyfile(path, copies / path.name)
    (work / "annotations").mkdir()
    wanted = INSTANCES * share / (sum(IMAGES.values()) * share)  # instances an image
    number, place, owed = 1, 0, 0.0
    for split, count in IMAGES.items():
        ids = [int(sample[-12:]) for sample in coco_lists.samples("val" if split == "val" else "train")]
        first = 600_000 if split == "val" else 700_000  # images in no list
        ids += list(range(first, first + count - len(ids)))
        file: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
        (work / f"{split}2014").mkdir()
        for image_id in ids[: int(count * share)]:
            path, image = images[place % len(images)]
            place += 1
            name = f"COCO_{split}2014_{image_id:012d}.jpg"
            os.link(copies / path.name, work / f"{split}2014" / name)
            file["images"].append({**image, "id": image_id, "file_name": name})
            of_this = of_image.get(image["id"], [])
            owed += wanted
            here = of_this[: max(0, int(owed))]
            owed -= len(here)
            for annotation in here:
                file["annotations"].append({**annotation, "id": number, "image_id": image_id})
                number += 1
        (work / "annotations" / f"instances_{split}2014.json").write_text(json.dumps(file))
    print(f"{place} images, {number - 1} instances", flush=True)


def build(work: Path, out: Path, rule: str, workers: int) -> int:
    """What ``fsbench build coco-20i`` does, but for the comparison of lists; gives the number of masks."""
    raw = read_coco(work, rule, None, partial=True, workers=workers)
    write_benchmark(
        out,
        lists=fold_lists(Partition.INTERLEAVED, rule),
        roots={"root": work},
        mask_format="rle",
        samples=raw.samples,
        area=raw.area,
        masks_digest=rows_digest(raw.rows),
        partial=True,
        masks=raw.rows,
    )
    return len(raw.rows)


def timed_build(work: Path, rule: str, workers: int) -> None:
    """Build and print."""
    began = time.perf_counter()
    masks = build(work, work / f"built-{rule}", rule, workers)
    seconds = time.perf_counter() - began
    print(f"{rule}: {masks} masks, {seconds:.1f} s with {workers} workers", end="", flush=True)


def pycocotools_way(work: Path, out: Path) -> None:
    """A label map of every image as a PNG: annotations drawn one over another with ``COCO.annToMask``."""
    out.mkdir()
    for split in IMAGES:
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(work / "annotations" / f"instances_{split}2014.json")
        for image_id in coco.getImgIds():
            image = coco.loadImgs(image_id)[0]
            labels = np.zeros((image["height"], image["width"]), np.uint8)
            for annotation in coco.loadAnns(coco.getAnnIds(image_id)):
                labels[coco.annToMask(annotation) == 1] = annotation["category_id"]
            Image.fromarray(labels).save(out / f"{image['file_name']}.png")


def measure(quick: bool = False) -> list[Measured]:
    """Masks of a fortieth of COCO's size, one worker."""
    coco = real_data("coco")
    pairs = []
    with TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        generate(coco, work, 0.002 if quick else 0.025)
        for turn in range(1 if quick else 2):
            began = time.perf_counter()
            build(work, work / f"ours{turn}", "instances-crowd-void-v1", 1)
            between = time.perf_counter()
            pycocotools_way(work, work / f"plain{turn}")
            pairs.append((between - began, time.perf_counter() - between))
    ours, plain = (statistics.median(of) for of in zip(*pairs, strict=True))
    note = "label maps by COCO.annToMask, written as PNGs; photographs neither read nor hashed"
    return [Ratio(name="COCO-20i build, one worker", ours=ours, plain=plain, unit="s", floor=2, note=note)]


def watched(function: Callable[..., object], *args: object) -> float:
    """Run ``function`` in a process of its own; the most memory that it and its children held at once, MiB (PSS)."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=args)
    process.start()
    most = 0
    while process.is_alive():
        most = max(most, sum(map(_kib, _tree(str(process.pid)))))
        process.join(0.2)
    if process.exitcode:
        raise SystemExit(process.exitcode)
    return most / 1024


def _tree(pid: str) -> list[str]:
    """A process and all below it."""
    try:
        below = [
            child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [pid, *(each for child in below for each in _tree(child))]


def _kib(pid: str) -> int:
    """Proportional set size of a process, 0 when it has just ended."""
    try:
        said = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in said.splitlines() if line.startswith("Pss:"))


def main() -> None:
    """Generate, build by each rule, print, and leave nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="part of the full size")
    parser.add_argument("--rule", action="append", help="mask rule; default both")
    said = parser.parse_args()
    try:
        watched(generate, said.coco, said.work, said.share)
        for rule in said.rule or ["instances-crowd-void-v1", "fillpoly-v1"]:
            most = watched(timed_build, said.work, rule, said.workers)
            print(f", at most {most:.0f} MiB in all processes together", flush=True)
    finally:
        shutil.rmtree(said.work, ignore_errors=True)


if __name__ == "__main__":
    main()
