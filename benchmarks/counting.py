"""Counting one episode: ours, torchmetrics, and the field's own way, timed side by side in one run.

Run ``python -m benchmarks.counting [--size 400] [--repetitions 300]``. One thread; every repetition gives every
contender one untimed and one timed turn, so that what else the machine does, and what the one before left in the
caches, falls on all alike; medians. All contenders see the same masks with void pixels, each in the type that it
takes without a conversion, and must agree with one another before anything is timed.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
from torchmetrics.classification import BinaryJaccardIndex, MulticlassJaccardIndex

from benchmarks.measured import Measured, Ratio
from fsbench.records.environment import processor
from fsbench.scoring.metrics import VOID, Accumulator, count

OURS = "fsbench count + Accumulator.update"
BINARY = "torchmetrics BinaryJaccardIndex.update"
BINARY_TRUSTING = "torchmetrics BinaryJaccardIndex.update, validate_args=False"
HSNET = "HSNet-style histc, float32"
FLOORS = {BINARY: 20.0, BINARY_TRUSTING: 15.0, HSNET: 15.0}
"""How many times as fast as these ours has to be."""


class HsnetStyle:
    """The buffers of HSNet's ``Evaluator`` and ``AverageMeter``, in outline: ``torch.histc`` into float32."""

    def __init__(self, n_classes: int) -> None:
        self.intersection = torch.zeros(2, n_classes)
        self.union = torch.zeros(2, n_classes)

    def update(self, prediction: torch.Tensor, truth: torch.Tensor, class_id: int) -> None:
        prediction = prediction.clone()
        prediction[truth == VOID] = VOID
        both = prediction[prediction == truth]
        intersection = torch.histc(both, bins=2, min=0, max=1) if both.numel() else torch.zeros(2)
        areas = torch.histc(prediction, bins=2, min=0, max=1) + torch.histc(truth, bins=2, min=0, max=1)
        self.intersection[:, class_id] += intersection
        self.union[:, class_id] += areas - intersection


def contenders(prediction: np.ndarray, truth: np.ndarray) -> tuple[dict[str, Callable[[], object]], str]:
    """What is timed, by name, each one update with one episode; and what they agreed on."""
    ours = Accumulator([0], "drop")
    bool_prediction, byte_truth = torch.from_numpy(prediction), torch.from_numpy(truth)
    long_prediction, long_truth = bool_prediction.long(), byte_truth.long()
    float_prediction, float_truth = bool_prediction.float(), byte_truth.float()
    binary = BinaryJaccardIndex(ignore_index=VOID)
    binary_trusting = BinaryJaccardIndex(ignore_index=VOID, validate_args=False)
    multiclass = MulticlassJaccardIndex(num_classes=2, ignore_index=VOID, average=None)
    hsnet = HsnetStyle(1)
    timed: dict[str, Callable[[], object]] = {
        OURS: lambda: ours.update(0, count(prediction, truth)),
        "fsbench count alone": lambda: count(prediction, truth),
        BINARY: lambda: binary.update(bool_prediction, long_truth),
        BINARY_TRUSTING: lambda: binary_trusting.update(bool_prediction, long_truth),
        "torchmetrics MulticlassJaccardIndex.update": lambda: multiclass.update(long_prediction, long_truth),
        HSNET: lambda: hsnet.update(float_prediction, float_truth, 0),
    }
    for run in timed.values():
        run()
    iou = ours.compute().classes[0].iou
    assert iou is not None
    others = (
        float(binary.compute()),
        float(binary_trusting.compute()),
        float(multiclass.compute()[1]),
        float(hsnet.intersection[1, 0] / hsnet.union[1, 0]),
    )
    if not all(abs(iou - other) < 1e-6 for other in others):
        raise SystemExit(f"the contenders disagree: ours {iou}, the others {others}")
    return timed, f"all agree on IoU {iou:.6f}"


def environment() -> str:
    """Versions and processor, in one line."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "torchmetrics"))
    return f"Python {platform.python_version()}, {libraries}; {processor()}; 1 thread"


def in_turns(size: int, repetitions: int) -> tuple[dict[str, float], str]:
    """Median seconds of an update by contender, and what they agreed on, for one episode of ``size`` x ``size``."""
    torch.set_num_threads(1)
    source = np.random.default_rng(0)
    shape = (size, size)
    truth = (source.random(shape) < 0.3).astype(np.uint8)
    truth[source.random(shape) < 0.05] = VOID
    timed, agreed = contenders(source.random(shape) < 0.3, truth)
    times: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(repetitions):
        for name, run in timed.items():
            run()
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}, agreed


def measure(quick: bool = False) -> list[Measured]:
    """Against the field's ways, on one thread."""
    medians, _ = in_turns(64 if quick else 400, 5 if quick else 300)
    return [
        Ratio(name=f"counting, {name}", ours=1e3 * medians[OURS], plain=1e3 * medians[name], unit="ms", floor=floor)
        for name, floor in FLOORS.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--repetitions", type=int, default=300)
    options = parser.parse_args()
    medians, agreed = in_turns(options.size, options.repetitions)
    print(environment())
    print(f"one {options.size} x {options.size} episode, 5 % void, median of {options.repetitions}; {agreed}")
    for name, median in medians.items():
        print(f"{name:60s} {median * 1e3:8.3f} ms {median / medians[OURS]:7.1f} x")


if __name__ == "__main__":
    main()
