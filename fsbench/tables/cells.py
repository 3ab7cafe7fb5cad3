"""Cells of the tables: scores in %, intervals, parameters."""

from __future__ import annotations


def percent(value: float | None) -> str:
    """A score of 0 to 1 in %, ``-`` for none."""
    return "-" if value is None else f"{100 * value:.1f}"


def score_text(value: float | None, interval: tuple[float, float] | None, style: str = "") -> str:
    """A score in %, its interval beneath."""
    said = f"[{style}]{percent(value)}[/]" if style and value is not None else percent(value)
    return said if interval is None else f"{said}\n[dim]{100 * interval[0]:.1f}–{100 * interval[1]:.1f}[/]"


def parameters_text(number: int | None) -> str:
    """A number of parameters, ? for an unknown one."""
    if number is None:
        return "?"
    return f"{number / 1e6:.1f} M" if number >= 100_000 else str(number)
