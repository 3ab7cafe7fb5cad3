"""Draws the rooms of ``fsbench/`` and its siblings from their imports: ``docs/rooms.svg``, in ``docs/architecture.md``.

    python tools/draw_rooms.py docs/rooms.svg

A room is above all that it imports; an arrow that follows from others is left out. The text in a box is the first line
of the room's docstring. ``tests/test_house.py`` fails where the drawing is not of the imports.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from textwrap import wrap
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
SIBLINGS = ("mosaic4", "baselines", "fusioner", "leaderboard")
WIDTH, HEIGHT, GAP, RISE, MARGIN = 196, 84, 22, 46, 24
FONT = "font-family='system-ui, sans-serif'"


def room_of(module: str) -> str | None:
    """The room that a module belongs to; None for the ground, which every room may use, and for other packages."""
    package, _, rest = module.partition(".")
    if package in SIBLINGS:
        return package
    room = rest.split(".")[0]
    return room if package == "fsbench" and (ROOT / "fsbench" / room / "__init__.py").is_file() and room else None


def rooms() -> dict[str, set[str]]:
    """Room -> the rooms that it imports when it is loaded or called."""
    found: dict[str, set[str]] = {}
    for path in sorted(p for package in ("fsbench", *SIBLINGS) for p in (ROOT / package).rglob("*.py")):
        here = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        if here is None:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        found.setdefault(here, set()).update(room for room in map(room_of, modules) if room not in (None, here))
    found["records"].discard("tables")  # made when it is called: print(record) draws the table
    return found


def floors(arrows: dict[str, set[str]]) -> dict[str, int]:
    """Room -> how many floors of rooms are beneath it."""
    height: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in height:
            height[room] = 1 + max((of(other) for other in sorted(arrows[room])), default=-1)
        return height[room]

    return {room: of(room) for room in arrows}


def reduced(arrows: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that follow from no others."""
    reach: dict[str, set[str]] = {}
    for room in sorted(arrows, key=floors(arrows).__getitem__):
        reach[room] = set().union(*({other} | reach[other] for other in arrows[room]))
    return [
        (room, other)
        for room in sorted(arrows)
        for other in sorted(arrows[room])
        if not any(other in reach[between] for between in arrows[room] - {other})
    ]


def drawing() -> str:
    """The SVG."""
    arrows = rooms()
    height = floors(arrows)
    rows = [sorted(room for room in arrows if height[room] == floor) for floor in range(max(height.values()) + 1)]
    across = max(map(len, rows)) * (WIDTH + GAP) - GAP
    full = len(rows) * (HEIGHT + RISE) - RISE + 2 * MARGIN
    place: dict[str, tuple[float, float]] = {}
    for floor, row in enumerate(reversed(rows)):
        left = MARGIN + (across - len(row) * (WIDTH + GAP) + GAP) / 2
        for column, room in enumerate(row):
            place[room] = left + column * (WIDTH + GAP), MARGIN + floor * (HEIGHT + RISE)
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {across + 2 * MARGIN} {full}' role='img' "
        "aria-label='Rooms of fsbench and what they import'>",
        "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
        "<path d='M0 0 8 4 0 8z' fill='#6b7280'/></marker></defs>",
        "<rect width='100%' height='100%' fill='#ffffff'/>",
    ]
    for room, other in reduced(arrows):
        (x1, y1), (x2, y2) = place[room], place[other]
        x1, y1, x2 = x1 + WIDTH / 2, y1 + HEIGHT, x2 + WIDTH / 2
        bend = (y2 - y1) / 2
        lines.append(
            f"<path d='M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}' "
            "fill='none' stroke='#6b7280' stroke-width='1.3' marker-end='url(#tip)'/>"
        )
    for room, (x, y) in place.items():
        sibling = room in SIBLINGS
        folder = ROOT / room if sibling else ROOT / "fsbench" / room
        about = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
        fill, edge = ("#fff7e6", "#b7791f") if sibling else ("#eef4fb", "#2b6cb0")
        lines.append(
            f"<rect x='{x:.0f}' y='{y:.0f}' width='{WIDTH}' height='{HEIGHT}' rx='7' fill='{fill}' stroke='{edge}'/>"
            f"<text x='{x + 12:.0f}' y='{y + 22:.0f}' {FONT} font-size='15' font-weight='600'>{room}/</text>"
        )
        summary = about.partition("\n")[0].removeprefix(f"{room}: ")
        for number, line in enumerate(wrap(summary.replace("``", ""), 30)[:3]):
            lines.append(
                f"<text x='{x + 12:.0f}' y='{y + 40 + 15 * number:.0f}' {FONT} font-size='11' fill='#374151'>"
                f"{escape(line)}</text>"
            )
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(drawing(), encoding="utf-8")
