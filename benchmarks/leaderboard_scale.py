"""The leaderboard at scale: 2,000 records on one board and 200 on others, built (60 s, 2 GiB), a page sorted (100 ms).

    python -m benchmarks.leaderboard_scale --folder FOLDER [--records 2000] [--browser]

Writes made-up records to FOLDER/results, where there are none yet, then times ``fsbench leaderboard build`` as a child
process: seconds of wall time and the most memory it held. With ``--browser`` the page with the large board is opened
in Chromium, and every heading of the board is clicked twice: milliseconds from the click to the end of the layout.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.made_up_records import LARGE, write_records
from benchmarks.measured import Limit, Measured
from leaderboard.site.pages import benchmark_path

GOAL_SECONDS, GOAL_MIB, GOAL_MS = 60, 2048, 100


def write(results: Path, records: int) -> int:
    """Write made-up records in a process of its own; gives their number."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        return apart.submit(write_records, results, records).result()


def measure(quick: bool = False) -> list[Measured]:
    """The site of 2,200 records."""
    with TemporaryDirectory() as folder:
        results, site = Path(folder) / "results", Path(folder) / "site"
        number = write(results, 20 if quick else 2000)
        seconds, most = time_build(results, site)
    note = f"of {number} records"
    return [
        Limit(name="leaderboard, the site built", ours=seconds, unit="s", limit=GOAL_SECONDS, note=note),
        Limit(name="leaderboard, memory", ours=most, unit="MiB", limit=GOAL_MIB, note=note),
    ]


def time_build(results: Path, site: Path) -> tuple[float, float]:
    """Build the site in a child process; seconds, and the most memory that it held, MiB; ends the run if it fails."""
    shutil.rmtree(site, ignore_errors=True)
    command = [sys.executable, "-m", "fsbench", "leaderboard", "build", str(results), "--out", str(site)]
    began = time.perf_counter()
    _, status, usage = os.wait4(subprocess.Popen(command).pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"{' '.join(command)}: exit {os.waitstatus_to_exitcode(status)}")
    most = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    files = [path.stat().st_size for path in site.rglob("*") if path.is_file()]
    print(f"built {len(files)} files, {sum(files) / 2**20:.0f} MiB, in {seconds:.1f} s (goal: {GOAL_SECONDS} s)")
    print(f"most memory held: {most:.0f} MiB (goal: {GOAL_MIB} MiB)")
    return seconds, most


SORT = """() => {
    const tables = [...document.querySelectorAll("table.board")];
    const table = tables.reduce((a, b) => (a.rows.length < b.rows.length ? b : a));
    const rows = () => [...table.tBodies].flatMap((body) => [...body.rows]);
    const order = () => rows().map((row) => row.textContent).join();
    return {rows: rows().length, clicks: [...table.querySelectorAll("th button")].flatMap((button) =>
        [1, 2].map(() => {
            const before = order();
            const began = performance.now();
            button.click();
            table.offsetHeight;
            document.body.getBoundingClientRect();
            const ms = performance.now() - began;
            return {name: button.textContent.trim(), ms, moved: order() !== before};
        })
    )};
}"""
"""Clicks every heading of the largest board twice; reading a height makes the browser lay the page out at once."""


def time_sorting(page: Path) -> None:
    """Sort the largest board of a page by every column, in Chromium, and print what it took."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium on the PATH: install it, or leave --browser out")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        tab = browser.new_page()
        began = time.perf_counter()
        tab.goto(page.resolve().as_uri())
        print(f"{page.name}, {page.stat().st_size / 2**20:.1f} MiB, opened in {time.perf_counter() - began:.1f} s")
        found = tab.evaluate(SORT)
        browser.close()
    clicks = sorted(found["clicks"], key=lambda click: click["ms"])
    if not any(click["moved"] for click in clicks):
        sys.exit(f"{page}: no click on a heading changed the order of the rows")
    middle, worst = clicks[len(clicks) // 2], clicks[-1]
    print(
        f"{found['rows']} rows sorted in {middle['ms']:.0f} ms (median of {len(clicks)} clicks), "
        f"{worst['ms']:.0f} ms at worst, by {worst['name']!r} (goal: {GOAL_MS} ms)"
    )


def main() -> None:
    """Write the records where there are none, then time the site and its largest page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--write-only", action="store_true", help="write the records and time nothing")
    said = parser.parse_args()
    results, site = said.folder / "results", said.folder / "site"
    if not results.exists():
        began = time.perf_counter()
        written = write(results, said.records)
        size = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
        print(f"wrote {written} records, {size / 2**30:.2f} GiB, in {time.perf_counter() - began:.0f} s", flush=True)
    if not said.write_only:
        time_build(results, site)
        if said.browser:
            time_sorting(site / benchmark_path(LARGE[0]))


if __name__ == "__main__":
    main()
