"""Fusioner the plain way, as released, and ours: seconds and memory side by side in one run, and the floor.

Run ``python -m benchmarks.fusioner_speed [--rounds 3] [--threads 2]``: three to four minutes on two cores. Shapes of
CLIP ViT-L/14 at 224 px with the paper's fusion (12 blocks of width 512), random weights, float32. Plain: the encoder
runs for every (image, class), attention is spelled out, cosine similarity is taken on 512-channel maps of the target
size (``tests/fusioner/naive_fusioner.py``). Peaks of memory are those of whole processes that do one training step
each. Every round gives every contender one turn; ratios are of medians, of seconds on the clock and of processors' time
(which tells more where others are at work: their number is printed first). All must agree before anything is said.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch loads: threads that wait take no CPU time

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measured import Measured, Ratio
from fsbench.records.environment import processor
from fsbench.training.precision import autocast
from fusioner.fusion import FusionConfig
from fusioner.model import Fusioner
from tests.fusioner import naive_fusioner as naive

BATCH = 4
GRID, TARGET = (16, 16), (224, 224)
CONFIG = FusionConfig(visual_dim=768, text_dim=768)


@dataclass(frozen=True)
class Sizes:
    """A timm ``vit`` with random weights, whose tokens lie on ``grid``, and a Fusioner on them; by default CLIP's."""

    vit: str = "vit_large_patch14_clip_224"
    config: FusionConfig = CONFIG
    grid: tuple[int, int] = GRID
    target: tuple[int, int] = TARGET
    batch: int = BATCH


PUBLISHED = Sizes()
TOLERANCE = 1e-4
STEP_GOAL, EXACT_GOAL, JOINT_GOAL, MEMORY_GOAL = 1.5, 2.0, 3.5, 0.6
PLAIN_ENCODER = "plain: encoder, 4 images"
PLAIN_REST = "plain: the rest, 4 (image, class)"
EXACT = "ours: all, 4 classes of an image, exact"
JOINT = "ours: all, 4 classes of an image, joint"
PLAIN_STEP = "plain: training step beyond the encoder"
OUR_STEP = "ours: training step, kept features"
RATIOS = (
    ("training step", (PLAIN_ENCODER, PLAIN_STEP), OUR_STEP, STEP_GOAL),
    ("training step, without the plain one's encoder", (PLAIN_STEP,), OUR_STEP, STEP_GOAL),
    ("four classes of one image, exact", (PLAIN_ENCODER, PLAIN_REST), EXACT, EXACT_GOAL),
    ("four classes of one image, joint", (PLAIN_ENCODER, PLAIN_REST), JOINT, JOINT_GOAL),
)
"""Name, the parts of the plain way, ours, and how many times as fast ours has to be."""
NOISE = 1e-2
"""What float32 does to gradients here: the plain way is as far from itself in float64. Tests compare in float64."""
CANCELLED = {f"decoder.conv_{stage}.bias" for stage in range(4)}
"""Biases that an instance norm takes away: their gradients are 0, and rounding in the plain way."""


class Encoder:
    """A frozen ViT, by default ViT-L/14: B x 3 x 224 x 224 -> B x 256 x 768, normalised."""

    def __init__(self, sizes: Sizes = PUBLISHED, device: str = "cpu") -> None:
        with torch.device("meta"):
            vit = timm.create_model(sizes.vit, num_classes=sizes.config.visual_dim)
        self.vit: nn.Module = vit.to_empty(device="cpu").eval().requires_grad_(False)
        draw = torch.Generator().manual_seed(0)
        for parameter in self.vit.parameters():
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, 0.02, generator=draw)
        self.vit.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        tokens = self.vit.forward_features(images)[:, 1:]
        return functional.normalize(self.vit.head(tokens), dim=-1)


class Step:
    """One training step, the published optimisers (AdamW on fusion, Adam on the decoder), of either way."""

    def __init__(self, ours: bool, sizes: Sizes = PUBLISHED, device: str = "cpu", precision: str = "float32") -> None:
        self.model = Fusioner(sizes.config).train().to(device)
        self.ours, self.sizes, self.autocast = ours, sizes, autocast(precision, torch.device(device))
        fusion, decoder = self.model.fusion.parameters(), self.model.decoder.parameters()
        self.optimisers = [torch.optim.AdamW(fusion, lr=1e-3), torch.optim.Adam(decoder, lr=1e-3)]
        truth = torch.rand((sizes.batch, 1, *sizes.target), generator=torch.Generator().manual_seed(1)).round()
        self.truth = truth.to(device)

    def gradients(self, visual: Tensor, text: Tensor) -> Tensor:
        """Forward and backward; gives the loss."""
        with self.autocast:
            if self.ours:
                logits = self.model(visual, text, self.sizes.grid, self.sizes.target)
            else:
                logits = plain(dict(self.model.named_parameters()), visual, text, self.sizes)
        loss = functional.binary_cross_entropy_with_logits(logits.float(), self.truth)
        loss.backward()
        return loss.detach()

    def __call__(self, visual: Tensor, text: Tensor) -> None:
        self.gradients(visual, text)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()


