"""One record for whoever looks at it in Python: as text, as HTML in a notebook, as pandas data frames."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from fsbench.records.record import ClassRecord, Record
from fsbench.tables.table import print_tables

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 160
_PRE = '<pre style="line-height:1.25; font-family:monospace; white-space:pre; overflow-x:auto">{code}</pre>'


def record_text(record: Record) -> str:
    """The table of ``record`` as plain text, with its notes beneath."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    with console.capture() as capture:
        print_tables([record], console)
    return "\n".join(line.rstrip() for line in capture.get().strip("\n").splitlines())


def record_html(record: Record) -> str:
    """The same as an HTML fragment; every text of the record is escaped."""
    console = Console(file=io.StringIO(), width=WIDTH, record=True, force_jupyter=False)
    print_tables([record], console)
    return console.export_html(code_format=_PRE, inline_styles=True)


def record_frame(record: Record, by: Literal["class", "fold"]) -> pd.DataFrame:
    """One row per class of each fold, or one row per fold; see ``Record.to_pandas``."""
    import pandas as pd

    rows: list[dict[str, object]]
    if by == "fold":
        rows = [
            {
                "fold": name,
                "miou": fold.miou,
                "ci_low": fold.ci95[0] if fold.ci95 else None,
                "ci_high": fold.ci95[1] if fold.ci95 else None,
                "fb_iou": fold.fb_iou,
                **{other: score.score for other, score in fold.other.items()},
                "episodes": fold.episodes,
                "asked": fold.asked,
                "drawn": fold.drawn,
            }
            for name, fold in record.folds.items()
        ]
        return pd.DataFrame(rows).set_index("fold")

    def row(fold: str, name: str, scored: ClassRecord, tested: bool) -> dict[str, object]:
        return {"fold": fold, "class": name, "tested": tested, **scored.model_dump()}

    rows = [
        row(name, key, scored, tested)
        for name, fold in record.folds.items()
        for classes, tested in ((fold.classes, True), (fold.others, False))
        for key, scored in classes.items()
    ]
    return pd.DataFrame(rows).set_index(["fold", "class"])
