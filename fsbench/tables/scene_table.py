"""The table of a benchmark of scenes: mIoU, and the scores that separate naming from segmenting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsbench.records.record import Record
from fsbench.scoring.scenes import FALSE_ALARMS, HIT, LEAK, MISS, NAMED, WRONG_OBJECT
from fsbench.tables.cells import parameters_text, plain_table, score_text

if TYPE_CHECKING:
    from rich.table import Table

HEADS = {
    NAMED: "named",
    HIT: "hit",
    WRONG_OBJECT: "wrong\nobject",
    MISS: "miss",
    LEAK: "leak",
    **{name: f"alarm\n> {name.removeprefix('false_alarm_')} %" for name in FALSE_ALARMS},
}
"""Score -> head of its column."""

REMARKS = (
    "named: the asked object is covered most (chance with four tiles: 25.0); hit: most of the prediction is in the "
    "right tile; wrong object: share of the prediction on other objects, mean over answers that are not empty; "
    "miss: empty answers; leak: share of all predicted pixels outside the right tile.",
    "alarm > t %: absent queries with more than t % of the picture predicted. FSS-1000 labels one object a photograph, "
    "so an absent class may stand in a background.",
)
MUST_FIND = "(alarms) in brackets: a model with mask prompts must find something; it is not ranked by them."


def scenes_table(records: Sequence[Record], title: str) -> Table:
    """One row a model, one column a score, in %, intervals beneath; false alarms of mask prompts in brackets."""
    from rich.markup import escape

    table = plain_table(title, "model", "mIoU", *HEADS.values(), "img/s", "parameters")
    for record in records:
        values = [record.other[name] for name in HEADS if name in record.other]
        cells = [score_text(value.score, _worth_showing(value.ci95)) for value in values]
        if must_find(record):
            alarms = len(FALSE_ALARMS)
            cells[-alarms:] = [f"[dim]({score_text(value.score, None)})[/]" for value in values[-alarms:]]
        mark = " [red](contaminated)[/]" if record.model.contaminated else ""
        table.add_row(
            escape(record.model.name) + mark,
            score_text(record.miou, _worth_showing(record.ci95), style="bold"),
            *cells,
            f"{record.timings.images_per_second:.1f}",
            parameters_text(record.model.total_parameters),
        )
    return table


def _worth_showing(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """The interval, None where both ends print as the same number: the score cannot vary."""
    return None if interval is None or f"{100 * interval[0]:.1f}" == f"{100 * interval[1]:.1f}" else interval


def must_find(record: Record) -> bool:
    """Whether the model gets masks, so that it has to find something in every picture."""
    return record.model.prompts in ("mask", "both")


def remarks(record: Record) -> list[str]:
    """Notes for a reader of the table."""
    return [*REMARKS, *([MUST_FIND] if must_find(record) else [])]