def plain(weights: naive.Weights, visual: Tensor, text: Tensor, sizes: Sizes = PUBLISHED) -> Tensor:
    """Logits the plain way."""
    return naive.outputs(weights, visual, text, sizes.grid, sizes.target, sizes.config.heads)["logits"]


def inputs(sizes: Sizes = PUBLISHED, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Images B x 3 x 224 x 224 and text features B x 1 x 768, normalised."""
    draw = torch.Generator().manual_seed(2)
    images = torch.randn((sizes.batch, 3, *sizes.target), generator=draw)
    text = functional.normalize(torch.randn((sizes.batch, 1, sizes.config.text_dim), generator=draw), dim=-1)
    return images.to(device), text.to(device)


def one_step(way: str) -> None:
    """A process of its own: one training step, then print the peak of its memory in bytes."""
    images, text = inputs()
    if way == "plain":
        encoder, step = Encoder(), Step(ours=False)
        step(encoder(images), text)
    else:
        draw = torch.Generator().manual_seed(3)
        Step(ours=True)(
            functional.normalize(torch.randn((BATCH, 256, CONFIG.visual_dim), generator=draw), dim=-1), text
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak * (1 if sys.platform == "darwin" else 1024))


def peak_memory(way: str, threads: int) -> int:
    """Bytes."""
    command = [sys.executable, "-m", "benchmarks.fusioner_speed", "--threads", str(threads), "--one-step", way]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@dataclass(frozen=True)
class Took:
    """Seconds on the clock, and seconds that processors worked for this process: others' load moves only the first."""

    clock: float
    cpu: float


def took(run: Callable[[], object]) -> Took:
    """Of one call."""
    clock, cpu = time.perf_counter(), time.process_time()
    run()
    return Took(time.perf_counter() - clock, time.process_time() - cpu)


def agree(what: str, ours: Tensor, plain: Tensor, allowed: float = TOLERANCE) -> None:
    """Print how far apart they are, or end the run."""
    difference = float((ours - plain).abs().max())
    print(f"  {what}: {difference:.1e}")
    if not difference <= allowed:
        raise SystemExit(f"{what} differs by {difference:.2e}, above {allowed:.2e}")


def agree_on_gradients(plain_step: Step, our_step: Step) -> None:
    """The gradients of all parameters, each relative to its largest entry."""
    worst = 0.0
    pairs = zip(plain_step.model.named_parameters(), our_step.model.parameters(), strict=True)
    for (name, theirs), mine in pairs:
        assert theirs.grad is not None
        assert mine.grad is not None
        if name not in CANCELLED:
            worst = max(worst, float((theirs.grad - mine.grad).abs().max() / theirs.grad.abs().max()))
    agree("gradients, each relative to its parameter's largest", torch.tensor(worst), torch.zeros(()), NOISE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one-step", choices=("plain", "ours"), help="only this; prints the peak of memory in bytes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one_step:
        one_step(options.one_step)
        return
    print(f"Python {platform.python_version()}, torch {torch.__version__}, timm {timm.__version__}; {processor()}")
    report(*in_turns(options.rounds, options.threads))


def measure(quick: bool = False) -> list[Measured]:
    """Ratios of seconds on the clock with two threads, and of the peaks of memory."""
    torch.set_num_threads(2)
    medians, _, _, memory = in_turns(rounds=1 if quick else 3, threads=2)
    note = "encoder per class, 512-channel maps, attention spelled out, as released"
    measured: list[Measured] = [
        Ratio(
            name=f"Fusioner, {name}",
            ours=medians[ours].clock,
            plain=sum(medians[part].clock for part in plainly),
            unit="s",
            floor=goal,
            note=note,
        )
        for name, plainly, ours, goal in RATIOS
    ]
    ours, plainly = (memory[way] / 2**20 for way in ("ours", "plain"))
    name = "Fusioner, memory of a training step"
    return [*measured, Ratio(name=name, ours=ours, plain=plainly, unit="MiB", floor=1 / MEMORY_GOAL, note=note)]


Compared = tuple[dict[str, Took], dict[str, int], float, dict[str, int]]
"""Medians by name, multiplications by name, the best product's FLOP/s, bytes by way."""


def in_turns(rounds: int, threads: int) -> Compared:
    """Time all ways in turns, after they have agreed."""
    load = f"{os.getloadavg()[0]:.1f} processes at work before on {os.cpu_count()} cores"
    print(f"{threads} threads, float32, batch {BATCH}, median of {rounds}; {load}")
    memory = {way: peak_memory(way, threads) for way in ("plain", "ours")}
    encoder, plain_step, our_step = Encoder(), Step(ours=False), Step(ours=True)
    model = Fusioner(CONFIG).eval()
    weights = dict(model.state_dict())
    images, text = inputs()
    kept = encoder(images)
    copies = kept[:1].expand(BATCH, -1, -1)
    of_classes = text.transpose(0, 1)  # the same four names, asked of one image
    runs: dict[str, Callable[[], Tensor]] = {
        PLAIN_ENCODER: lambda: encoder(images),
        PLAIN_REST: lambda: plain(weights, copies, text),
        EXACT: lambda: model(encoder(images[:1]), of_classes, GRID, TARGET),
        JOINT: lambda: model.joint(encoder(images[:1]), of_classes, GRID, TARGET),
        PLAIN_STEP: lambda: plain_step.gradients(kept, text),
        OUR_STEP: lambda: our_step.gradients(kept, text),
    }
    flops, given = {}, {}
    for name, run in runs.items():
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(name in (PLAIN_STEP, OUR_STEP)):
            given[name] = run()
        flops[name] = counter.get_total_flops()
    with torch.no_grad():
        together = plain(weights, kept[:1], of_classes)
    print("largest differences from the plain way")
    agree("logits of four classes, exact", given[EXACT][0], given[PLAIN_REST][:, 0])
    agree("logits of four classes, joint", given[JOINT], together)
    agree("loss", given[OUR_STEP], given[PLAIN_STEP])
    agree_on_gradients(plain_step, our_step)

    timed: dict[str, Callable[[], object]] = dict(runs)
    timed |= {PLAIN_STEP: lambda: plain_step(kept, text), OUR_STEP: lambda: our_step(kept, text)}
    square = torch.randn((2048, 2048), generator=torch.Generator().manual_seed(4))
    times: dict[str, list[Took]] = {name: [] for name in timed}
    peak = 0.0
    for _ in range(rounds):
        for name, run_whole in timed.items():
            with torch.set_grad_enabled(name in (PLAIN_STEP, OUR_STEP)):
                peak = max(peak, 2 * 2048**3 / took(lambda: square @ square).clock)
                times[name].append(took(run_whole))
    medians = {
        name: Took(statistics.median(one.clock for one in of), statistics.median(one.cpu for one in of))
        for name, of in times.items()
    }
    return medians, flops, peak, memory


def report(median: dict[str, Took], flops: dict[str, int], peak: float, memory: dict[str, int]) -> None:
    """Print seconds, multiplications, floors, ratios, memory."""
    print(f"\nfloor: all multiplications at {peak / 1e9:.0f} GFLOP/s, this run's best product of 2048 x 2048 matrices")
    print(f"{'':46s} {'s':>7s} {'CPU s':>7s} {'GFLOP':>7s} {'floor s':>8s} {'floor / s':>10s}")
    for name, counted in flops.items():
        floor, of = counted / peak, median[name]
        print(f"{name:46s} {of.clock:7.2f} {of.cpu:7.2f} {counted / 1e9:7.0f} {floor:8.2f} {floor / of.clock:10.0%}")
    print(f"\n{'times as fast as the plain way':46s} {'clock':>7s} {'CPU':>7s}")
    for name, plainly, ours, goal in RATIOS:
        clock = sum(median[part].clock for part in plainly) / median[ours].clock
        cpu = sum(median[part].cpu for part in plainly) / median[ours].cpu
        print(f"{name:46s} {clock:7.2f} {cpu:7.2f}  goal {goal}: {'met' if clock >= goal else 'NOT met'}")
    share = memory["ours"] / memory["plain"]
    sizes = " / ".join(f"{memory[way] / 1e9:.2f} GB" for way in ("ours", "plain"))
    met = "met" if share <= MEMORY_GOAL else "NOT met"
    print(f"{'peak memory of a process, one training step':46s} {share:7.2f} of it: {sizes}; goal {MEMORY_GOAL}: {met}")


if __name__ == "__main__":
    main()
