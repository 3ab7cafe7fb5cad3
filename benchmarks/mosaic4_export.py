"""``build(form="png")`` against the script that one would write with Pillow: limits 4 times as fast, files 8 % larger.

    python -m benchmarks.mosaic4_export --root FSS --work FOLDER [--repeats 3]

FSS holds class folders; all classes in it are used. The script opens, pastes and saves with Pillow's defaults, checks
nothing and hashes nothing; ours is the whole build: every file checked, digests, files synced to disk. They take turns
on one core, on which the build has 4 workers, so that one computes while others wait for the disk. Then the build with
1 and 2 workers, taking turns on all cores. Medians are printed, in CPU time, which another process on the machine
cannot stretch, and in wall time. FOLDER is emptied in the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks.measured import Measured, Ratio, real_data
from fsbench.parallel import processors
from mosaic4.build import build, recipe_of_classes
from mosaic4.recipe import Recipe

SIDE = 224
Timed = tuple[float, float, int]
"""CPU seconds, wall seconds, bytes."""


def obvious(root: Path, out: Path, recipe: Recipe) -> None:
    """Open, paste, save."""
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True)
    for mosaic, samples in enumerate(recipe.mosaics):
        image = Image.new("RGB", (2 * SIDE, 2 * SIDE))
        mask = Image.new("L", (2 * SIDE, 2 * SIDE))
        for p, sample in enumerate(samples):
            place = (p % 2 * SIDE, p // 2 * SIDE)
            with Image.open(root / f"{sample}.jpg") as tile:
                image.paste(tile, place)
            with Image.open(root / f"{sample}.png") as tile:
                mask.paste(tile.convert("L").point([0] * 128 + [p + 1] * 128), place)
        image.save(out / "images" / f"{mosaic:06d}.png")
        mask.save(out / "masks" / f"{mosaic:06d}.png")


def timed(work: Callable[[Path], object], out: Path) -> Timed:
    """CPU seconds, wall seconds, and bytes of all PNG files that were written into ``out``, which is removed."""
    cpu, wall = time.process_time(), time.perf_counter()
    work(out)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    size = sum(path.stat().st_size for path in out.rglob("*.png"))
    shutil.rmtree(out)
    return cpu, wall, size


def builder(root: Path, recipe: Recipe, workers: int) -> Callable[[Path], object]:
    """Our build into a folder."""
    return lambda folder: build(root, folder, recipe, form="png", workers=workers)


def against_script(root: Path, out: Path, recipe: Recipe, repeats: int) -> list[tuple[Timed, Timed]]:
    """The obvious script and our build with 4 workers, in turns on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    ours = builder(root, recipe, 4)
    pairs = [(timed(lambda folder: obvious(root, folder, recipe), out), timed(ours, out)) for _ in range(repeats)]
    os.sched_setaffinity(0, cores)
    return pairs


def measure(quick: bool = False) -> list[Measured]:
    """CPU time and size, of the mosaics of nine classes."""
    root = real_data("fss_like")
    recipe = recipe_of_classes(sorted(path.name for path in root.iterdir() if path.is_dir())[: 4 if quick else 9])
    with TemporaryDirectory() as folder:
        pairs = against_script(root, Path(folder) / "out", recipe, 1 if quick else 3)
    plain, ours = ([statistics.median(pair[which][k] for pair in pairs) for k in (0, 2)] for which in (0, 1))
    note = "open, paste and save with Pillow's defaults; nothing checked, nothing hashed"
    return [
        Ratio(name="Mosaic-4, PNG folder", ours=ours[0], plain=plain[0], unit="CPU s", floor=4, note=note),
        Ratio(name="Mosaic-4, size of the PNGs", ours=ours[1] / 1e6, plain=plain[1] / 1e6, unit="MB", floor=1 / 1.08),
    ]


def main() -> None:
    """Take turns and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="a folder that does not exist yet")
    parser.add_argument("--repeats", type=int, default=3)
    said = parser.parse_args()
    root, out = said.root, said.work
    recipe = recipe_of_classes(sorted(path.name for path in root.iterdir() if path.is_dir()))
    pairs = against_script(root, out, recipe, said.repeats)
    names = ("the obvious script", "build")
    for which, name in enumerate(names):
        cpu, wall = (statistics.median(pair[which][k] for pair in pairs) for k in (0, 1))
        print(f"{name}: {cpu:.2f} s of CPU, {wall:.2f} s of wall time, {pairs[0][which][2] / 1e6:.1f} MB")
    ratios = [statistics.median(slow[k] / fast[k] for slow, fast in pairs) for k in (0, 1)]
    print(
        f"{len(recipe.mosaics)} mosaics on one core: {ratios[0]:.2f} times as fast in CPU time, {ratios[1]:.2f} in "
        f"wall time, files {100 * (pairs[0][1][2] / pairs[0][0][2] - 1):+.1f} %"
    )

    one_worker, two_workers = (builder(root, recipe, workers) for workers in (1, 2))
    turns = [(timed(one_worker, out), timed(two_workers, out)) for _ in range(said.repeats)]
    one, two = (statistics.median(turn[which][1] for turn in turns) for which in (0, 1))
    print(
        f"on {processors()} cores: 1 worker {one:.2f} s, 2 workers {two:.2f} s of wall time, "
        f"{statistics.median(a[1] / b[1] for a, b in turns):.2f} times as fast; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
