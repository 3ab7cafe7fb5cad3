"""``fsbench fusioner``: commands of this model alone. Slow imports are made when they are used."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fusioner.grid import State

app = typer.Typer(
    help="Fusioner: the model against the released code, and the paper's tables as commands.", no_args_is_help=True
)


@app.callback()
def _fusioner() -> None:
    pass


@app.command(epilog="Example: fsbench fusioner golden fusioner_golden.npz")
def golden(
    file: Annotated[Path, typer.Argument(help="A golden .npz: weights, inputs and outputs of the released code.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Print the largest difference of each output from a golden file's; exit code 1 above 1e-4."""
    import json

    from fusioner.golden import TOLERANCE, check, differences

    found = differences(file)
    if as_json:
        within = {name: value <= TOLERANCE for name, value in found.items()}
        numbers = {name: value if value == value else None for name, value in found.items()}  # JSON has no NaN
        typer.echo(json.dumps({"differences": numbers, "tolerance": TOLERANCE, "within": within}, indent=1))
    else:
        for name, value in found.items():
            typer.echo(f"{name:13s} {value:.2e}  {'ok' if value <= TOLERANCE else f'above {TOLERANCE:g}'}")
    check(file, found)


class Table(StrEnum):
    """The paper's tables with results of Fusioner."""

    TABLE1 = "table1"
    TABLE2 = "table2"
    TABLE5 = "table5"


@app.command(epilog="Example: fsbench fusioner grid table1 --row 1 --run --out runs")
def grid(
    table: Annotated[Table, typer.Argument(help="Encoder pairs; PASCAL-5i and COCO-20i; COCO-20i to PASCAL VOC.")],
    row: Annotated[list[int] | None, typer.Option(min=1, help="Only this row, from 1; may be given again.")] = None,
    run: Annotated[bool, typer.Option("--run", help="Run what is not done, one after the other.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of runs.", metavar="RUNS")] = Path("runs"),
    benchmark: Annotated[
        list[str] | None,
        typer.Option("-b", "--benchmark", help="NAME=FOLDER of a benchmark that is not under its name."),
    ] = None,
    root: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER of a benchmark's raw data, if it was moved.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto (cuda, mps, cpu), cpu, cuda, cuda:N, mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List a table of the paper as commands, with their progress and published and measured numbers.

    --run runs what is not done yet, stops at the first failure with its exit code, and resumes when started again.
    """
    import json

    from fsbench.errors import FsbenchError
    from fusioner.grid import Grid, pairs_of, run_rows
    from fusioner.published import rows_of

    rows = rows_of(table.value)
    if row:
        if max(row) > len(rows):
            raise FsbenchError(f"--row {max(row)}: {table.value} has rows 1 to {len(rows)}")
        rows = [rows[number - 1] for number in dict.fromkeys(row)]
    folders, roots = pairs_of("-b", benchmark or []), pairs_of("--root", root or [])
    of_table = Grid(out, folders, roots, device)
    code = run_rows(of_table, rows, to_stderr=as_json) if run else 0
    states = [of_table.state(of_row) for of_row in rows]
    if as_json:
        typer.echo(json.dumps([_as_json(state) for state in states], indent=1))
    else:
        typer.echo("\n\n".join("\n".join(_lines(state)) for state in states))
    if code:
        raise typer.Exit(code)


def _lines(state: State) -> list[str]:
    from fusioner.grid import PROTOCOLS

    row, measured = state.row, state.measured
    number = row.table.removeprefix("table")
    return [
        f"Table {number}, row {row.row}: {row.encoders}, {row.fusion} fusion, on {row.benchmark}: {state.status}",
        "  published  " + _scores(row.folds, row.mean),
        "  measured   " + (f"{_scores(*measured)}  ({PROTOCOLS[row.benchmark]})" if measured else state.status),
        *(f"  note       {remark}" for remark in state.remarks),
        *(f"  {'done' if step.done else 'to do':9s}  {step.line}" for step in state.steps),
        *([f"  record     {state.path}"] if state.path else []),
    ]


def _scores(folds: tuple[float, ...], mean: float) -> str:
    return "  ".join(f"{score:.1f}" for score in folds) + f"  mean {mean:.1f}"


def _as_json(state: State) -> dict[str, Any]:
    """A row as JSON; scores in %, ``measured`` null where it is not comparable."""
    from fusioner.grid import PROTOCOLS

    row, measured = state.row, state.measured
    names = ("table", "row", "visual", "text", "fusion", "trained_on", "benchmark")
    return {name: getattr(row, name) for name in names} | {
        "protocol": PROTOCOLS[row.benchmark],
        "published": {"folds": row.folds, "mean": row.mean},
        "measured": {"folds": measured[0], "mean": measured[1]} if measured else None,
        "status": state.status,
        "remarks": state.remarks,
        "folds_trained": state.trained,
        "commands": [{"arguments": step.arguments, "line": step.line, "done": step.done} for step in state.steps],
        "record": None if state.path is None else str(state.path),
    }
