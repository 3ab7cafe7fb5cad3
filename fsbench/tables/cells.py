"""The look of the tables, and their cells: scores in %, intervals, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def plain_table(title: str, *columns: str) -> Table:
    """An empty table under a bold title: the first column to the left, numbers to the right, nothing wrapped."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(title) or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False
    )
    for place, name in enumerate(columns):
        table.add_column(escape(name), justify="right" if place else "left", no_wrap=True)
    return table


def percent(value: float | None, form: str = ".1f") -> str:
    """A score of 0 to 1 in %, as ``form`` formats it; ``-`` for none."""
    return "-" if value is None else f"{100 * value:{form}}"


def score_text(value: float | None, interval: tuple[float, float] | None, style: str = "", form: str = ".1f") -> str:
    """A score in %, its interval beneath."""
    text = percent(value, form)
    text = f"[{style}]{text}[/]" if style and value is not None else text
    return text if interval is None else f"{text}\n[dim]{100 * interval[0]:{form}}–{100 * interval[1]:{form}}[/]"


def parameters_text(number: int | None) -> str:
    """A number of parameters, ? for an unknown one."""
    if number is None:
        return "?"
    return f"{number / 1e6:.1f} M" if number >= 100_000 else str(number)
