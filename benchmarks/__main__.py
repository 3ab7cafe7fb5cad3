"""All measurements, one module after the other, each in a process of its own: one table, and ``bench.json``.

    python -m benchmarks [--only MODULE]... [--quick] [--json FILE] [--data FOLDER]

What a module does not print on its own is shown where it fails. Ends with 1 if a module failed, or, at full sizes, if
a promise is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.measured import ROOT, Limit, Measured, Report, machine, today, write_report
from benchmarks.run_module import Outcome
from fsbench.errors import FsbenchError
from fsbench.io.typed_json import read_typed

MODULES = (
    "counting",
    "decoding",
    "engine",
    "coco_episodes",
    "scaling",
    "png_checksums",
    "mask_reading",
    "list_rebuild",
    "coco_full_size",
    "mosaic4_compose",
    "mosaic4_export",
    "fusioner_speed",
    "full_size_scores",
    "leaderboard_scale",
)
"""In the order in which they are run; every module of this package that has ``measure`` is here."""


def run(module: str, quick: bool) -> Outcome:
    """What a module measured in a process of its own, or why it did not."""
    with TemporaryDirectory() as folder:
        written = Path(folder) / "outcome.json"
        command = [sys.executable, "-m", "benchmarks.run_module", module, str(written), *(["--quick"] if quick else [])]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.stderr.write(done.stdout)
            last = (done.stdout.split("\n")[:-1] or ["it said nothing"])[-1]
            return Outcome(failed=f"exit {done.returncode}: {last}")
        return read_typed(written, Outcome, "what a module measured", "run it again")


def drawn(report: Report) -> Table:
    """The table of a run, which Markdown reads too."""
    sizes = "small sizes, no results" if report.quick else "full sizes"
    on = report.machine
    table = Table(
        box=box.MARKDOWN,
        title=f"{report.date}, {sizes}; {on.processor}, {on.cores} cores, load {report.load:.1f}\n"
        f"Python {on.python}, torch {on.torch}, numpy {on.numpy}, Pillow {on.pillow}",
    )
    table.add_column("measurement", overflow="fold")
    for column in ("ours", "plain way", "times as fast", "promised"):
        table.add_column(column, justify="right")
    for module, measured in report.measured.items():
        for one in measured:
            table.add_row(*cells(one, judged=not report.quick))
        if reason := report.skipped.get(module):
            table.add_row(escape(f"{module}: {reason}: skipped"), style="dim")
        if reason := report.failed.get(module):
            table.add_row(escape(f"{module}: FAILED: {reason}"), style="red")
    return table


def cells(one: Measured, judged: bool) -> tuple[str, ...]:
    """A row; where it is judged, a promise that is missed says so."""
    ours = f"{one.ours:.4g} {one.unit}"
    missed = "" if one.met or not judged else " [red]MISSED[/red]"
    if isinstance(one, Limit):
        promised = "" if one.limit is None else f"<= {one.limit:.4g} {one.unit}{missed}"
        return escape(one.name), ours, "", "", promised
    promised = "" if one.floor is None else f">= {one.floor:.3g}{missed}"
    return escape(one.name), ours, f"{one.plain:.4g} {one.unit}", f"{one.ratio:.2f}", promised


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=MODULES, metavar="MODULE", help=", ".join(MODULES))
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it: the figures are no results")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="real data; default FSBENCH_DATA, ../shared/data")
    said = parser.parse_args()
    if said.data is not None:
        os.environ["FSBENCH_DATA"] = str(said.data.absolute())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    outcomes: dict[str, Outcome] = {}
    for module in said.only or MODULES:
        began = time.perf_counter()
        outcomes[module] = run(module, said.quick)
        print(f"{module}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    report = Report(
        date=today(),
        quick=said.quick,
        load=load,
        machine=machine(),
        measured={module: outcome.measured for module, outcome in outcomes.items()},
        skipped={module: outcome.skipped for module, outcome in outcomes.items() if outcome.skipped},
        failed={module: outcome.failed for module, outcome in outcomes.items() if outcome.failed},
    )
    console = Console() if sys.stdout.isatty() else Console(width=140)
    console.print(drawn(report))
    try:
        write_report(said.json, report)
    except FsbenchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"written: {said.json}; compare two: python -m benchmarks.compare OLD NEW")
    missed = [one for measured in report.measured.values() for one in measured if not one.met]
    return int(bool(report.failed) or (bool(missed) and not said.quick))


if __name__ == "__main__":
    sys.exit(main())
