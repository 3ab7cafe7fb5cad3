"""``fsbench leaderboard diff``: what a re-submission changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaderboard.text import visible

if TYPE_CHECKING:
    from leaderboard.diff import Change, RecordDiff

EXAMPLE = "Example: fsbench leaderboard diff before/prototype results/prototype"

COUNTS = "query image class intersection predicted truth valid -> the same, now"


def diff(
    old: Annotated[Path, typer.Argument(help="A record.json, its folder, or a folder of records.")],
    new: Annotated[Path, typer.Argument(help="The same, resubmitted.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """What changed from OLD to NEW: card, environment, digests, scores, counts. Exit 0 whether or not anything did."""
    import json
    from dataclasses import asdict

    from leaderboard.diff import diff as compared

    found = compared(old, new)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
        return
    lines = [f"removed {visible(place)}" for place in found.removed]
    lines += [f"added   {visible(place)}" for place in found.added]
    for record in found.records:
        lines += [f"same    {visible(record.place)}"] if record.same else _changed(record)
    for line in lines:
        typer.echo(line)


def _changed(record: RecordDiff) -> list[str]:
    lines = [f"changed {visible(record.place)}"]
    lines += [_line(change, _text) for change in record.fields]
    lines += [_line(change, _percent) for change in record.scores]
    for fold in record.episodes:
        lines.append(f"  fold {visible(fold.fold)}: {fold.differing} of {fold.episodes} episodes have other counts")
        lines.append(f"    {COUNTS}")
        lines += [f"  {_line(change, _text)}" for change in fold.first]
    return lines


def _line(change: Change, text: Any) -> str:
    return f"  {visible(change.what)}: {visible(text(change.old))} -> {visible(text(change.new))}"


def _text(value: object) -> str:
    said = "-" if value is None else str(value)
    return said if len(said) <= 120 else f"{said[:120]}…"


def _percent(value: object) -> str:
    """Scores in percent, as exact as they are; numbers of episodes as they are."""
    if isinstance(value, float):
        return f"{100 * value:.6g}"
    if isinstance(value, tuple):
        return " to ".join(map(_percent, value))
    return _text(value)
