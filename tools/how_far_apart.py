"""How far apart do numbers come out for one model on one data set, when only the protocol differs?

    python tools/how_far_apart.py --pascal pascal-5i --coco coco-20i --coco-fillpoly coco-20i-fillpoly-v1 --out results

evaluates ``prototype`` at 1 shot under every protocol that shows masks, under 20 seeds of ``hsnet``, and on COCO under
both mask rules, all in one process, so that features of photographs are kept. It goes on where it was stopped (records
lie under --out), prints the tables of docs/how-far-apart.md and draws its plot with --plot FILE.svg. A single row is
also ``fsbench evaluate -m prototype -b pascal-5i -k 1 --protocol P --seed S --draw-from present``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean, stdev

import fsbench
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.index.benchmark import open_benchmark
from fsbench.models.contract import Model
from fsbench.models.registry import load_model
from fsbench.records.record import Record

BINARY = (
    "fsbench-v1",
    "fsbench-v1-50",
    "hsnet",
    "hsnet@417",
    "hsnet@473",
    "hsnet@518",
    "pfenet@1000",
    "pfenet",
    "panet",
)
TOGETHER = ("fsbench-multi-v1", "fsbench-general-v1")
SEEDED, SEEDS = "hsnet", 20


def evaluate(model: Model, benchmark: str, protocol: str, out: Path, threads: int, seed: int = 0) -> list[Record]:
    """One record per run of the protocol."""
    return [
        fsbench.evaluate(
            model,
            benchmark,
            protocol=protocol,
            shots=1,
            seed=seed,
            run=run,
            draw_from="present",
            out=out,
            threads=threads,
            workers=1,
        )
        for run in range(PROTOCOLS[protocol].runs)
    ]


def row(label: str, records: list[Record]) -> str:
    """A Markdown row: episodes, mIoU per fold, mean, interval; for several runs their mean and deviation."""
    first = records[0]
    folds = [fmean(100 * (r.folds[f].miou or 0) for r in records) for f in first.benchmark.folds]
    means = [100 * r.miou for r in records if r.miou is not None]
    spread = f" ± {stdev(means):.1f}" if len(means) > 1 else ""
    episodes = sum(f.episodes for f in first.folds.values()) * len(records)
    low, high = first.ci95 or (0, 0)
    between = f"{100 * low:.1f}–{100 * high:.1f}" if len(records) == 1 else "-"
    cells = [label, str(episodes), *(f"{value:.1f}" for value in folds), f"**{fmean(means):.1f}**{spread}", between]
    return "| " + " | ".join(cells) + " |"


def agreement(a: str, b: str) -> str:
    """How alike the masks of two benchmarks with the same lists are, over the val pairs at hand."""
    first, second = open_benchmark(a), open_benchmark(b)
    both = either = pairs = 0
    for of_fold in first.lists.val.values():
        for sample, class_id in of_fold:
            if sample in first.present:
                x, y = first.truth(sample, class_id), second.truth(sample, class_id)
                compared = (x != 255) & (y != 255)
                both += int(((x == 1) & (y == 1) & compared).sum())
                either += int((((x == 1) | (y == 1)) & compared).sum())
                pairs += 1
    return f"IoU of the two kinds of masks, pooled over {pairs} pairs: {100 * both / either:.1f} %"


def heading(first: str, folds: int) -> str:
    """The two lines above Markdown rows."""
    names = [first, "episodes", *(f"fold {fold}" for fold in range(folds)), "mean", "95 % interval"]
    return "| " + " | ".join(names) + " |\n|" + "---|" * len(names)


def plot(path: Path, protocols: dict[str, list[Record]], seeds: list[float]) -> None:
    """Points with intervals, a row a protocol; beneath them the seeds of one protocol."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "fsbench"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 0.36 * (len(protocols) + 1) + 1.1), layout="constrained")
    labels = []
    for place, (name, records) in enumerate(protocols.items()):
        values = [100 * record.miou for record in records if record.miou is not None]
        middle = fmean(values)
        interval = records[0].ci95 if len(records) == 1 else None
        if interval is not None:
            axes.plot([100 * end for end in interval], [place, place], color="#8a94a6", linewidth=2, zorder=1)
        axes.plot(values, [place] * len(values), "o", color="#2458c5", markersize=4 if len(values) > 1 else 7, zorder=2)
        axes.annotate(f"{middle:.1f}", (middle, place), (0, 7), textcoords="offset points", ha="center", fontsize=8)
        labels.append(PROTOCOLS[name].title + (f", {len(values)} runs" if len(values) > 1 else ""))
    axes.plot(seeds, [len(protocols)] * len(seeds), "|", color="#b3541e", markersize=12)
    labels.append(f"{SEEDED}, {len(seeds)} seeds")
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("mIoU in %, mean over folds; line: 95 % interval over query images")
    axes.grid(axis="x", color="#e3e6eb")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)


def main() -> None:
    """Evaluate what is not yet evaluated, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pascal", help="a built PASCAL-5i")
    parser.add_argument("--coco", help="a built COCO-20i, union masks")
    parser.add_argument("--coco-fillpoly", help="the same, masks of fillpoly-v1")
    parser.add_argument("--out", type=Path, default=Path("results"), help="results folder")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--plot", type=Path, help="where to draw the plot, .svg or .png")
    said = parser.parse_args()
    model = load_model("prototype", {})
    if said.pascal:
        print(heading("protocol", 4))
        protocols = {}
        for name in BINARY:
            protocols[name] = evaluate(model, said.pascal, name, said.out, said.threads)
            print(row(PROTOCOLS[name].title, protocols[name]), flush=True)
        seeds = []
        for seed in range(SEEDS):
            (record,) = evaluate(model, said.pascal, SEEDED, said.out, said.threads, seed)
            seeds.append(100 * (record.miou or 0))
        listed = ", ".join(f"{value:.1f}" for value in seeds)
        print(f"\n{SEEDED}, seeds 0 to {SEEDS - 1}: {listed}")
        print(f"mean {fmean(seeds):.2f}, deviation {stdev(seeds):.2f}, from {min(seeds):.2f} to {max(seeds):.2f}\n")
        if said.plot:
            plot(said.plot, protocols, seeds)
        for name in TOGETHER:
            (record,) = evaluate(model, said.pascal, name, said.out, said.threads)
            others = ", ".join(f"{n} {100 * (s.score or 0):.1f}" for n, s in record.other.items())
            print(f"{name}: mIoU {100 * (record.miou or 0):.1f}, {others}", flush=True)
    if said.coco and said.coco_fillpoly:
        print("\n" + heading("masks", 4))
        for benchmark in (said.coco, said.coco_fillpoly):
            records = evaluate(model, benchmark, "fsbench-v1", said.out, said.threads)
            print(row(records[0].benchmark.mask_rule, records), flush=True)
        print("\n" + agreement(said.coco, said.coco_fillpoly))


if __name__ == "__main__":
    main()
