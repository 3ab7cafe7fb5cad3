"""``fsbench leaderboard check``: proves submitted records, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from leaderboard.text import visible

if TYPE_CHECKING:
    from leaderboard.checking.report import Report

EXAMPLE = "Example: fsbench leaderboard check results/prototype -b pascal-5i"


Level = Literal["counts", "predictions", "rerun"]


def check(
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORD...", help="A record.json, its folder, or a folder of records.")
    ],
    benchmark: Annotated[
        list[str] | None,
        typer.Option("-b", "--benchmark", help="A local benchmark. Default: those under FSBENCH_HOME."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="The predictions of the one record that is given, counted again.")
    ] = None,
    evidence: Annotated[
        Level | None,
        typer.Option(help="The most that may be claimed: rerun is yours to say. Default: what is proved here."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Where the benchmark's raw data lies now, if it was moved.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check submitted records: questions drawn anew, every score from the counts; exit 1 for any fault."""
    import json
    from dataclasses import asdict

    from fsbench.errors import CheckFailedError, FsbenchError
    from fsbench.progress import progress
    from leaderboard.checking.local_benchmarks import finder
    from leaderboard.checking.report import check_submission
    from leaderboard.checking.submission import Desk

    paths = _found(records)
    if predictions is not None and len(paths) != 1:
        raise FsbenchError(f"--predictions are of one record, but {len(paths)} are given: give that one")
    if predictions is not None and not predictions.is_dir():
        raise FsbenchError(f"{predictions}: is no folder of predictions: expected {predictions}/fold0/000000.png")
    if evidence == "predictions" and predictions is None:
        raise FsbenchError("--evidence predictions: only predictions prove that: give them with --predictions DIR")
    level = evidence or ("counts" if predictions is None else "predictions")
    desk = Desk(finder(benchmark or (), root), level, predictions)
    reports = []
    with progress("records", len(paths)) as advance:
        for path in paths:
            reports.append(check_submission(path, desk))
            if not as_json:
                _print(reports[-1])
            advance(1)
    faulty = [report for report in reports if report.faults]
    if as_json:
        said = [asdict(report) | {"passed": not report.faults} for report in reports]
        typer.echo(json.dumps({"passed": not faulty, "records": said}, indent=1, ensure_ascii=True))
    if faulty:
        number = sum(len(report.faults) for report in faulty)
        raise CheckFailedError(f"{number} faults in {len(faulty)} of {len(reports)} records")


def _found(records: list[Path]) -> list[Path]:
    """Every ``record.json`` meant, each once, in the order given; raises FsbenchError if there is none."""
    from fsbench.errors import FsbenchError
    from leaderboard.results import find_records

    found: dict[Path, None] = {}
    for given in records:
        if given.is_dir() and not (given / "record.json").is_dir():
            below = find_records(given)
            if not below:
                raise FsbenchError(f"{given}: holds no record.json: give the folder of an evaluation")
            found |= dict.fromkeys(below)
        elif given.exists() or given.is_symlink():
            found[given] = None
        else:
            raise FsbenchError(f"{given}: is not there: give a record.json, its folder, or a folder of records")
    return list(found)


def _print(report: Report) -> None:
    typer.echo(visible(report.record))
    for outcome in report.outcomes:
        for fault in outcome.faults:
            typer.echo(f"FAULT   {outcome.name}: {fault}")
        if outcome.skipped is not None:
            typer.echo(f"skip    {outcome.name}: {outcome.skipped}")
        elif outcome.ok:
            typer.echo(f"ok      {outcome.name}: {outcome.said}")
    for note in report.notes:
        typer.echo(f"note    {note}")
