"""Names every measurement that got worse from one run of ``make bench`` to another.

    python -m benchmarks.compare OLD NEW [--worse 0.15]

Worse: a ratio that fell by more than 15 %, or a figure without a plain way that grew by more. A measurement of OLD that
NEW does not have is named too. Ends with 1 if anything is named, with 2 for a file that cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.measured import Measured, Ratio, Report, read_report
from fsbench.errors import FsbenchError


def worse_by(old: Measured, new: Measured) -> float:
    """By which part of the old figure the new one is worse; negative where it is better.

    >>> old, new = (Ratio(name="a", ours=1, plain=plain, unit="s") for plain in (4, 3))
    >>> worse_by(old, new)
    0.25
    """
    if isinstance(old, Ratio) and isinstance(new, Ratio):
        return 1 - new.ratio / old.ratio
    return new.ours / old.ours - 1


def figure(one: Measured) -> str:
    """The figure that is compared, in words."""
    return f"{one.ratio:.2f} times as fast" if isinstance(one, Ratio) else f"{one.ours:.4g} {one.unit}"


def complaints(old: Report, new: Report, most: float) -> list[str]:
    """A line for every measurement of ``old`` that is missing in ``new``, or worse there by more than ``most``."""
    lines = []
    for module, measured in old.measured.items():
        now = {one.name: one for one in new.measured.get(module, [])}
        reason = new.failed.get(module) or new.skipped.get(module) or "not measured"
        for one in measured:
            other = now.get(one.name)
            if other is None or (other.kind, other.unit) != (one.kind, one.unit):
                lines.append(f"{module}: {one.name}: missing ({reason})")
            elif (by := worse_by(one, other)) > most:
                lines.append(f"{module}: {one.name}: {figure(one)} -> {figure(other)}, {by:.0%} worse")
    return lines


def differences(old: Report, new: Report) -> list[str]:
    """A line for every way in which the runs themselves differ."""
    then, now = dict(old.machine), dict(new.machine)
    lines = [f"another {name}: {then[name]} -> {now[name]}" for name in then if then[name] != now[name]]
    for which, report in (("OLD", old), ("NEW", new)):
        if report.quick:
            lines.append(f"{which} is a --quick run: its figures are no results")
    return lines


def main() -> int:
    """Read, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--worse", type=float, default=0.15, help="part of the old figure; default 0.15")
    said = parser.parse_args()
    try:
        old, new = read_report(said.old), read_report(said.new)
    except FsbenchError as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        return error.exit_code
    for line in differences(old, new):
        print(f"note: {line}")
    found = complaints(old, new, said.worse)
    print("\n".join(found) if found else f"nothing got more than {said.worse:.0%} worse")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
