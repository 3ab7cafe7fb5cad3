"""What a GPU does: the tests that need one, its counts beside the CPU's, images and training steps a second, memory.

    python -m benchmarks.gpu [--device cuda] [--batch 16] [--json gpu.json] [--quick]

Needs no network and no data: ``toy`` is drawn into a temporary folder. ``--device cpu --quick`` tries the script where
there is no GPU: its figures are no results. float32 is float32 here: TF32 is off, but in the second line of counts.
Fusioner has the shapes of CLIP ViT-L/14 and the published fusion, with random weights; the plain way is that of
``fusioner_speed``. Shares are of the speed of the run's best product of square matrices in the same dtype. Ends with 1
if a test fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import fsbench
from benchmarks.fusioner_speed import PUBLISHED, Encoder, Sizes, Step, inputs, plain
from benchmarks.measured import ROOT, today
from fsbench.benchmarks.toy.build import build
from fsbench.errors import FsbenchError
from fsbench.io.files import write_text
from fsbench.records.counts import Row, read_counts
from fsbench.records.environment import processor, resolve_device
from fsbench.training.precision import autocast
from fusioner.fusion import FusionConfig
from fusioner.model import Fusioner

CLASSES = 4
"""Names asked of an image."""
TINY = Sizes("vit_tiny_patch16_224", FusionConfig(16, 16, d_model=16, layers=2, heads=2), (14, 14), (224, 224), CLASSES)
PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class Speed:
    """One way in one precision. ``share``: of the peak; ``gigabytes``: the most that was allocated, None on a CPU."""

    name: str
    precision: str
    per_second: float
    unit: str
    teraflops: float
    share: float
    gigabytes: float | None


class Card:
    """The device under test, and whether sizes are tiny."""

    def __init__(self, name: str, quick: bool) -> None:
        self.name, self.device, self.quick = name, torch.device(name), quick
        self.cuda = self.device.type == "cuda"
        self.rounds = 3 if quick else 10
        if self.cuda:
            torch.cuda.set_device(self.device.index or 0)

    def seconds(self, run: Callable[[], object]) -> float:
        """Of one call, on the device's own clock."""
        if not self.cuda:
            began = time.perf_counter()
            run()
            return time.perf_counter() - began
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(self.device)
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize(self.device)
        return begin.elapsed_time(end) / 1000

    def median(self, run: Callable[[], object]) -> float:
        """Seconds of a call, the median after two to warm up."""
        times = [self.seconds(run) for _ in range(2 + self.rounds)]
        return statistics.median(times[2:])

    def peak(self, precision: str) -> float:
        """FLOP/s of the best of several products of square matrices."""
        side = 256 if self.quick else 8192
        dtype = torch.float32 if precision == "float32" else torch.bfloat16
        square = torch.randn((side, side), generator=torch.Generator().manual_seed(4)).to(self.device, dtype)
        return 2 * side**3 / min(self.seconds(lambda: square @ square) for _ in range(2 + self.rounds))

    def speed(self, name: str, precision: str, run: Callable[[], object], items: int, unit: str, peak: float) -> Speed:
        """Count, time and weigh ``run``, which handles ``items`` of ``unit``."""
        with FlopCounterMode(display=False) as counter:
            run()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        seconds = self.median(run)
        flops = counter.get_total_flops() / seconds
        used = torch.cuda.max_memory_allocated(self.device) / 1e9 if self.cuda else None
        return Speed(name, precision, items / seconds, unit, flops / 1e12, flops / peak, used)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether convolutions in float32 may round their inputs to TF32, torch's default; products of matrices may not."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def tests(card: Card) -> tuple[bool, str]:
    """Run the tests marked ``gpu`` on the device: whether all passed, and pytest's last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu", "tests"]
    environment = {**os.environ, "FSBENCH_TEST_DEVICE": card.name}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
    return not done.returncode, (done.stdout.splitlines() or [f"exit {done.returncode}"])[-1].strip()


def counts(card: Card) -> list[dict[str, Any]]:
    """``prototype`` on ``toy``: on the CPU, and on the device beside it, without and with TF32."""
    asked: dict[str, Any] = {"folds": "0", "limit": 8} if card.quick else {}

    def answered(toy: Path, out: Path, device: str) -> tuple[fsbench.Record, dict[tuple[str, int, int], Row]]:
        record = fsbench.evaluate("prototype", toy, out=out, device=device, **asked)
        (file,) = out.rglob("counts.parquet")
        return record, {(row.fold, row.number, row.class_id): row for row in read_counts(file)}

    with TemporaryDirectory() as folder:
        place = Path(folder)
        toy = build(out=place / "toy").folder
        for device in {"cpu", card.name}:
            fsbench.evaluate("prototype", toy, out=place / f"warm-up-{device}", device=device, folds="0", limit=8)
        record, here = answered(toy, place / "cpu", "cpu")
        found = [{"on": "cpu", "images_per_second": record.timings.images_per_second, "miou": record.miou}]
        for allowed in (False, True) if card.cuda else (False,):
            with tf32(allowed):
                record, there = answered(toy, place / f"device-{allowed}", card.name)
            apart = [
                max(abs(row.predicted - here[key].predicted), abs(row.intersection - here[key].intersection))
                for key, row in there.items()
            ]
            found.append(
                {
                    "on": f"{card.name}{', TF32' if allowed else ''}",
                    "images_per_second": record.timings.images_per_second,
                    "miou": record.miou,
                    "episodes": len(apart),
                    "episodes_that_differ": sum(map(bool, apart)),
                    "largest_difference_in_pixels": max(apart),
                }
            )
    return found


def inference(card: Card, sizes: Sizes, peaks: dict[str, float]) -> tuple[list[Speed], float]:
    """Images a second, four classes asked of each; and the largest difference of exact logits from the plain ones."""
    encoder, model = Encoder(sizes, card.name), Fusioner(sizes.config).eval().to(card.device)
    weights = dict(model.state_dict())
    pairs, text = inputs(sizes, card.name)
    images = pairs[: sizes.batch // CLASSES]
    copies = images.repeat_interleave(CLASSES, dim=0)
    names = text.reshape(len(images), CLASSES, -1)
    where = sizes.grid, sizes.target
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "plain: encoder and all, for each class": lambda: plain(weights, encoder(copies), text, sizes),
        "ours, exact": lambda: model(encoder(images), names, *where),
        "ours, joint": lambda: model.joint(encoder(images), names, *where),
    }
    with torch.inference_mode():
        plainly, exact, _ = (run() for run in ways.values())
        apart = float((plainly.reshape(exact.shape) - exact).abs().max())
        del plainly, exact
        speeds = []
        for precision in PRECISIONS:
            with autocast(precision, card.device):
                for name, run in ways.items():
                    speeds.append(card.speed(name, precision, run, len(images), "images/s", peaks[precision]))
    return speeds, apart


def training(card: Card, sizes: Sizes, peaks: dict[str, float]) -> list[Speed]:
    """Training steps a second beyond the encoder, whose features are kept."""
    _, text = inputs(sizes, card.name)
    draw = torch.Generator().manual_seed(3)
    shape = (sizes.batch, sizes.grid[0] * sizes.grid[1], sizes.config.visual_dim)
    kept = functional.normalize(torch.randn(shape, generator=draw), dim=-1).to(card.device)
    speeds = []
    for ours in (False, True):
        name = "ours: training step" if ours else "plain: training step beyond the encoder"
        for precision in PRECISIONS:
            step = Step(ours, sizes, card.name, precision)
            speeds.append(card.speed(name, precision, partial(step, kept, text), 1, "steps/s", peaks[precision]))
    return speeds


def drawn(title: str, speeds: list[Speed], found: list[dict[str, Any]]) -> Table:
    """The table of a run."""
    table = Table("measurement", "precision", "speed", "TFLOP/s", "of the peak", "GB", title=title)
    for one in found:
        beside = ""
        if "episodes" in one:
            beside = f"{one['episodes_that_differ']} of {one['episodes']} episodes differ from the CPU's, by at most "
            beside = f": {beside}{one['largest_difference_in_pixels']} pixels"
        speed = f"{one['images_per_second']:.4g} images/s"
        table.add_row(f"prototype on toy, {one['on']}{beside}", "float32", speed, "", "", "")
    for one in speeds:
        memory = "" if one.gigabytes is None else f"{one.gigabytes:.2f}"
        speed = f"{one.per_second:.4g} {one.unit}"
        table.add_row(one.name, one.precision, speed, f"{one.teraflops:.4g}", f"{one.share:.0%}", memory)
    return table


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=16, help="pairs of image and class at once, a multiple of 4")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it: the figures are no results")
    said = parser.parse_args()
    try:
        card = Card(resolve_device(said.device), said.quick)
    except FsbenchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if said.batch < CLASSES or said.batch % CLASSES:
        parser.error(f"--batch {said.batch}: expected a multiple of {CLASSES}")
    sizes = TINY if card.quick else Sizes(PUBLISHED.vit, batch=said.batch)
    passed, line = tests(card)
    found = counts(card)
    with tf32(False):
        peaks = {precision: card.peak(precision) for precision in PRECISIONS}
        asked, apart = inference(card, sizes, peaks)
        speeds = [*asked, *training(card, sizes, peaks)]
    on = torch.cuda.get_device_name(card.device) if card.cuda else processor()
    title = f"{today()}{', tiny sizes, no results' if card.quick else ''}; {on}; torch {torch.__version__}, "
    title += f"CUDA {torch.version.cuda}; batch {sizes.batch}, median of {card.rounds}"
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(drawn(title, speeds, found))
    print("peaks: " + ", ".join(f"{name} {peak / 1e12:.4g} TFLOP/s" for name, peak in peaks.items()))
    print(f"largest difference of a logit from the plain way, float32: {apart:.1e}")
    print(f"tests on {card.name}: {line}")
    report = {
        "schema": "fsbench-gpu/1",
        "date": today(),
        "quick": card.quick,
        "device": on,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "batch": sizes.batch,
        "tests": {"passed": passed, "line": line},
        "counts": found,
        "peaks": peaks,
        "largest_difference_of_a_logit": apart,
        "speeds": [asdict(speed) for speed in speeds],
    }
    write_text(said.json, json.dumps(report, indent=1) + "\n")
    print(f"written: {said.json}")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
